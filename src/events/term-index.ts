/**
 * Where to look for a term: in which blocks of the history it occurs.
 *
 * The newest blocks have no index. What they hold is remembered in memory while this process stored them, else they
 * are all looked through: they are few. When they are many enough they become an era, and the postings of all of
 * them are written at once, sorted. An index that is changed with each page would write a page of the file for each
 * term.
 *
 * A posting may outlive its events until all of its era are forgotten.
 */

import { type DatabaseSync } from 'node:sqlite';
import { eventsIn, type Known, termsOf } from './block.ts';
import { type EventSearch, type Term } from './search.ts';

/** Events of one era: more of them take longer to look through before they have an index, fewer make more eras. */
const ERA_EVENTS = 32_768;
/** Bits for the offset of a block in its era; with a term before them they are a number that JavaScript holds. */
const OFFSET_BITS = 20;

export class TermIndex {
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepareAll>;
  readonly #eraEvents: number;
  /** Of blocks without an index, by their first id; one that is missing must be looked through. */
  #remembered = new Map<number, Int32Array>();

  constructor(database: DatabaseSync, eraEvents = ERA_EVENTS) {
    this.#database = database;
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
    for (const row of this.#statements.from.iterate(from)) {
      const first = Number(row['first']);
      // Sorted as one number: by term, then by block.
      for (const term of this.#termsIn(first)) pairs.push(term * 2 ** OFFSET_BITS + first - from);
    }
    // One statement for all: a call costs more than a row.
    this.#statements.insert.run(from, `[${Float64Array.from(pairs).sort().join(',')}]`);
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
    const within = this.#database.prepare(withTerms(terms.length));
    for (const era of firstOf(this.#statements.eras.iterate(...range)))
      yield* firstOf(within.iterate(...range, era, ...terms));
  }

  /** Takes away what belongs to eras of which no block is left. */
  forgetEras(): void {
    for (const row of this.#statements.emptyEras.all()) {
      this.#statements.deletePostings.run(Number(row['first']));
      this.#statements.deleteEra.run(Number(row['first']));
    }
  }

  #firstWithout(): number | undefined {
    const first = this.#statements.firstWithout.get()?.['first'];
    return typeof first === 'number' ? first : undefined;
  }

  #termsIn(first: number): Iterable<Term> {
    const lines = () => String(this.#statements.lines.get(first)?.['lines'] ?? '');
    return this.#remembered.get(first) ?? termsOf(eventsIn(lines()));
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
    insert: database.prepare(
      `INSERT OR IGNORE INTO posting
       SELECT ?1, value >> ${OFFSET_BITS}, value & ${2 ** OFFSET_BITS - 1} FROM json_each(?2)`,
    ),
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

/** The order of the terms is the order of looking: the rarest first. */
function withTerms(count: number): string {
  const more = Array.from(
    { length: count - 1 },
    (_, i) => `CROSS JOIN posting AS p${i} ON p${i}.era = p.era AND p${i}.term = ?${i + 6} AND p${i}.offset = p.offset`,
  );
  return `SELECT first FROM posting AS p ${more.join(' ')} CROSS JOIN block ON first = p.era + p.offset
    WHERE p.era = ?4 AND p.term = ?5 AND first < ?1 AND latest >= ?2 AND earliest < ?3 ORDER BY p.offset DESC`;
}

export function* firstOf(rows: Iterable<Record<string, unknown>>): Generator<number> {
  for (const row of rows) yield Number(row['first']);
}
