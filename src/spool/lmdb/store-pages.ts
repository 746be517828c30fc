/**
 * Which pages of a store's file are in use: those that its trees lead to (`MDB_page`, `MDB_node` and `MDB_ovpage` in
 * mdb.c, data format 2). Read without the library, which ends the process at the first page that is not there.
 */

import { type FileHandle } from 'node:fs/promises';
import { endianness } from 'node:os';

const IS_LITTLE = endianness() === 'LE';

// Offsets in a page.
const AT_FLAGS = 18;
const AT_LOWER = 20;
const PAGE_HEADER = 24;
const BRANCH = 0x01;
const LEAF = 0x02;

// Offsets in a node.
const AT_NODE_FLAGS = 4;
const AT_KEY_OCTETS = 6;
const NODE_HEADER = 8;
const ON_OVERFLOW_PAGES = 0x01;
const IS_TREE = 0x02;

const AT_OVERFLOW_COUNT = 16;
/** In the record of a tree. */
const AT_ROOT = 40;

/** A tree without pages. */
const NO_PAGE = 2n ** 64n - 1n;

export interface Trees {
  readonly pageOctets: number;
  readonly roots: readonly bigint[];
}

/** Whether all pages that are in use lie in the first `octets` of the file. */
export async function holdsAllPages(file: FileHandle, octets: number, { pageOctets, roots }: Trees): Promise<boolean> {
  const pages = BigInt(Math.floor(octets / pageOctets));
  const buffer = Buffer.alloc(pageOctets);
  const left = [...roots];
  // No page is in two places, so in a sound file there are no more of them than it has.
  for (let seen = 0n; left.length > 0 && seen <= pages;) {
    const page = left.pop() ?? NO_PAGE;
    if (page === NO_PAGE) continue;
    seen += 1n;
    if (page >= pages) return false;
    await file.read(buffer, 0, pageOctets, Number(page) * pageOctets);
    const references = referencesOf(buffer);
    if (references === undefined || references.last >= pages) return false;
    left.push(...references.children);
  }
  return left.length === 0;
}

interface References {
  readonly children: readonly bigint[];
  /** The last page of any content that has pages of its own. */
  readonly last: bigint;
}

/** Undefined when it is no page of a tree. */
function referencesOf(page: Buffer): References | undefined {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  const kind = view.getUint16(AT_FLAGS, IS_LITTLE) & (BRANCH | LEAF);
  if (kind !== BRANCH && kind !== LEAF) return undefined;
  try {
    return nodesOf(view, kind);
  } catch (error) {
    // An offset that leads out of its page: damage.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function nodesOf(view: DataView, kind: typeof BRANCH | typeof LEAF): References {
  const count = view.getUint16(AT_LOWER, IS_LITTLE) >> 1;
  const children: bigint[] = [];
  let last = 0n;
  for (let i = 0; i < count; i++) {
    const node = PAGE_HEADER + view.getUint16(PAGE_HEADER + 2 * i, IS_LITTLE);
    const number = view.getUint32(node, IS_LITTLE);
    const flags = view.getUint16(node + AT_NODE_FLAGS, IS_LITTLE);
    const data = node + NODE_HEADER + view.getUint16(node + AT_KEY_OCTETS, IS_LITTLE);
    if (kind === BRANCH) children.push(BigInt(number) + (BigInt(flags) << 32n));
    else if ((flags & IS_TREE) !== 0) children.push(view.getBigUint64(data + AT_ROOT, IS_LITTLE));
    else if ((flags & ON_OVERFLOW_PAGES) !== 0) {
      const end = view.getBigUint64(data, IS_LITTLE) + view.getBigUint64(data + AT_OVERFLOW_COUNT, IS_LITTLE);
      if (end - 1n > last) last = end - 1n;
    }
  }
  return { children, last };
}
