/**
 * A look at a store's file before the library opens it. The library ends the process, by a fault, for a file that is
 * not one of its own, and later, when it reads a page that a file cut short no longer has.
 *
 * The file begins with two meta pages (`MDB_meta` in mdb.c, data format 2); the one of the later transaction counts.
 */

import { type FileHandle, open } from 'node:fs/promises';
import { endianness } from 'node:os';
import { join } from 'node:path';
import { isCode } from './files.ts';
import { holdsAllPages, type Trees } from './store-pages.ts';

const MAGIC = 0xbeefc0de;
const VERSION = 2;
const IS_LITTLE = endianness() === 'LE';

// Offsets in a meta page.
const AT_MAGIC = 24;
const AT_VERSION = 28;
const AT_PAGE_OCTETS = 48;
// Of the free pages, and of the records.
const AT_ROOTS = [88, 136] as const;
const AT_LAST_PAGE = 144;
const AT_TRANSACTION = 152;
const META_OCTETS = 160;

/** The library's own name for it. */
export const DATA_FILE = 'data.mdb';

/** Throws, in words for an operator, when the file is there and cannot be a whole store. */
export async function checkStoreFile(folder: string): Promise<'none' | 'whole'> {
  const path = join(folder, DATA_FILE);
  const file = await openExisting(path);
  if (file === undefined) return 'none';
  try {
    const { octets, first, second } = await readMetas(file);
    if (octets === 0) return 'none';
    if (first === undefined) throw new Error(`${path} is not a store: it does not begin like one`);
    const newest = second !== undefined && second.transaction > first.transaction ? second : first;
    const expected = (newest.lastPage + 1) * newest.pageOctets;
    // Pages at the end that a commit has taken and given back are counted, and not always written.
    if (octets < expected && !(await holdsAllPages(file, octets, newest)))
      throw new Error(`${path} is cut short: it has ${octets} octets of ${expected}. Restore it from a backup.`);
    return 'whole';
  } finally {
    await file.close();
  }
}

async function openExisting(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    // It will be made.
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

interface Meta extends Trees {
  readonly lastPage: number;
  readonly transaction: number;
}

async function readMetas(file: FileHandle): Promise<{ octets: number; first?: Meta; second?: Meta }> {
  const { size } = await file.stat();
  const metaAt = async (position: number): Promise<Meta | undefined> => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(META_OCTETS), 0, META_OCTETS, position);
    return bytesRead < META_OCTETS ? undefined : readMeta(buffer);
  };
  const first = await metaAt(0);
  const second = first === undefined ? undefined : await metaAt(first.pageOctets);
  return { octets: size, ...(first && { first }), ...(second && { second }) };
}

function readMeta(page: Buffer): Meta | undefined {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  if (view.getUint32(AT_MAGIC, IS_LITTLE) !== MAGIC) return undefined;
  if (view.getUint32(AT_VERSION, IS_LITTLE) !== VERSION) return undefined;
  return {
    pageOctets: view.getUint32(AT_PAGE_OCTETS, IS_LITTLE),
    roots: AT_ROOTS.map((offset) => view.getBigUint64(offset, IS_LITTLE)),
    lastPage: Number(view.getBigUint64(AT_LAST_PAGE, IS_LITTLE)),
    transaction: Number(view.getBigUint64(AT_TRANSACTION, IS_LITTLE)),
  };
}
