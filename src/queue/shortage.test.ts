/** The scheduler when memory is short for the number of queues: what is put out of it is found again soon. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryOf } from '../../test/lib/entries.ts';
import { ACCEPTS, siteAnswer, World, type WorldOptions } from '../../test/lib/queue-world.ts';
import { HOUR, MINUTE, SECOND } from '../lib/time.ts';
import { type Entry } from '../mail/entry.ts';

/** The least: 256 lanes, and some two hundred entries. */
const LITTLE = 256 * 1024;
const SITES = 20;

let ids = 0;
function mail(domain: number, more: Partial<Entry> = {}): Entry {
  return entryOf({ id: `m${ids++}/0`, routingDomain: `d${domain}.test`, dueAt: -1, ...more });
}

/** Many domains on few sites. */
function world(options: WorldOptions = {}): World {
  const resolve = (domain: string) =>
    siteAnswer(`mx${Number(domain.slice(1, domain.indexOf('.'))) % SITES}.test`, HOUR);
  return new World({ memory: LITTLE, resolve, ...options });
}

test('many more queues than lanes: all are drained without waiting for a sweep of the agenda', () => {
  const drained = world();
  for (let i = 0; i < 6000; i++) drained.spool.put(mail(i % 1500));
  drained.start();
  drained.run(50 * SECOND);
  assert.equal(drained.spool.size, 0);
});

test('a backlog that came while delivery was paused: all is drained without waiting for a sweep', () => {
  const drained = world();
  drained.start();
  drained.run(SECOND);
  drained.scheduler.pause('operator');
  for (let i = 0; i < 6000; i++) drained.accept(mail(i % 1500, { dueAt: drained.now }));
  drained.perform(drained.scheduler.unpause('operator', drained.now));
  drained.run(50 * SECOND);
  assert.equal(drained.spool.size, 0);
});

test('queues with more than a minute takes do not keep the others out, though they hold all lanes', () => {
  const tried = new Set<string>();
  const busy = world({
    // Entries enough for four sites, so that none has to give anything up.
    memory: 4 * LITTLE,
    resolve: (domain) => siteAnswer(`mx${Number(domain.slice(1, -5)) % 4}.test`, HOUR),
    answer: ({ entry }) => {
      tried.add(entry.routingDomain);
      return { ...ACCEPTS, takes: 50 };
    },
  });
  for (let i = 0; i < 100_000; i++) busy.spool.put(mail(i % 400));
  busy.start();
  busy.run(MINUTE);
  assert.ok(busy.spool.size > 10_000, `${busy.spool.size} are left`);
  assert.equal(tried.size, 400);
});

test('what moves is not put out of memory for what would move no sooner', () => {
  const drained = world({ answer: () => ({ ...ACCEPTS, takes: 200 }) });
  for (let i = 0; i < 6000; i++) drained.spool.put(mail(i % 200));
  drained.start();
  for (let at = SECOND; drained.spool.size > 0 && at < MINUTE; at += SECOND) drained.run(at);
  assert.equal(drained.spool.size, 0);
  assert.ok(drained.reads.due < 6000, `${drained.reads.due} reads`);
});
