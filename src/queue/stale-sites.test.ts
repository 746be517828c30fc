import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SECOND } from '../lib/time.ts';
import { DEFAULT_PACING, pacingFor } from './pace.ts';
import { Site, SiteGroup } from './site-state.ts';
import { StaleSites } from './stale-sites.ts';

/** With one entry that is ready, as far as counts go. */
function siteOf(name: string): Site {
  const pace = pacingFor({ site: name, hosts: [], domain: '' }, DEFAULT_PACING);
  const site = new Site(name, new SiteGroup(pace, ['default']), new Set());
  site.readyCount = 1;
  return site;
}

test('the site that moved least lately is the first to give up, and none that moved just now', () => {
  const stale = new StaleSites();
  const [one, two] = [siteOf('one'), siteOf('two')];
  stale.add(one, 0);
  stale.add(two, SECOND);
  assert.equal(stale.first(undefined, SECOND), undefined);
  assert.equal(stale.wakeAt, 2 * SECOND);
  assert.equal(stale.first(undefined, 2 * SECOND), one);
  stale.moved(one, 2 * SECOND);
  assert.equal(stale.first(undefined, 3 * SECOND), two);
  assert.equal(stale.first(two, 3 * SECOND), undefined);
  assert.equal(stale.first(two, 4 * SECOND), one);
});

test('being given more is not moving', () => {
  const stale = new StaleSites();
  const site = siteOf('one');
  stale.add(site, 0);
  stale.add(site, SECOND);
  assert.equal(stale.first(undefined, 2 * SECOND), site);
});

test('a site with nothing to give up is not listed', () => {
  const stale = new StaleSites();
  const site = siteOf('one');
  stale.add(site, 0);
  site.readyCount = 0;
  stale.moved(site, SECOND);
  assert.equal(stale.first(undefined, 9 * SECOND), undefined);
  assert.equal(stale.wakeAt, undefined, 'and nothing is waited for');
});

test('a clock that goes back does not keep anything in memory', () => {
  const stale = new StaleSites();
  const site = siteOf('one');
  stale.add(site, 3600 * SECOND);
  assert.equal(stale.first(undefined, 0), site);
});
