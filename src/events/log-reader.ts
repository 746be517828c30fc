/**
 * Reads the event log from a position on, a bounded page at a time, while it is being written and after
 * its segments were compressed.
 *
 * Each line comes with the sequence number of its outbox record. A record may stand in the log twice; whoever
 * keeps what it reads drops a line whose `sequence`, `n` and time it has.
 */

import { type FileHandle, open, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { listSegments, type Segment, type SegmentName } from './segments.ts';

export interface LogPosition {
  readonly segment: SegmentName;
  /** Octets of the segment, uncompressed, that were read. */
  readonly offset: number;
}

export interface LogLine {
  /** Absent for events that belong to no commit. */
  readonly sequence: number | undefined;
  /** Number of the line in its record. */
  readonly n: number;
  /** The event as JSON, without its line end. */
  readonly line: string;
  /** The same as it stands in the log, its stamp included. */
  readonly stamped?: string;
}

export interface LogPage {
  readonly lines: readonly LogLine[];
  /** Read on from here; absent only while there is no log. */
  readonly position: LogPosition | undefined;
  /** There is more to read now. */
  readonly more: boolean;
  /** Segments that could not be unpacked and were passed over. */
  readonly damaged: readonly SegmentName[];
}

// Longer than any line that `eventLine` makes.
const CHUNK_OCTETS = 2 * 1024 * 1024;
/** A segment that unpacks to more than this was not made by us. */
const MAX_UNPACKED_OCTETS = 512 * 1024 * 1024;
const LF = 0x0a;
const NOTHING = Buffer.alloc(0);
const STAMP = /^\{"seq":(\d{1,15}),"n":(\d{1,9}),/;

const unpack = promisify(zstdDecompress);

export class LogReader {
  readonly #folder: string;
  /** The last compressed segment that was read, so that its pages do not unpack it again. */
  #unpacked: { readonly name: SegmentName; readonly octets: Buffer } | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** At most `limit` lines behind `after`; from the beginning without it. */
  async read(after: LogPosition | undefined, limit: number): Promise<LogPage> {
    try {
      return await this.#read(after, limit);
    } catch (error) {
      // Compressed or removed between being listed and being opened; the new list says where it is.
      if (isError(error, /^ENOENT$/)) return this.#read(after, limit);
      throw error;
    }
  }

  async #read(after: LogPosition | undefined, limit: number): Promise<LogPage> {
    // Listed before it is read: a segment with another behind it in this list grows no more.
    const all = await listSegments(this.#folder);
    const segments = all.filter(({ name }) => after === undefined || name >= after.segment);
    const damaged: SegmentName[] = [];
    let position = after;
    for (const [i, segment] of segments.entries()) {
      const offset = position?.segment === segment.name ? position.offset : 0;
      const chunk = await this.#chunk(segment, offset);
      if (chunk === undefined) damaged.push(segment.name);
      const { lines, octets } = wholeLines(chunk ?? NOTHING, limit);
      position = { segment: segment.name, offset: offset + octets };
      const isMore = octets < (chunk?.length ?? 0) || chunk?.length === CHUNK_OCTETS || i < segments.length - 1;
      if (octets > 0) return { lines, position, more: isMore, damaged };
    }
    return { lines: [], position, more: false, damaged };
  }

  /** Undefined when it cannot be unpacked. */
  async #chunk(segment: Segment, offset: number): Promise<Buffer | undefined> {
    if (!segment.compressed) return readAt(segment.path, offset);
    if (this.#unpacked?.name !== segment.name) {
      const octets = await unpacked(segment.path);
      if (octets === undefined) return undefined;
      this.#unpacked = { name: segment.name, octets };
    }
    return this.#unpacked.octets.subarray(offset, offset + CHUNK_OCTETS);
  }
}

async function unpacked(path: string): Promise<Buffer | undefined> {
  const octets = await readFile(path);
  try {
    return await unpack(octets, { maxOutputLength: MAX_UNPACKED_OCTETS });
  } catch (error) {
    // Damage of one segment must not hide those behind it.
    if (isError(error, /^(?:ZSTD_|Z_|ERR_BUFFER_TOO_LARGE)/)) return undefined;
    throw error;
  }
}

function isError(error: unknown, code: RegExp): boolean {
  return error instanceof Error && 'code' in error && code.test(String(error.code));
}

async function readAt(path: string, offset: number): Promise<Buffer> {
  const handle = await open(path, 'r');
  try {
    return await fill(handle, offset);
  } finally {
    await handle.close();
  }
}

async function fill(handle: FileHandle, offset: number): Promise<Buffer> {
  const { size } = await handle.stat();
  const chunk = Buffer.allocUnsafe(Math.max(0, Math.min(CHUNK_OCTETS, size - offset)));
  const { bytesRead } = await handle.read(chunk, 0, chunk.length, offset);
  return chunk.subarray(0, bytesRead);
}

/** A line without end is left for later, unless it fills the chunk: then it is damage, and passed over. */
function wholeLines(chunk: Buffer, limit: number): { lines: readonly LogLine[]; octets: number } {
  const lines: LogLine[] = [];
  let start = 0;
  while (lines.length < limit) {
    const lf = chunk.indexOf(LF, start);
    if (lf === -1) break;
    if (lf > start) lines.push(lineOf(chunk.toString('utf8', start, lf)));
    start = lf + 1;
  }
  const isDamaged = start === 0 && chunk.length === CHUNK_OCTETS;
  return { lines, octets: isDamaged ? chunk.length : start };
}

/** Of a whole line of the log. */
export function lineOf(text: string): LogLine {
  const stamp = STAMP.exec(text);
  if (stamp === null) return { sequence: undefined, n: 0, line: text };
  return { sequence: Number(stamp[1]), n: Number(stamp[2]), line: `{${text.slice(stamp[0].length)}`, stamped: text };
}

/** As it stands in the log. */
export function stampedLine({ sequence, n, line, stamped }: LogLine): string {
  return stamped ?? (sequence === undefined ? line : `{"seq":${sequence},"n":${n},${line.slice(1)}`);
}
