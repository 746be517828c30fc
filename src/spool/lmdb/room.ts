/**
 * Room in the store's file, taken from a disk that is nearly full before a commit needs it.
 *
 * A write that finds no room is not safe inside LMDB: it tells of it in a buffer that is too small for what it has to
 * say (lmdb 3.5.6), and the process may be gone by that. So on a disk that is nearly full the file is made longer ahead,
 * by zeros behind its last page, where LMDB writes next, and a commit that might not fit is refused before it begins.
 * What brings new mail leaves a reserve to what ends mail: that makes room.
 *
 * Left out: a disk that is filled by more than `PLENTY` while one commit is under way, or from `AMPLE` while an answer holds.
 */

import { open } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { isCode } from './files.ts';

const MIB = 1024 * 1024;
/** Free octets of the disk with which no commit is looked at. */
const PLENTY = 256 * MIB;
/** So many do not go while an answer holds: it is asked once for the commits of that time. */
const AMPLE = 4096 * MIB;
/** Milliseconds. An older answer says nothing: the last commit may have been hours ago. */
const HOLDS = 100;
/** Pages that are left to commits which end mail. */
const RESERVE = 256;
/** Beside the pages of its records: the way down to them in two trees, and the list of free pages. */
const AROUND = 32;
/** A record may need its page, and one more if that has to be split. */
const PAGES_A_RECORD = 2;
const CHUNK_OCTETS = 64 * 1024;

export interface Need {
  /** Of its records; absent of those that are removed. */
  readonly values: readonly (Uint8Array | undefined)[];
  /** `adding`: it brings new mail, and leaves the reserve alone. */
  readonly kind: 'adding' | 'ending';
}

/** Of the store's file, as of its last commit. */
export interface Pages {
  readonly pageOctets: number;
  readonly lastPage: number;
  /** In front of the last one, and unused. */
  readonly free: number;
}

interface Asked {
  readonly at: number;
  /** Octets. */
  readonly free: Promise<number>;
}

export class Room {
  readonly #path: string;
  readonly #diskFree: () => Promise<number>;
  readonly #now: () => number;
  #asked: Asked | undefined;

  /** `now`: milliseconds of a clock that nobody moves. */
  constructor(path: string, diskFree: () => Promise<number>, now = () => performance.now()) {
    this.#path = path;
    this.#diskFree = diskFree;
    this.#now = now;
  }

  /** False: the commit might not fit. */
  async isThere(need: Need, pages: () => Pages): Promise<boolean> {
    const asked = this.#asked !== undefined && this.#now() - this.#asked.at < HOLDS ? this.#asked : this.#ask();
    const free = await asked.free;
    // While this commit is under way, so that the next one does not wait for the answer.
    this.#asked = free >= AMPLE ? asked : this.#ask();
    if (free >= PLENTY) return true;
    try {
      return await this.#fits(need, pages);
    } catch {
      // A file that cannot be looked at, for want of descriptors or worse, is for the commit itself to find out about.
      return true;
    }
  }

  async #fits(need: Need, pages: () => Pages): Promise<boolean> {
    const { records, together } = pagesOf(need, pages().pageOctets);
    const wanted = records + together + (need.kind === 'adding' ? RESERVE : 0);
    const fits = (spare: number): boolean => spare >= together && spare + pages().free / 2 >= wanted;
    if (fits(await this.#spare(pages()))) return true;
    await this.#lengthen(pages(), wanted + RESERVE);
    return fits(await this.#spare(pages()));
  }

  /** A disk that cannot be asked is for the commit itself to find out about. */
  #ask(): Asked {
    return { at: this.#now(), free: this.#diskFree().catch(() => PLENTY) };
  }

  /** Pages of the file behind the last one that is in use. */
  async #spare({ pageOctets, lastPage }: Pages): Promise<number> {
    const file = await open(this.#path, 'r');
    try {
      return Math.floor((await file.stat()).size / pageOctets) - lastPage - 1;
    } finally {
      await file.close();
    }
  }

  /** To so many spare pages, or as far as there is room. Nothing is written by LMDB meanwhile. */
  async #lengthen({ pageOctets, lastPage }: Pages, spare: number): Promise<void> {
    const end = (lastPage + 1 + spare) * pageOctets;
    const file = await open(this.#path, 'r+');
    try {
      for (let { size } = await file.stat(); size < end;) {
        const zeros = Buffer.alloc(Math.min(CHUNK_OCTETS, end - size));
        size += (await file.write(zeros, 0, zeros.length, size)).bytesWritten;
      }
    } catch (error) {
      if (!isCode(error, 'ENOSPC') && !isCode(error, 'EDQUOT')) throw error;
    } finally {
      await file.close();
    }
  }
}

/** `together`: pages that must lie behind each other, and those that a commit of any size takes. */
function pagesOf({ values }: Need, pageOctets: number): { readonly records: number; readonly together: number } {
  let together = AROUND;
  for (const value of values)
    if (value !== undefined && value.length > pageOctets / 4) together += Math.ceil(value.length / pageOctets) + 1;
  return { records: values.length * PAGES_A_RECORD, together };
}
