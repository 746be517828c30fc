/**
 * One LMDB environment as the spool uses it: short reads, and writes that are one transaction each.
 *
 * A write resolves when data pages are synced and then the meta page: `overlappingSync` is off (with it a
 * promise means visible, not durable) and `noSync` and `noMetaSync` are never set. Writes come one at a time.
 *
 * Reads share a snapshot that the library drops at the end of the tick, so no reader stands in the way of
 * free pages; what a reader of a dead process holds is freed by `checkReaders`.
 */

import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { type RootDatabase, open } from 'lmdb';
import { errorText } from '../../lib/error-text.ts';
import { SpoolError } from '../spool.ts';
import { type KeyRange } from './keys.ts';
import { type Need, type Pages, Room } from './room.ts';

/** What is kept free of the disk when we decide whether a failed write was for want of room. */
const ROOM_OCTETS = 4 * 1024 * 1024;

const ENOSPC = 28;
const MDB_MAP_FULL = -30792;
const MDB_TXN_FULL = -30788;
const MDB_PANIC = -30795;

/**
 * Why the process must end, for a person. After a failed write of its meta page LMDB refuses every call, and which of
 * them is the first to be heard of, a commit or a read, is chance.
 */
export function endingReason(error: unknown): string {
  if (isPanic(error)) return `a commit failed: ${String(error)}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

const EMPTY = Buffer.alloc(0);

/** Puts and removals in order; of two for one key the later counts. */
export class Writes {
  readonly keys: string[] = [];
  readonly values: (Uint8Array | undefined)[] = [];
  octets = 0;

  /** The octets must stay as they are until the write has settled. */
  put(key: string, value: Uint8Array): void {
    this.keys.push(key);
    this.values.push(value);
    this.octets += value.length;
  }

  mark(key: string): void {
    this.put(key, EMPTY);
  }

  remove(key: string): void {
    this.keys.push(key);
    this.values.push(undefined);
  }
}

export interface StoreFigures {
  readonly usedOctets: number;
  /** Pages inside the file that the next writes will use. */
  readonly freeOctets: number;
  /** Commits behind the last one that the oldest reader looks at. */
  readonly readerLag: number;
}

export interface StoreOptions {
  readonly folder: string;
  /** Address space for the map. */
  readonly mapOctets: number;
  readonly freeOctets: () => Promise<number>;
}

export class Store {
  readonly #db: RootDatabase<Uint8Array, string>;
  readonly #diskFree: () => Promise<number>;
  readonly #room: Room;

  constructor({ folder, mapOctets, freeOctets }: StoreOptions) {
    this.#diskFree = freeOctets;
    this.#room = new Room(join(folder, 'data.mdb'), freeOctets);
    const options = {
      path: folder,
      noSubdir: false,
      encoding: 'binary',
      overlappingSync: false,
      eventTurnBatching: false,
      mapSize: mapOctets,
      permissionsMode: 0o600,
    } as const;
    this.#db = open<Uint8Array, string>(options);
  }

  /** A copy. */
  get(key: string): Buffer | undefined {
    const octets = this.#db.getBinary(key);
    return octets === undefined ? undefined : Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  }

  /** A copy of a part, without one of the rest. */
  part(key: string, { at, octets }: { readonly at: number; readonly octets: number }): Buffer | undefined {
    const record: Uint8Array | undefined = this.#db.getBinaryFast(key);
    // The library's buffer is longer than the record; only its `length` was set to the record's.
    return record === undefined ? undefined : Buffer.copyBytesFrom(record, at, Math.min(octets, record.length - at));
  }

  /** The record as text: read from the library's own buffer, without a copy of the octets. */
  text(key: string): string | undefined {
    const octets: Uint8Array | undefined = this.#db.getBinaryFast(key);
    if (octets === undefined) return undefined;
    // The library's buffer is longer than the record; only its `length` was set to the record's.
    return (Buffer.isBuffer(octets) ? octets : Buffer.from(octets)).toString('utf8', 0, octets.length);
  }

  has(key: string): boolean {
    return this.#db.doesExist(key);
  }

  /** At most `limit` keys of the range in order. */
  keys(range: KeyRange, limit: number): string[] {
    return [...this.#db.getKeys({ start: range.start, end: range.end, limit })];
  }

  first(range: KeyRange): string | undefined {
    for (const key of this.#db.getKeys({ start: range.start, end: range.end, limit: 1 })) return key;
    return undefined;
  }

  /** Brings records into memory off the thread, so that reading them does not wait for a disk. */
  async prefetch(keys: readonly string[]): Promise<void> {
    await this.#db.prefetch([...keys]);
  }

  /** All of it in one transaction, on disk when it resolves; nothing of it when it rejects with a `SpoolError`. */
  async write(writes: Writes, kind: Need['kind'] = 'adding'): Promise<void> {
    const { keys, values } = writes;
    if (!(await this.#room.isThere({ values, kind }, () => this.#pages())))
      throw new SpoolError('full', 'no room for a commit: the disk is full');
    try {
      await this.#db.batch(() => {
        for (const [i, key] of keys.entries()) {
          const value = values[i];
          // Both give the promise of the batch, which is awaited.
          if (value === undefined) void this.#db.remove(key);
          else void this.#db.put(key, value);
        }
      });
    } catch (error) {
      throw await this.#failure(error, writes.octets);
    }
  }

  /** Makes reads see everything that is committed by now. */
  refresh(): void {
    this.#db.resetReadTxn();
  }

  checkReaders(): number {
    return this.#db.readerCheck();
  }

  figures(): StoreFigures {
    const { root, free, lastPageNumber, lastTxnId } = this.#db.getStats() as LmdbStats;
    const used = pages(root) + pages(free);
    return {
      usedOctets: used * root.pageSize,
      freeOctets: Math.max(0, lastPageNumber - 1 - used) * root.pageSize,
      readerLag: readerLag(this.#db.readerList(), lastTxnId),
    };
  }

  /** A copy without free pages, taken in one snapshot; `target` is a folder that exists. */
  async copyTo(target: string): Promise<void> {
    await this.#db.backup(target, true);
    await chmod(join(target, 'data.mdb'), 0o600);
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  /**
   * Why a commit failed. The library rejects twice: the commit, and a second promise that carries the cause and
   * that ends the process if nobody takes it. A full disk is reported as ENOSPC, as EIO after a short write, or
   * as whatever the rest of a broken transaction gave; so we look at the disk.
   */
  async #failure(error: unknown, octets: number): Promise<SpoolError> {
    const cause = await causeOf(error);
    const code = codeOf(cause);
    const text = errorText(cause);
    if (code === ENOSPC || code === MDB_MAP_FULL || code === MDB_TXN_FULL)
      return new SpoolError('full', `no room for a commit: ${text}`, { cause });
    if (!isPanic(cause) && (await this.#isFull(octets)))
      return new SpoolError('full', `the disk is full: ${text}`, { cause });
    return new SpoolError('broken', `a commit failed: ${text}`, { cause });
  }

  #pages(): Pages {
    const { root, lastPageNumber } = this.#db.getStats() as LmdbStats;
    return {
      pageOctets: root.pageSize,
      lastPage: lastPageNumber,
      free: this.figures().freeOctets / root.pageSize,
    };
  }

  async #isFull(octets: number): Promise<boolean> {
    try {
      return (await this.#diskFree()) < ROOM_OCTETS + 2 * octets;
    } catch {
      // A disk that cannot even be asked is not merely full.
      return false;
    }
  }
}

interface LmdbStats {
  readonly root: LmdbTree;
  readonly free: LmdbTree;
  readonly lastPageNumber: number;
  readonly lastTxnId: number;
}

/** The library gives a table as text: a heading, then process, thread and snapshot of each reader; `-`: it looks at none. */
function readerLag(table: string, last: number): number {
  const [, ...rows] = table.split('\n');
  const snapshots = rows.map((row) => Number(row.trim().split(/\s+/)[2])).filter((snapshot) => snapshot > 0);
  return snapshots.length === 0 ? 0 : Math.max(0, last - Math.min(...snapshots));
}

interface LmdbTree {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

function pages(tree: LmdbTree): number {
  return tree.treeBranchPageCount + tree.treeLeafPageCount + tree.overflowPages;
}

async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (cause) {
    // This is how the library hands over the reason of a failed commit.
    return cause;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** Some of the library's calls give another code, and the name in their words only. */
function isPanic(error: unknown): boolean {
  return codeOf(error) === MDB_PANIC || (error instanceof Error && error.message.includes('MDB_PANIC'));
}
