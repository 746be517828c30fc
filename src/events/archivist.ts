/**
 * The archivist: reads the event log into the history, and looks after segments that are over.
 *
 * One `step` is one bounded piece of work: a page of lines, or one segment compressed, or some old events
 * forgotten. The hot path never waits for it; whoever runs it calls `step` until it is `idle`, and again later.
 */

import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { DAY } from '../lib/time.ts';
import { counter } from '../observe/metrics.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Event } from './event.ts';
import { isDamage } from './history-file.ts';
import { type History, openHistory, rebuildHistory } from './history.ts';
import { LogReader } from './log-reader.ts';
import { type EventPage, type EventSearch } from './search.ts';
import { listSegments, makeFolder, type Segment, segmentPath, syncFolder, timeOfSegment } from './segments.ts';

const ingested = counter('postrider_history_events_total', 'Events stored in the history.');
const unreadable = counter('postrider_history_unreadable_total', 'Lines of the event log that are no events.');

export interface ArchivistOptions {
  /** Of the event log. */
  readonly folder: string;
  readonly historyFile: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Segments and events older than this are removed. */
  readonly retentionDays: number;
  /** Lines read in one step. */
  readonly pageLines?: number;
}

/** As many as there are in what the reader takes at once, more or less: the rest would be read again. */
const PAGE_LINES = 4096;
const FORGET_AT_ONCE = 2000;
// Level 1: 642 MiB/s and 9 times smaller on delivery logs; higher levels gain little on them.
const COMPRESSION = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

export class Archivist {
  readonly #options: ArchivistOptions;
  #history: History;
  readonly #reader: LogReader;

  static async open(options: ArchivistOptions): Promise<Archivist> {
    await makeFolder(options.folder);
    await makeFolder(dirname(options.historyFile));
    return new Archivist(options);
  }

  /** The folders must be there; `open` makes them. */
  constructor(options: ArchivistOptions) {
    this.#options = options;
    this.#reader = new LogReader(options.folder);
    this.#history = openHistory(options.historyFile);
    if (this.#history.state === 'new') options.log.info('the history is built from the event log');
  }

  /** Does one piece of work. Rejects when the disk fails; the next step tries again. */
  async step(): Promise<'idle' | 'more'> {
    try {
      if (await this.#ingest()) return 'more';
      return (await this.#keepHouse()) ? 'more' : 'idle';
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#options.log.warn('the history is damaged and is built anew from the event log', { reason: String(error) });
      this.#history.close();
      this.#history = rebuildHistory(this.#options.historyFile);
      return 'more';
    }
  }

  story(queueId: string): readonly Event[] {
    return this.#history.story(queueId);
  }

  search(wanted: EventSearch): EventPage {
    return this.#history.search(wanted);
  }

  close(): void {
    this.#history.close();
  }

  /** Whether there is more to read now; what came meanwhile waits for the next time, to be a page worth its while. */
  async #ingest(): Promise<boolean> {
    const before = this.#history.position();
    const page = await this.#reader.read(before, this.#options.pageLines ?? PAGE_LINES);
    const { position, lines, more, damaged } = page;
    if (position === undefined) return false;
    const isNew = before?.segment !== position.segment || before.offset !== position.offset;
    if (!isNew) return false;
    for (const segment of damaged)
      this.#options.log.error('a segment of the event log is damaged and was passed over', { segment });
    const result = this.#history.ingest(lines, position);
    ingested.add(result.stored);
    if (result.unreadable > 0) this.#tellUnreadable(result.unreadable, position.segment);
    return more;
  }

  #tellUnreadable(count: number, segment: string): void {
    unreadable.add(count);
    this.#options.log.warn('lines of the event log are no events and were passed over', { count, segment });
  }

  /** One thing that needs doing, or false when there is none. */
  async #keepHouse(): Promise<boolean> {
    const oldest = this.#options.clock.now() - this.#options.retentionDays * DAY;
    const read = this.#history.position();
    if (read === undefined) return false;
    const over = (await listSegments(this.#options.folder)).filter(({ name }) => name < read.segment);
    // A segment ends where the next one begins.
    const ends = [...over.slice(1).map(({ name }) => name), read.segment];
    const expired = over.find((_, i) => timeOfSegment(ends[i] ?? read.segment) < oldest);
    if (expired !== undefined) {
      await rm(expired.path, { force: true });
      return true;
    }
    const plain = over.find(({ compressed }) => !compressed);
    if (plain !== undefined) {
      await compress(plain, this.#options.folder);
      return true;
    }
    return this.#history.forget(oldest, FORGET_AT_ONCE) === FORGET_AT_ONCE;
  }
}

/** The plain segment goes only when the compressed one is whole and survives a power cut. */
async function compress(segment: Segment, folder: string): Promise<void> {
  const target = segmentPath(folder, segment.name, 'compressed');
  const draft = `${target}.draft`;
  await pipeline(
    createReadStream(segment.path),
    createZstdCompress(COMPRESSION),
    createWriteStream(draft, { mode: 0o600 }),
  );
  const handle = await open(draft, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, target);
  await syncFolder(folder);
  await rm(segment.path);
}
