import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_PACING, pacingFor } from './pace.ts';
import { SiteGroup } from './site-state.ts';
import { Starved } from './starved.ts';

const group = (site: string): SiteGroup =>
  new SiteGroup(pacingFor({ site, hosts: [], domain: site }, DEFAULT_PACING), ['default']);

function fed(starved: Starved): readonly string[] {
  const names: string[] = [];
  starved.feed(({ name }) => void names.push(name));
  return names;
}

test('one of each kind is fed, those that waited longest, and each kind is first in turn', () => {
  const starved = new Starved();
  const [a, b, x, y] = [group('a'), group('b'), group('x'), group('y')];
  for (const quick of [a, b]) starved.add(quick, 'quick');
  for (const other of [x, y]) starved.add(other, 'other');
  assert.deepEqual(fed(starved), ['a', 'x']);
  assert.deepEqual(
    [a, b, x, y].map((one) => starved.has(one)),
    [false, true, false, true],
  );
  assert.deepEqual(fed(starved), ['y', 'b']);
  assert.deepEqual(fed(starved), []);
});

test('a group that was served waits no longer, of whichever kind it was', () => {
  const starved = new Starved();
  const both = group('both');
  starved.add(both, 'quick');
  starved.add(both, 'other');
  starved.delete(both);
  assert.equal(starved.has(both), false);
  assert.deepEqual(fed(starved), []);
});
