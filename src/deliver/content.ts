/** Content on its way out: octets in memory, or read a block at a time from a file or from who keeps it. */

import { open } from 'node:fs/promises';
import { octetsOf } from '../lib/octet-pieces.ts';
import { type DispatchContent } from '../queue/dispatch.ts';

/** A block of a file is a hop to another thread and back. */
export const BLOCK_OCTETS = 262_144;
/** Of content that is asked for, or read in little pieces, because memory is short. */
export const ASKED_OCTETS = 16_384;

/** Octets from there on, at most so many; rejects when the content is gone. */
export type ReadContent = (at: number, octets: number) => Promise<Uint8Array>;

export interface OutgoingContent {
  readonly octets: number;
  /** All of it, when it is in memory. */
  readonly memory: Buffer | undefined;
  /** The same as DATA carries it, with its end; only where that is known already. */
  readonly wire?: Buffer;
  /** Blocks of at most `BLOCK_OCTETS`; may be asked for more than once. Rejects when a file cannot be read or has changed its length. */
  blocks(): AsyncGenerator<Buffer, void, undefined>;
  /** What `blocks` gives at once: no more is to be held for a receiver that takes it slowly. */
  readonly block?: number;
  /**
   * What a call of `blocks` gave is used no more, by no write that is under way either. It makes its memory free the
   * sooner; nobody has to call it.
   */
  done?(): void;
  /** `lines`: every CR and LF in it is known to be of a CRLF. */
  readonly form?: 'any' | 'lines';
}

/** `read`: asks for the content that is dispatched as blocks. */
export function outgoingContent(content: DispatchContent, read: ReadContent): OutgoingContent {
  if (content.kind === 'octets') {
    const memory = asBuffer(content.octets);
    return content.wire === undefined
      ? memoryContent(memory)
      : { ...memoryContent(memory), wire: asBuffer(content.wire) };
  }
  if (content.kind === 'pieces') return piecesContent(content);
  if (content.kind === 'blocks')
    return {
      octets: content.octets,
      memory: undefined,
      block: ASKED_OCTETS,
      blocks: () => askedBlocks(content.octets, read),
    };
  const { path, octets, block = BLOCK_OCTETS } = content;
  return { octets, memory: undefined, block, blocks: () => fileBlocks(path, octets, block) };
}

/** Keeps the octets: the caller must not write to them again. */
export function memoryContent(memory: Buffer): OutgoingContent {
  return { octets: memory.length, memory, blocks: () => memoryBlocks(memory) };
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

type Pieces = Extract<DispatchContent, { kind: 'pieces' }>;

function piecesContent({ pieces, uses, form }: Pieces): OutgoingContent {
  return {
    form,
    octets: octetsOf(pieces),
    memory: undefined,
    blocks: () => {
      uses.begun += 1;
      return piecesBlocks(pieces);
    },
    done: () => void (uses.ended += 1),
  };
}

/** Everything in one buffer. */
export async function readWhole(content: OutgoingContent): Promise<Buffer> {
  if (content.memory !== undefined) return content.memory;
  const blocks: Buffer[] = [];
  for await (const block of content.blocks()) blocks.push(block);
  return Buffer.concat(blocks);
}

async function* memoryBlocks(memory: Buffer): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < memory.length; at += BLOCK_OCTETS) yield memory.subarray(at, at + BLOCK_OCTETS);
}

async function* piecesBlocks(pieces: readonly Buffer[]): AsyncGenerator<Buffer, void, undefined> {
  for (const piece of pieces) yield* memoryBlocks(piece);
}

async function* askedBlocks(octets: number, read: ReadContent): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < octets;) {
    const block = await read(at, Math.min(ASKED_OCTETS, octets - at));
    if (block.length === 0) throw new Error(`the content ends at octet ${at} of ${octets}`);
    yield Buffer.from(block.buffer, block.byteOffset, block.length);
    at += block.length;
  }
}

async function* fileBlocks(path: string, octets: number, size: number): AsyncGenerator<Buffer, void, undefined> {
  const file = await open(path, 'r');
  try {
    for (let at = 0; at < octets;) {
      const block = Buffer.allocUnsafe(Math.min(size, octets - at));
      const { bytesRead } = await file.read(block, 0, block.length, at);
      if (bytesRead === 0) throw new Error(`the content file ends at octet ${at} of ${octets}`);
      yield block.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** All of it, or the block that is being sent and the one that waits for it; what is lent is counted where it was taken. */
export function heldOctets(content: DispatchContent): number {
  if (content.kind === 'pieces') return 0;
  if (content.kind === 'octets') return content.octets.length;
  const block = content.kind === 'blocks' ? ASKED_OCTETS : (content.block ?? BLOCK_OCTETS);
  return Math.min(content.octets, 2 * block);
}
