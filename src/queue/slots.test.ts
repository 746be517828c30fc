import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { entryOf } from '../../test/lib/entries.ts';
import { type EntryId } from '../mail/entry.ts';
import { DEFAULT_PACING, pacingFor } from './pace.ts';
import { Site, SiteGroup } from './site-state.ts';
import { type SlotKind, Slots } from './slots.ts';
import { Window } from './window.ts';

function world() {
  const group = new SiteGroup(pacingFor({ site: 'x', hosts: [], domain: 'x' }, DEFAULT_PACING), ['default']);
  const site = new Site('x', group, new Set());
  const place = { kind: 'other' as const, site, at: site.sources.get('default')!, path: group.paths.get('default')! };
  const slots = new Slots();
  const window = new Window();
  let n = 0;
  const waiting = () => window.add(entryOf({ id: `m${n++}/0` as EntryId }), 'inFlight');
  slots.join(1, 2);
  const worker = slots.worker(1)!;
  return { slots, place, worker, waiting };
}

describe('Slots', () => {
  test('a slot is counted in its path, its site and its worker until it is gone', () => {
    const { slots, place, worker, waiting } = world();
    const slot = slots.open(worker, place, 0);
    const [first, second] = [waiting(), waiting()];
    slots.put(slot, first);
    assert.deepEqual([place.path.slots, place.path.busy, place.at.inFlight, worker.inFlight], [1, 1, 1, 1]);
    assert.ok(place.at.spare.has(slot), 'another may be queued');
    slots.put(slot, second);
    assert.ok(!place.at.spare.has(slot), 'but not a third');
    slots.take(slot, first);
    slots.take(slot, first);
    assert.deepEqual([place.path.busy, place.at.inFlight], [1, 1]);
    slots.remove(slot);
    slots.remove(slot);
    assert.deepEqual(
      [place.path.slots, place.path.busy, place.at.inFlight, worker.inFlight, slots.size],
      [0, 0, 0, 0, 0],
    );
    assert.equal(place.at.spare.size, 0);
  });

  test('slots of a quick next hop have more, each in turn', () => {
    const { slots, place, waiting } = world();
    slots.join(2, 100);
    const [a, b] = [slots.open(slots.worker(2)!, place, 0), slots.open(slots.worker(2)!, place, 0)];
    place.path.succeeded(0, 5);
    for (const slot of [a, b]) slots.put(slot, waiting());
    const turns = [];
    for (let next = place.at.spare.first; next !== undefined; next = place.at.spare.first) {
      turns.push(next === a ? 'a' : 'b');
      slots.put(next, waiting());
    }
    assert.deepEqual(turns, ['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b']);
    assert.equal(a.dispatches.size, 5);
  });

  test('a resting slot is found until it is used or its rest is over', () => {
    const { slots, place, worker, waiting } = world();
    const [a, b] = [slots.open(worker, place, 0), slots.open(worker, place, 0)];
    slots.rest(a, 100);
    slots.rest(b, 200);
    assert.deepEqual([slots.idleOn(place.path), slots.roomFor('quick', 2), slots.nextRestEnd()], [a, a, 100]);
    slots.put(a, waiting());
    assert.deepEqual([slots.idleOn(place.path), place.at.idle.length, slots.idleCount], [b, 1, 1]);
    assert.equal(slots.rested(199), undefined);
    assert.equal(slots.rested(200), b);
  });

  test('each kind is counted and rests on its own, and the earliest end of both is known', () => {
    const { slots, place } = world();
    slots.join(3, 10);
    const open = (kind: SlotKind) => slots.open(slots.worker(3)!, { ...place, kind }, 0);
    const [quick, other, third] = [open('quick'), open('other'), open('other')];
    assert.deepEqual([slots.roomFor('quick', 4), slots.roomFor('other', 4)], ['free', 'free'], 'three may be others');
    assert.deepEqual([slots.roomFor('quick', 3), slots.roomFor('other', 2)], ['none', 'none']);
    slots.rest(other, 200);
    slots.rest(quick, 300);
    slots.rest(third, 100);
    assert.equal(slots.idleCount, 3);
    assert.equal(slots.roomFor('quick', 3), third);
    assert.equal(slots.roomFor('other', 2), third, 'in place of one of its kind');
    assert.deepEqual([slots.surplus(16), slots.surplus(24)], [third, undefined]);
    slots.remove(third);
    slots.remove(third);
    assert.deepEqual([slots.size, slots.idleCount, slots.nextRestEnd()], [2, 2, 200]);
    assert.equal(slots.roomFor('other', 1), other);
    assert.equal(slots.rested(250), other);
    assert.equal(slots.rested(250), undefined);
    assert.equal(slots.rested(300), quick);
  });

  test('the least busy worker, and none beyond its capacity', () => {
    const { slots, place, worker, waiting } = world();
    slots.join(2, 1);
    const slot = slots.open(worker, place, 0);
    slots.put(slot, waiting());
    assert.equal(slots.leastBusy()?.id, 2);
    slots.put(slots.open(slots.worker(2)!, place, 0), waiting());
    assert.equal(slots.leastBusy()?.id, 1);
    slots.put(slot, waiting());
    assert.equal(slots.leastBusy(), undefined);
    slots.leave(1);
    assert.equal(slots.worker(1), undefined);
  });
});
