import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { entryOf } from '../../test/lib/entries.ts';
import { DAY, HOUR, MINUTE } from '../lib/time.ts';
import { Care } from './care.ts';
import { laneOf, Lanes } from './lanes.ts';
import { DEFAULT_PACING, pacingFor } from './pace.ts';
import { DEFAULT_RETRY } from './retry.ts';
import { Site, SiteGroup } from './site-state.ts';

/** A site refused three times, the last attempt having begun at `at`. */
function refusedSite(at: number): Site {
  const group = new SiteGroup(pacingFor({ site: 'x', hosts: [], domain: 'x' }, DEFAULT_PACING), ['default']);
  const site = new Site('x', group, new Set());
  for (const startedAt of [at - 20 * MINUTE, at - 10 * MINUTE, at]) {
    const refusal = { startedAt, now: startedAt, wait: undefined, jitter: 0, diagnostic: 'no answer' };
    site.sources.get('default')!.backoff.refused(refusal, { first: MINUTE, max: HOUR });
  }
  return site;
}

describe('the verdict on what waits at a refused site', () => {
  const care = new Care(() => DEFAULT_RETRY);
  const cases = [
    { name: 'young: it waits', entry: entryOf(), at: HOUR, want: undefined },
    { name: 'late: its sender is told', entry: entryOf(), at: 4 * HOUR, want: 'backedOff' },
    { name: 'told already: it waits', entry: entryOf({ warned: true }), at: 5 * HOUR, want: undefined },
    { name: 'bulk: nobody is told', entry: entryOf({ class: 'bulk' }), at: 5 * HOUR, want: undefined },
    { name: 'its time was up when the probe began', entry: entryOf({ warned: true }), at: 5 * DAY, want: 'backedOff' },
    { name: 'not due: it has its own time', entry: entryOf({ dueAt: 9 * DAY }), at: 5 * DAY, want: undefined },
  ];
  for (const { name, entry, at, want } of cases)
    test(name, () => {
      const verdict = care.verdict(entry, refusedSite(at), at);
      assert.equal(verdict?.kind, want);
      if (verdict?.kind === 'backedOff')
        assert.deepEqual([verdict.at, verdict.until, verdict.diagnostic], [at, at + 4 * MINUTE, 'no answer']);
    });
});

test('the lanes of a site are walked through one after the other, each page by page', () => {
  const care = new Care(() => DEFAULT_RETRY);
  const site = refusedSite(HOUR);
  const lanes = new Lanes(10);
  for (const lane of ['fresh', 'deferred'] as const) site.pushHungry(lanes.open(laneOf(entryOf({ lane })), 0));
  assert.equal(care.next(HOUR), undefined, 'nobody asked for it');
  care.wanted(site);
  const first = care.next(HOUR);
  assert.equal(care.after, undefined);
  const page = [entryOf({ dueAt: 5 })];
  care.read({ entries: page, next: { dueAt: 5, entry: 'm1/0' } }, HOUR);
  assert.equal(care.next(HOUR), first);
  assert.deepEqual(care.after, { dueAt: 5, entry: 'm1/0' });
  care.read({ entries: page, next: undefined }, HOUR);
  const second = care.next(HOUR);
  assert.notEqual(second, first);
  care.read({ entries: [entryOf({ dueAt: 2 * HOUR })], next: { dueAt: 2 * HOUR, entry: 'm1/0' } }, HOUR);
  assert.equal(care.next(HOUR), undefined, 'beyond what is due there is nothing to care for');
});

test('a site that may be tried again needs no care', () => {
  const care = new Care(() => DEFAULT_RETRY);
  const site = refusedSite(HOUR);
  site.pushHungry(new Lanes(10).open(laneOf(entryOf()), 0));
  care.wanted(site);
  assert.equal(care.next(2 * HOUR), undefined);
});
