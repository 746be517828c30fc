/**
 * Where to look for a term: in which blocks of the history it occurs.
 *
 * The newest blocks have no index. What they hold is remembered in memory while this process stored them, else they
 * are all looked through: they are few. When they are many enough they become an era, and the postings of all of
 * them are written at once, sorted. An index that is changed with each page would write a page of the file for each
 * term.
 *
 * Within an era a term is a range of sorted numbers. A posting may outlive its events until all of its era are
 * forgotten.
 */

import { type DatabaseSync } from 'node:sqlite';
import { eventsOf, type Known, termsOf } from './block.ts';
import { type EventSearch, type Term } from './search.ts';

/** Above the offset of any block in its era; a term times this is a number that JavaScript holds. */
const OFFSETS = 2 ** 20;
/** They and what SQLite adds fit one page of the file. */
const PAIRS_OF_A_ROW = 500;

export class TermIndex {
  readonly #statements: ReturnType<typeof prepareAll>;
  readonly #eraEvents: number;
  /** Of blocks without an index, by their first id; one that is missing must be looked through. */
  #remembered = new Map<number, Int32Array>();

  constructor(database: DatabaseSync, eraEvents: number) {
    this.#eraEvents = eraEvents;
    this.#statements = prepareAll(database);
  }

  /** To be called with all of a new block, or with what was added to one. */
  remember(first: number, events: readonly Known[], form: 'new' | 'added'): void {
    const before = this.#remembered.get(first);
    if (form === 'added' && before === undefined) return;
    this.#remembered.set(first, Int32Array.from([...(before ?? []), ...termsOf(events)]));
  }

  /** After a transaction that failed: what was remembered in it did not happen. */
  unremember(): void {
    this.#remembered.clear();
  }

  /** Makes an era of the blocks without one if they are enough. `next` is the id of the next event. */
  closeEra(next: number): void {
    const from = this.#firstWithout();
    if (from === undefined || next - from < this.#eraEvents) return;
    const pairs: number[] = [];
    for (const first of firstOf(this.#statements.from.iterate(from)))
      for (const term of this.#termsIn(first)) pairs.push(term * OFFSETS + first - from);
    const sorted = Float64Array.from(pairs).sort();
    for (let i = 0; i < sorted.length; i += PAIRS_OF_A_ROW) {
      const row = sorted.slice(i, i + PAIRS_OF_A_ROW);
      this.#statements.insert.run(from, row.at(-1) ?? 0, new Uint8Array(row.buffer));
    }
    this.#statements.insertEra.run(from, next);
    this.#remembered.clear();
  }

  /** Newest first, those blocks that may hold such events. */
  *blocks(terms: readonly Term[], search: EventSearch): Generator<number> {
    const range = [search.after ?? Infinity, search.since ?? -Infinity, search.until ?? Infinity] as const;
    for (const first of firstOf(this.#statements.without.iterate(...range))) {
      const known = this.#remembered.get(first);
      if (known === undefined || terms.every((term) => known.includes(term))) yield first;
    }
    for (const era of firstOf(this.#statements.eras.iterate(...range)))
      for (const first of this.#within(era, terms))
        if (this.#statements.isWanted.get(first, ...range) !== undefined) yield first;
  }

  /** Takes away what belongs to eras of which no block is left. */
  forgetEras(): void {
    for (const row of this.#statements.emptyEras.all()) {
      this.#statements.deletePostings.run(Number(row['first']));
      this.#statements.deleteEra.run(Number(row['first']));
    }
  }

  /** Newest first, those of an era that have all of the terms. */
  #within(era: number, terms: readonly Term[]): readonly number[] {
    let blocks: readonly number[] | undefined;
    for (const term of terms) {
      const those: ReadonlySet<number> = this.#blocksOf(era, term);
      blocks = blocks === undefined ? [...those] : blocks.filter((first) => those.has(first));
      if (blocks.length === 0) break;
    }
    return (blocks ?? []).toSorted((a, b) => b - a);
  }

  #blocksOf(era: number, term: Term): Set<number> {
    const [lowest, above] = [term * OFFSETS, (term + 1) * OFFSETS];
    const blocks = new Set<number>();
    for (const row of this.#statements.pairs.iterate(era, lowest)) {
      const pairs = numbersIn(row['pairs']);
      for (let i = placeOf(lowest, pairs); i < pairs.length; i++) {
        const pair = pairs[i] ?? above;
        if (pair >= above) return blocks;
        blocks.add(era + pair - lowest);
      }
    }
    return blocks;
  }

  #firstWithout(): number | undefined {
    const first = this.#statements.firstWithout.get()?.['first'];
    return typeof first === 'number' ? first : undefined;
  }

  #termsIn(first: number): Iterable<Term> {
    return this.#remembered.get(first) ?? termsOf(eventsOf(this.#statements.lines.get(first)?.['lines']));
  }
}

function prepareAll(database: DatabaseSync) {
  const ended = '(SELECT coalesce(max(ending), 1) FROM era)';
  return {
    from: database.prepare('SELECT first FROM block WHERE first >= ?'),
    firstWithout: database.prepare(`SELECT min(first) AS first FROM block WHERE first >= ${ended}`),
    lines: database.prepare('SELECT lines FROM block WHERE first = ?'),
    without: database.prepare(
      `SELECT first FROM block WHERE first >= ${ended} AND first < ? AND latest >= ? AND earliest < ? ORDER BY first DESC`,
    ),
    eras: database.prepare(
      'SELECT first FROM era WHERE first < ? AND latest >= ? AND earliest < ? ORDER BY first DESC',
    ),
    insert: database.prepare('INSERT INTO posting VALUES (?, ?, ?)'),
    pairs: database.prepare('SELECT pairs FROM posting WHERE era = ? AND highest >= ? ORDER BY highest'),
    isWanted: database.prepare('SELECT 1 FROM block WHERE first = ? AND first < ? AND latest >= ? AND earliest < ?'),
    insertEra: database.prepare(
      'INSERT INTO era SELECT min(first), ?2, min(earliest), max(latest) FROM block WHERE first >= ?1',
    ),
    emptyEras: database.prepare(
      'SELECT first FROM era WHERE NOT EXISTS (SELECT * FROM block WHERE first >= era.first AND first < ending)',
    ),
    deletePostings: database.prepare('DELETE FROM posting WHERE era = ?'),
    deleteEra: database.prepare('DELETE FROM era WHERE first = ?'),
  };
}

export function* firstOf(rows: Iterable<Record<string, unknown>>): Generator<number> {
  for (const row of rows) yield Number(row['first']);
}

/** Of a row, whose octets may lie anywhere in memory. */
function numbersIn(octets: unknown): Float64Array {
  return octets instanceof Uint8Array ? new Float64Array(octets.slice().buffer) : new Float64Array();
}

/** Of the first that is not below it. */
function placeOf(number: number, sorted: Float64Array): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((sorted[middle] ?? 0) < number) from = middle + 1;
    else to = middle;
  }
  return from;
}
