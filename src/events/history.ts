/**
 * History: the event log made searchable, in one SQLite file.
 *
 * Lines and the position behind them are stored in one transaction; a line that stands in the log twice is kept
 * once. The index says in which blocks to look; each line found there is read and judged by itself, so that the
 * index may say too much, and an answer never does.
 *
 * All calls block: for a thread of its own. Words from outside reach SQL only as hashes and parameters.
 */

import { type DatabaseSync } from 'node:sqlite';
import { type Instant } from '../lib/time.ts';
import { type Known, knownOf, linesOf, packed, sequencesOf, storedOf, textsOf, timesOf } from './block.ts';
import { type Event } from './event.ts';
import { createAnew, inTransaction, openIfSound } from './history-file.ts';
import { type LogLine, type LogPosition } from './log-reader.ts';
import { highestOf, NO_STAMP, type Stamp, type Where, withoutRepeats } from './repeats.ts';
import { aboutMessage, type EventPage, type EventSearch, type Wanted, wantedBy } from './search.ts';
import { firstOf, TermIndex } from './term-index.ts';

export interface Ingested {
  readonly stored: number;
  /** Lines that are no events: damage, or a newer version's. */
  readonly unreadable: number;
}

interface Found {
  readonly id: number;
  readonly event: Event;
}

const MAX_PAGE = 1000;
const MAX_STORY = 10_000;

/** Numbers of events; tests have smaller ones. */
export interface Sizes {
  /** Of a block. More share their terms better; fewer are read faster for one event of them. */
  readonly block: number;
  /** The last block takes in what comes until it is so large: else a quiet server makes as many blocks as events. */
  readonly small: number;
  /** More take longer to look through before they have an index; fewer make more eras. */
  readonly era: number;
}

const SIZES: Sizes = { block: 256, small: 32, era: 32_768 };

/** Opens the file, or builds an empty one in place of one that is damaged or of another version. */
export function openHistory(file: string, sizes = SIZES): History {
  const found = openIfSound(file);
  return found === undefined ? rebuildHistory(file, sizes) : new History(found, 'kept', sizes);
}

/** An empty history in place of what is there. */
export function rebuildHistory(file: string, sizes = SIZES): History {
  return new History(createAnew(file), 'new', sizes);
}

export class History {
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepareAll>;
  readonly #index: TermIndex;
  readonly #sizes: Sizes;
  /** `new`: it must be filled from the beginning of the log. */
  readonly state: 'kept' | 'new';

  constructor(database: DatabaseSync, state: 'kept' | 'new', sizes: Sizes) {
    this.#database = database;
    this.state = state;
    this.#sizes = sizes;
    this.#statements = prepareAll(database);
    this.#index = new TermIndex(database, sizes.era);
  }

  /** Stores the lines and the position behind them: both or, if it throws, nothing. */
  ingest(lines: readonly LogLine[], position: LogPosition): Ingested {
    const read = lines.flatMap((line) => knownOf(line) ?? []);
    const stored = this.#inTransaction(() => {
      const highest = this.#highest();
      const fresh = withoutRepeats(read, highest, (where) => this.#linesIn(where));
      this.#append(fresh);
      const { sequence, n } = highestOf(fresh, highest);
      this.#statements.setPosition.run(position.segment, position.offset, sequence, n);
      return fresh.length;
    });
    return { stored, unreadable: lines.length - read.length };
  }

  /** Behind the last line that was stored. */
  position(): LogPosition | undefined {
    const row = this.#statements.position.get();
    return row === undefined ? undefined : { segment: String(row['segment']), offset: Number(row['offset']) };
  }

  /** All that happened to a message, DSNs about it included, oldest first. */
  story(queueId: string): readonly Event[] {
    const wanted = aboutMessage(queueId);
    if (wanted.terms.length === 0) return [];
    const story: Event[] = [];
    for (const first of [...this.#index.blocks(wanted.terms, {})].reverse()) {
      for (const line of this.#linesOf(first)) story.push(...matching(line, wanted));
      if (story.length >= MAX_STORY) break;
    }
    return story.slice(0, MAX_STORY);
  }

  search(search: EventSearch): EventPage {
    const limit = Math.max(1, Math.min(MAX_PAGE, Math.trunc(search.limit ?? 100) || 1));
    const found: Found[] = [];
    for (const each of this.#newestFirst(search)) {
      if (found.length === limit) return { events: found.map(({ event }) => event), next: found.at(-1)?.id };
      found.push(each);
    }
    return { events: found.map(({ event }) => event), next: undefined };
  }

  /** Removes at most `limit` events from before that time; answers how many it was. */
  forget(before: Instant, limit: number): number {
    if (this.#statements.oldest.get(before) === undefined) return 0;
    return this.#inTransaction(() => {
      let removed = 0;
      for (;;) {
        const oldest = this.#statements.oldest.get(before)?.['first'];
        if (oldest === undefined || removed >= limit) break;
        removed += this.#forgetIn(Number(oldest), before, limit - removed);
      }
      this.#index.forgetEras();
      return removed;
    });
  }

  close(): void {
    this.#database.close();
  }

  #inTransaction<T>(work: () => T): T {
    try {
      return inTransaction(this.#database, work);
    } catch (error) {
      this.#index.unremember();
      throw error;
    }
  }

  #highest(): Stamp {
    const row = this.#statements.position.get();
    return row === undefined ? NO_STAMP : { sequence: Number(row['sequence']), n: Number(row['n']) };
  }

  *#linesIn({ since, until, lowest, highest }: Where): Generator<readonly string[]> {
    for (const first of firstOf(this.#statements.overlapping.iterate(since, until, highest, lowest)))
      yield this.#linesOf(first);
  }

  #append(events: readonly Known[]): void {
    const { block, small } = this.#sizes;
    const last = this.#statements.last.get(small);
    const room = last === undefined ? 0 : block - Number(last['size']);
    if (last !== undefined && events.length > 0) this.#grow(Number(last['first']), events.slice(0, room));
    let next = Number(this.#statements.next.get()?.['next']);
    this.#index.closeEra(next);
    for (let from = room; from < events.length; from += block) {
      const some = events.slice(from, from + block);
      this.#statements.insert.run(next, ...figuresOf(some), packed(textsOf(some)));
      this.#index.remember(next, some, 'new');
      next += some.length;
      this.#index.closeEra(next);
    }
  }

  #grow(first: number, events: readonly Known[]): void {
    const all = [...this.#linesOf(first), ...textsOf(events)];
    this.#statements.grow.run(first, ...figuresOf(events), packed(all));
    this.#index.remember(first, events, 'added');
  }

  *#newestFirst(search: EventSearch): Generator<Found> {
    const wanted = wantedBy(search);
    const { after = Infinity } = search;
    for (const first of this.#blocks(wanted, search)) {
      const lines = this.#linesOf(first);
      for (let id = Math.min(first + lines.length, after) - 1; id >= first; id--)
        for (const event of matching(lines[id - first] ?? '', wanted)) yield { id, event };
    }
  }

  /** Newest first, those that may hold such events. */
  #blocks({ terms }: Wanted, search: EventSearch): Iterable<number> {
    if (terms.length > 0) return this.#index.blocks(terms, search);
    const { after = Infinity, since, until } = search;
    if (since === undefined && until === undefined) return firstOf(this.#statements.all.iterate(after));
    return firstOf(this.#statements.between.iterate(after, since ?? -Infinity, until ?? Infinity));
  }

  #linesOf(first: number): readonly string[] {
    return linesOf(this.#statements.lines.get(first)?.['lines']);
  }

  #forgetIn(first: number, before: Instant, limit: number): number {
    const lines = this.#linesOf(first);
    const all = lines.map(storedOf);
    const old = all.flatMap((each, i) =>
      each !== undefined && each.event.at < before ? { i, at: each.event.at } : [],
    );
    const sorted = old.toSorted((a, b) => a.at - b.at).slice(0, limit);
    const gone = new Set(sorted.map(({ i }) => i));
    const times = timesOf(all.flatMap((each, i) => (each === undefined || gone.has(i) ? [] : each)));
    if (times === undefined) this.#statements.remove.run(first);
    else {
      const left = packed(lines.map((line, i) => (gone.has(i) ? '' : line)));
      this.#statements.change.run(times.least, times.most, left, first);
    }
    return gone.size;
  }
}

function prepareAll(database: DatabaseSync) {
  const ended = '(SELECT coalesce(max(ending), 1) FROM era)';
  return {
    insert: database.prepare('INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?)'),
    grow: database.prepare(
      `UPDATE block SET size = size + ?2, earliest = min(earliest, ?3), latest = max(latest, ?4),
       lowest = min(coalesce(lowest, ?5), coalesce(?5, lowest)), highest = max(coalesce(highest, ?6), coalesce(?6, highest)),
       lines = ?7 WHERE first = ?1`,
    ),
    change: database.prepare('UPDATE block SET earliest = ?, latest = ?, lines = ? WHERE first = ?'),
    remove: database.prepare('DELETE FROM block WHERE first = ?'),
    lines: database.prepare('SELECT lines FROM block WHERE first = ?'),
    // The last one, while it is small and has no era.
    last: database.prepare(
      `SELECT first, size FROM block WHERE first = (SELECT max(first) FROM block) AND first >= ${ended} AND size < ?`,
    ),
    // Never within an era: what is stored there would not be found by its terms.
    next: database.prepare(
      `SELECT max(${ended}, coalesce((SELECT first + size FROM block ORDER BY first DESC LIMIT 1), 1)) AS next`,
    ),
    position: database.prepare('SELECT segment, offset, sequence, n FROM position'),
    setPosition: database.prepare('INSERT OR REPLACE INTO position VALUES (1, ?, ?, ?, ?)'),
    ...prepareLooks(database),
  };
}

/** Those that find blocks by what is in them. */
function prepareLooks(database: DatabaseSync) {
  return {
    all: database.prepare('SELECT first FROM block WHERE first < ? ORDER BY first DESC'),
    between: database.prepare(
      'SELECT first FROM block WHERE first < ? AND latest >= ? AND earliest < ? ORDER BY first DESC',
    ),
    oldest: database.prepare('SELECT first FROM block WHERE earliest < ? ORDER BY earliest LIMIT 1'),
    overlapping: database.prepare(
      'SELECT first FROM block WHERE latest >= ? AND earliest <= ? AND lowest <= ? AND highest >= ?',
    ),
  };
}

/** The columns of a block between its id and its lines, or what is added to them. */
function figuresOf(events: readonly Known[]) {
  const [times, sequences] = [timesOf(events), sequencesOf(events)];
  return [events.length, ...[times?.least, times?.most, sequences?.least, sequences?.most].map((each) => each ?? null)];
}

function matching(line: string, wanted: Wanted): readonly Event[] {
  if (line === '' || !wanted.mayMatch(line)) return [];
  const event = storedOf(line)?.event;
  return event !== undefined && wanted.matches(event) ? [event] : [];
}
