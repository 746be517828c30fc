/** A spool beside a naive model of itself: random operations, and after each of them both must say the same. */

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { type Entry, type EntryId, type Lane, messageOf } from '../mail/entry.ts';
import { PRIORITY_CLASSES } from '../mail/priority-class.ts';
import { type SpoolUnderTest } from './spool.contract.ts';
import { type LaneKey } from './spool.ts';
import { entry, EPOCH, idOf, laneOf, message, notice, Reader, settlement } from './spool.fixtures.contract.ts';

const DOMAINS = ['a.test', 'b.test', 'c.test'];
const LANES: readonly Lane[] = ['fresh', 'deferred', 'held'];

const EVERY_LANE: readonly LaneKey[] = DOMAINS.flatMap((routingDomain) =>
  PRIORITY_CLASSES.flatMap((priority) =>
    LANES.map((lane) => laneOf(entry(`${idOf(0)}/0`, { routingDomain, class: priority, lane }))),
  ),
);

type Operation =
  | { readonly kind: 'accept'; readonly entries: readonly Partial<Entry>[] }
  | { readonly kind: 'remove'; readonly pick: number; readonly told: boolean }
  | { readonly kind: 'move'; readonly pick: number; readonly to: Partial<Entry> }
  | { readonly kind: 'split'; readonly pick: number; readonly into: readonly Partial<Entry>[] }
  | { readonly kind: 'tell' }
  | { readonly kind: 'reopen' };

const place = fc.record({
  dueAt: fc.integer({ min: 0, max: 9 }),
  routingDomain: fc.constantFrom(...DOMAINS),
  lane: fc.constantFrom(...LANES),
  class: fc.constantFrom(...PRIORITY_CLASSES),
});
const places = fc.array(place, { minLength: 1, maxLength: 3 });
const pick = fc.nat(1000);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('accept' as const), entries: places }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), pick, told: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('move' as const), pick, to: place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('split' as const), pick, into: places }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('tell' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
);

/** All that the model knows; each operation is one settlement. */
class Model {
  readonly entries = new Map<EntryId, Entry>();
  /** Recipients to be told of, by message number. */
  readonly notices = new Map<number, Set<number>>();
  accepted = 0;
  readonly #parts = new Map<string, number>();

  pick(n: number): Entry | undefined {
    const all = [...this.entries.values()];
    return all[n % Math.max(1, all.length)];
  }

  nextId(of: Entry): EntryId {
    const n = (this.#parts.get(of.message) ?? 100) + 1;
    this.#parts.set(of.message, n);
    return `${of.message}/${n}`;
  }

  numberOf(of: Entry): number {
    return Array.from({ length: this.accepted }, (_, n) => n).find((n) => idOf(n) === of.message) ?? -1;
  }

  isAlive(n: number): boolean {
    return [...this.entries.keys()].some((id) => messageOf(id) === idOf(n)) || this.notices.has(n);
  }
}

export async function randomOperationsKeepToTheModel(open: () => Promise<SpoolUnderTest>): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 25 }), async (operations) => {
      const under = await open();
      try {
        const model = new Model();
        for (const each of operations) {
          await perform(each, model, under);
          await compare(model, under);
        }
        await under.reopen();
        await compare(model, under);
      } finally {
        await under.close();
      }
    }),
    { numRuns: 40 },
  );
}

async function perform(operation: Operation, model: Model, under: SpoolUnderTest): Promise<void> {
  if (operation.kind === 'reopen') return under.reopen();
  if (operation.kind === 'accept') {
    const made = message(model.accepted++, { entries: operation.entries });
    for (const each of made.entries) model.entries.set(each.id, each);
    return void (await under.spool.accept([made], EPOCH));
  }
  if (operation.kind === 'tell') {
    const told = [...model.notices].map(([n, recipients]) => ({ message: idOf(n), recipients: [...recipients] }));
    model.notices.clear();
    return void (await under.spool.settle(settlement({ told }), EPOCH));
  }
  const chosen = model.pick(operation.pick);
  if (chosen === undefined) return;
  await under.spool.settle(settlement(change(operation, chosen, model)), EPOCH);
}

function change(
  operation: Extract<Operation, { pick: number }>,
  chosen: Entry,
  model: Model,
): Parameters<typeof settlement>[0] {
  if (operation.kind === 'move') {
    const moved = entry(chosen.id, operation.to);
    model.entries.set(moved.id, moved);
    return { put: [moved] };
  }
  model.entries.delete(chosen.id);
  if (operation.kind === 'split') {
    const parts = operation.into.map((to) => entry(model.nextId(chosen), to));
    for (const part of parts) model.entries.set(part.id, part);
    return { remove: [chosen.id], put: parts };
  }
  if (operation.told) return { remove: [chosen.id] };
  const n = model.numberOf(chosen);
  const told = model.notices.get(n) ?? new Set();
  model.notices.set(n, told.add(told.size));
  return { remove: [chosen.id], notices: [notice(n, told.size - 1)] };
}

async function compare(model: Model, { spool }: SpoolUnderTest): Promise<void> {
  const read = new Reader(() => spool, 3);
  const all = [...model.entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  assert.deepEqual(await read.entries(), all);
  for (let n = 0; n < model.accepted; n++) {
    assert.equal((await spool.message(idOf(n))) !== undefined, model.isAlive(n), `message ${n}`);
    assert.equal((await spool.content(idOf(n))) !== undefined, model.isAlive(n), `content ${n}`);
    assert.equal((await spool.noticesOf(idOf(n))).length, model.notices.get(n)?.size ?? 0);
  }
  const agenda = await read.agenda();
  for (const lane of EVERY_LANE) {
    const here = all.filter((each) => isDeepStrictEqual(laneOf(each), lane));
    here.sort((a, b) => a.dueAt - b.dueAt || (a.id < b.id ? -1 : 1));
    assert.deepEqual(await read.due(lane), here);
    const [first] = here;
    if (lane.lane === 'held' || first === undefined) continue;
    const row = agenda.find(({ queue }) => queue === lane.queue);
    assert.ok(row !== undefined && row.dueAt <= first.dueAt, `the agenda is late for ${lane.queue}`);
  }
  const { messages, entries } = await spool.figures();
  const alive = Array.from({ length: model.accepted }, (_, n) => n).filter((n) => model.isAlive(n));
  assert.deepEqual([messages, entries], [alive.length, all.length]);
}
