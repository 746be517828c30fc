/** The scheduler beside a million entries in a hundred thousand queues: memory is bounded, nothing starves. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryOf } from '../../test/lib/entries.ts';
import { ACCEPTS, REFUSES, World, type AgendaRow, type Position, type SpoolModel } from '../../test/lib/queue-world.ts';
import { MINUTE } from '../lib/time.ts';
import { type Entry, type EntryId } from '../mail/entry.ts';
import { partitionOf, PARTITIONS } from '../mail/partition.ts';
import { queueName, type QueueName } from '../mail/queue-name.ts';
import { type LaneRef } from './scheduling.ts';

const PER_DOMAIN = 10;
const MEMORY = 2 * 1024 * 1024;

/** Makes its entries when they are read; knows by a bit each which are gone, and holds those that were tried. */
class VirtualSpool implements SpoolModel {
  readonly #gone: Uint16Array;
  readonly #partitions = new Map<number, number[]>();
  readonly #numbers = new Map<string, number>();
  readonly #moved = new Map<EntryId, Entry>();
  size: number;

  constructor(domains: number) {
    this.#gone = new Uint16Array(domains);
    this.size = domains * PER_DOMAIN;
    for (let i = 0; i < PARTITIONS; i++) this.#partitions.set(i, []);
    for (let i = 0; i < domains; i++) {
      this.#partitions.get(partitionOf(domainOf(i)))!.push(i);
      this.#numbers.set(queueOf(i), i);
    }
  }

  entry(id: EntryId): Entry | undefined {
    const { domain, n } = numbersOf(id);
    if (((this.#gone[domain]! >> n) & 1) === 1) return this.#moved.get(id);
    return make(domain, n);
  }

  values(): Iterable<Entry> {
    return this.#moved.values();
  }

  put(entry: Entry): void {
    this.remove(entry.id);
    this.#moved.set(entry.id, entry);
    this.size++;
  }

  remove(id: EntryId): void {
    const { domain, n } = numbersOf(id);
    const there = ((this.#gone[domain]! >> n) & 1) === 0;
    if (there || this.#moved.delete(id)) this.size--;
    this.#gone[domain]! |= 1 << n;
  }

  due({ queue, class: priority, lane }: LaneRef, after: Position | undefined, limit: number) {
    const rows: Entry[] = [];
    const domain = this.#numbers.get(queue)!;
    // Entries that were tried are due long after the test; they are not read again here.
    for (let n = after === undefined ? 0 : numbersOf(after.entry).n + 1; n < PER_DOMAIN && rows.length < limit; n++)
      if (priority === 'normal' && lane === 'fresh' && ((this.#gone[domain]! >> n) & 1) === 0)
        rows.push(make(domain, n));
    const last = rows.at(-1);
    return { rows, next: rows.length === limit && last ? { dueAt: last.dueAt, entry: last.id } : undefined };
  }

  agenda(partition: number, after: AgendaRow | undefined, limit: number) {
    const all = this.#partitions.get(partition)!;
    const from = after === undefined ? 0 : all.indexOf(this.#numbers.get(after.queue)!) + 1;
    const rows: AgendaRow[] = [];
    let i = from;
    for (; i < all.length && rows.length < limit; i++)
      if (this.#gone[all[i]!] !== 2 ** PER_DOMAIN - 1) rows.push({ dueAt: -1, queue: queueOf(all[i]!) });
    return { rows, next: i < all.length ? rows.at(-1) : undefined };
  }
}

const domainOf = (i: number) => `d${i}.test`;
const queueOf = (i: number): QueueName => queueName({ campaign: '', tenant: `t${i % 10}`, domain: domainOf(i) });

function numbersOf(id: EntryId): { domain: number; n: number } {
  const [domain = '', n = ''] = id.slice(1).split('/');
  return { domain: Number(domain), n: Number(n) };
}

function make(domain: number, n: number): Entry {
  const id: EntryId = `m${domain}/${n}`;
  return entryOf({ id, routingDomain: domainOf(domain), queue: queueOf(domain), dueAt: -1 });
}

interface Story {
  readonly world: World;
  readonly domainsTried: () => number;
}

/** One in ten is dead, one in ten slow. */
function story(spool: VirtualSpool): Story {
  const tried = new Set<number>();
  const world = new World({
    memory: MEMORY,
    maxInFlight: 1000,
    spool,
    answer: ({ entry, site }) => {
      tried.add(numbersOf(entry.id).domain);
      if (site.endsWith('7.test')) return REFUSES;
      return site.endsWith('3.test') ? { ...ACCEPTS, takes: 5000 } : ACCEPTS;
    },
  });
  world.keepHistory = false;
  world.start();
  return { world, domainsTried: () => tried.size };
}

function assertBounded({ most }: World): void {
  assert.ok(most.octets <= MEMORY * 0.4, `${most.octets} octets of entries`);
  assert.ok(most.inFlight <= 1000);
  assert.ok(most.lanes <= 600, `${most.lanes} lanes`);
  // Those that the resolutions lead to, those with connections, and those with something in memory.
  assert.ok(most.sites <= 256 + 1000 + 1000, `${most.sites} sites`);
}

test('a million entries over a hundred thousand domains in two megabytes', () => {
  const { world, domainsTried } = story(new VirtualSpool(100_000));
  world.run(10_000);
  assert.ok(domainsTried() > 1000, `${domainsTried()} domains tried in ten seconds`);
  assertBounded(world);
});

test('no domain starves', () => {
  const { world, domainsTried } = story(new VirtualSpool(3000));
  for (let i = 0; i < 40 && domainsTried() < 3000; i++) world.run(world.now + MINUTE / 4);
  assert.equal(domainsTried(), 3000);
  assertBounded(world);
});

test('the work of a dispatch does not grow with what waits', () => {
  const wakes: number[] = [];
  for (const waiting of [1_000, 20_000]) {
    const world = new World({ answer: () => ({ ...ACCEPTS, takes: 50 }) });
    for (let i = 0; i < waiting; i++)
      world.spool.put(entryOf({ id: `m${i}/0`, routingDomain: `d${i % 20}.test`, dueAt: -i, tenant: `t${i % 5}` }));
    world.start();
    while (world.over.length < 1000) world.run(world.now + 100);
    wakes.push((world.reads.due + world.reads.agenda + world.wakes) / world.over.length);
  }
  assert.ok(wakes[1]! < wakes[0]! * 2, `${wakes}`);
});
