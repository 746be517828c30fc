/** Random weather over a week of simulated time: whatever happens, every entry ends, once, and nothing is left behind. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryOf, ruleOf, undelivered } from '../../test/lib/entries.ts';
import { ACCEPTS, REFUSES, seeded, siteAnswer, World, type Answer } from '../../test/lib/queue-world.ts';
import { DAY, HOUR, MINUTE } from '../lib/time.ts';
import { type EntryId } from '../mail/entry.ts';
import { PRIORITY_CLASSES } from '../mail/priority-class.ts';

const GREYLISTS: Answer = {
  takes: 100,
  outcome: undelivered({ diagnostic: '450 4.7.1 Greylisted, try again in 5 minutes' }),
  effect: 'success',
};
const LIMITS: Answer = {
  takes: 10,
  outcome: undelivered({ scope: 'path', diagnostic: '421 4.7.28 unusual rate' }),
  effect: 'limited',
  connection: 'closed',
};
const HANGS_UP: Answer = {
  takes: 30,
  outcome: undelivered({ scope: 'connection', cause: 'connection', diagnostic: 'postrider: connection lost' }),
  effect: 'neutral',
  connection: 'closed',
};
const FAILS: Answer = { takes: 30, outcome: undelivered({ kind: 'failed', status: '5.1.1' }), effect: 'success' };

const OLD = 300;
const ROUNDS = 40;
const MESSAGES = OLD + 20 * ROUNDS;

for (const seed of [1, 2, 3, 4])
  test(`a week of weather, seed ${seed}`, () => {
    const chance = seeded(seed * 7919);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(chance() * list.length)]!;
    const calm = 3 * DAY;
    const world = new World({
      seed,
      memory: pick([256 * 1024, 2 * 1024 * 1024]),
      maxInFlight: pick([3, 50, 2000]),
      maxSlots: pick([4, 1000]),
      workers: 3,
      sources: pick([['default'], ['one', 'two']]),
      resolve: (domain, now) => {
        if (now < calm && chance() < 0.1)
          return { kind: 'deferred', status: '4.4.3', diagnostic: 'postrider: SERVFAIL', ttl: 1000 };
        const n = Number(domain.slice(1, domain.indexOf('.')));
        return siteAnswer(n % 5 === 0 ? `mx${n % 3}.google.com` : `mx${n}.test`, pick([0, 1000, HOUR]));
      },
      answer: (_, now) => {
        if (now >= calm) return ACCEPTS;
        return chance() < 0.5 ? ACCEPTS : pick([REFUSES, GREYLISTS, LIMITS, HANGS_UP, FAILS]);
      },
    });
    let entries = 0;
    const some = () =>
      entryOf({
        id: `m${entries++}/0` as EntryId,
        routingDomain: `d${Math.floor(chance() * 40)}.test`,
        tenant: pick(['', 'a', 'b']),
        class: pick(PRIORITY_CLASSES),
        acceptedAt: world.now,
      });
    for (let i = 0; i < OLD; i++) world.spool.put(some());
    world.start();
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = 0; i < 20; i++) world.accept(some());
      world.run(world.now + Math.floor(chance() * 20 * MINUTE));
      const luck = chance();
      if (luck < 0.1) {
        const worker = Math.floor(chance() * 3);
        world.kill(worker);
        world.perform(world.scheduler.workerJoined(worker, pick([1, 1000]), world.now));
      } else if (luck < 0.2) {
        const rule = ruleOf({
          target: pick([{ tenant: 'a' }, { domain: 'd5.test' }, { site: 'mx7.test' }]),
          until: world.now + HOUR,
        });
        world.perform(world.scheduler.rulesChanged([rule], world.now));
      } else if (luck < 0.25) {
        world.scheduler.pause('test');
        world.run(world.now + HOUR);
        world.perform(world.scheduler.unpause('test', world.now));
      }
    }
    world.run(7 * DAY);
    assert.equal(world.spool.size, 0, 'every entry has ended');
    assert.equal(world.over.length, MESSAGES, 'and only once');
    const { entries: left, octets, inFlight, slots, lanes } = world.scheduler.figures();
    assert.deepEqual({ left, octets, inFlight, slots, lanes }, { left: 0, octets: 0, inFlight: 0, slots: 0, lanes: 0 });
    assert.ok([...world.mostSlots.values()].every((count) => count <= 10));
    // Sweeping 256 partitions once a minute is up to four wakes a second; a scheduler that spins makes millions.
    assert.ok(world.wakes < 7 * 86_400 * 4, `${world.wakes} wakes`);
  });
