/**
 * The event log: JSON lines in segments, written by one thread.
 *
 * `append` resolves once its lines are written and fsynced. All appends of a tick, and all that come while
 * a write is under way, share one write and one fsync. A record of the outbox has a sequence number, and
 * each of its lines carries it as `"seq":12,"n":0`: after a crash or a failed write the outbox is appended
 * again, and readers drop what they have seen. Lines of events that belong to no commit carry none.
 *
 * Nothing that was written is ever changed. A segment whose write or fsync failed is left as it is, perhaps
 * with a torn last line, and another is begun: readers skip a last line that has no end.
 */

import { open, stat } from 'node:fs/promises';
import { type Duration, HOUR, type Instant } from '../lib/time.ts';
import { counter } from '../observe/metrics.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import {
  listSegments,
  makeFolder,
  type OpenSegment,
  openSegmentFile,
  type Segment,
  type SegmentFile,
  segmentName,
  type SegmentName,
  segmentPath,
  timeOfSegment,
} from './segments.ts';

const writtenOctets = counter('postrider_event_log_octets_total', 'Octets written to the event log.');
const failures = counter('postrider_event_log_failures_total', 'Writes to the event log that failed.');

export interface EventLogOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** A segment that would grow past this is followed by another. */
  readonly maxSegmentOctets?: number;
  readonly maxSegmentAge?: Duration;
  /** Octets that may wait for the disk; beyond that `append` rejects at once. */
  readonly maxPendingOctets?: number;
  readonly openSegment?: OpenSegment;
}

/**
 * `full`: no space; try again later. `behind`: the disk does not keep up. `broken`: the disk failed.
 * In each case it is unknown whether the lines are in the log: append them again, with the same sequence number.
 */
export class EventLogError extends Error {
  readonly kind: 'full' | 'behind' | 'broken';
  constructor(kind: 'full' | 'behind' | 'broken', message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

interface Append {
  readonly octets: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: EventLogError) => void;
}

interface Open {
  readonly file: SegmentFile;
  readonly begun: Instant;
  octets: number;
}

const DEFAULTS = { maxSegmentOctets: 64 * 1024 * 1024, maxSegmentAge: HOUR, maxPendingOctets: 16 * 1024 * 1024 };
const LF = 0x0a;

export class EventLog {
  readonly #options: Required<EventLogOptions>;
  #segment: Open | undefined;
  /** The newest name there is: the next one must sort behind it, whatever the clock says. */
  #newest: SegmentName;
  #waiting: Append[] = [];
  #pendingOctets = 0;
  #writing: Promise<void> | undefined;
  #closed = false;

  /** Goes on with the newest segment if it ends with a whole line; else begins another. */
  static async open(options: EventLogOptions): Promise<EventLog> {
    await makeFolder(options.folder);
    const full = { ...DEFAULTS, openSegment: openSegmentFile, ...options };
    const newest = (await listSegments(options.folder)).at(-1);
    const segment = newest === undefined ? undefined : await goOn(newest, full);
    return new EventLog(full, newest?.name ?? '', segment);
  }

  private constructor(options: Required<EventLogOptions>, newest: SegmentName, segment: Open | undefined) {
    this.#options = options;
    this.#newest = newest;
    this.#segment = segment;
  }

  /** `lines`: JSON objects, each with its line end. Rejects with an `EventLogError` only. */
  append(sequence: number | undefined, lines: string): Promise<void> {
    if (this.#closed) return Promise.reject(new EventLogError('broken', 'the event log is closed'));
    const octets = Buffer.from(sequence === undefined ? lines : stamped(sequence, lines));
    if (octets.length === 0) return Promise.resolve();
    if (octets.at(-1) !== LF) throw new Error('event lines without a line end');
    if (this.#pendingOctets > 0 && this.#pendingOctets + octets.length > this.#options.maxPendingOctets)
      return Promise.reject(new EventLogError('behind', 'the event log does not keep up; too much waits for the disk'));
    this.#pendingOctets += octets.length;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ octets, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  /** Resolves when all that was appended is written or has been rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    await this.#leave();
  }

  async #writeAll(): Promise<void> {
    // What else is appended in this tick joins the first write.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      await this.#writeGroup(group);
    }
    this.#writing = undefined;
  }

  async #writeGroup(group: readonly Append[]): Promise<void> {
    const octets = Buffer.concat(group.map((append) => append.octets));
    try {
      await this.#write(octets);
      writtenOctets.add(octets.length);
      for (const { resolve } of group) resolve();
    } catch (cause) {
      failures.add(1);
      const error = failureOf(cause, this.#options.folder);
      this.#options.log.error('the event log could not be written', { reason: error.message });
      await this.#leave();
      for (const { reject } of group) reject(error);
    } finally {
      this.#pendingOctets -= octets.length;
    }
  }

  async #write(octets: Buffer): Promise<void> {
    const segment = await this.#segmentFor(octets.length);
    await segment.file.append(octets);
    await segment.file.sync();
    segment.octets += octets.length;
  }

  async #segmentFor(octets: number): Promise<Open> {
    const { maxSegmentOctets, maxSegmentAge, clock, folder, openSegment } = this.#options;
    const now = clock.now();
    const present = this.#segment;
    if (present !== undefined) {
      const fits = present.octets === 0 || present.octets + octets <= maxSegmentOctets;
      if (fits && Math.abs(now - present.begun) < maxSegmentAge) return present;
      await this.#leave();
    }
    const after = this.#newest === '' ? -Infinity : timeOfSegment(this.#newest);
    const name = segmentName(Math.max(now, after + 1));
    const file = await openSegment(segmentPath(folder, name, 'plain'));
    this.#newest = name;
    this.#segment = { file, begun: now, octets: 0 };
    return this.#segment;
  }

  async #leave(): Promise<void> {
    const present = this.#segment;
    this.#segment = undefined;
    try {
      await present?.file.close();
    } catch (error) {
      // All that was promised was fsynced before; nothing else can be done with a file that does not close.
      this.#options.log.warn('a segment of the event log could not be closed', { reason: String(error) });
    }
  }
}

async function goOn(segment: Segment, options: Required<EventLogOptions>): Promise<Open | undefined> {
  if (segment.compressed) return undefined;
  const { size } = await stat(segment.path);
  if (size >= options.maxSegmentOctets || !(await endsWithLine(segment.path, size))) return undefined;
  return { file: await options.openSegment(segment.path), begun: timeOfSegment(segment.name), octets: size };
}

async function endsWithLine(path: string, size: number): Promise<boolean> {
  if (size === 0) return true;
  const handle = await open(path, 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0] === LF;
  } finally {
    await handle.close();
  }
}

/** Puts the sequence number of the record and the number of the line before the fields of each event. */
function stamped(sequence: number, lines: string): string {
  let n = 0;
  return lines
    .split('\n')
    .map((line) => (line === '' ? '' : `{"seq":${sequence},"n":${n++},${line.slice(1)}`))
    .join('\n');
}

function failureOf(cause: unknown, folder: string): EventLogError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new EventLogError('full', `no space left for the event log in ${folder}`, { cause });
  return new EventLogError('broken', `the event log in ${folder} failed: ${String(cause)}`, { cause });
}
