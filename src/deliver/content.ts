/** Content on its way out: octets in memory, or read a block at a time from a file or from who keeps it. */

import { open } from 'node:fs/promises';
import { type DispatchContent } from '../queue/dispatch.ts';

export const BLOCK_OCTETS = 65_536;
/** Of content that is asked for because memory is short. */
export const ASKED_OCTETS = 16_384;

/** Octets from there on, at most so many; rejects when the content is gone. */
export type ReadContent = (at: number, octets: number) => Promise<Uint8Array>;

export interface OutgoingContent {
  readonly octets: number;
  /** All of it, when it is in memory. */
  readonly memory: Buffer | undefined;
  /** Blocks of at most `BLOCK_OCTETS`; may be asked for more than once. Rejects when a file cannot be read or has changed its length. */
  blocks(): AsyncGenerator<Buffer, void, undefined>;
}

/** `read`: asks for the content that is dispatched as blocks. */
export function outgoingContent(content: DispatchContent, read: ReadContent): OutgoingContent {
  if (content.kind === 'octets') {
    const { buffer, byteOffset, byteLength } = content.octets;
    return memoryContent(Buffer.from(buffer, byteOffset, byteLength));
  }
  if (content.kind === 'blocks')
    return { octets: content.octets, memory: undefined, blocks: () => askedBlocks(content.octets, read) };
  const { path, octets } = content;
  return { octets, memory: undefined, blocks: () => fileBlocks(path, octets) };
}

/** Keeps the octets: the caller must not write to them again. */
export function memoryContent(memory: Buffer): OutgoingContent {
  return { octets: memory.length, memory, blocks: () => memoryBlocks(memory) };
}

/** Fields before the content, as final delivery adds them. */
export function prefixed(prefix: Buffer, content: OutgoingContent): OutgoingContent {
  if (prefix.length === 0) return content;
  const octets = prefix.length + content.octets;
  if (content.memory !== undefined) return memoryContent(Buffer.concat([prefix, content.memory]));
  return {
    octets,
    memory: undefined,
    async *blocks() {
      yield prefix;
      yield* content.blocks();
    },
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

async function* askedBlocks(octets: number, read: ReadContent): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < octets;) {
    const block = await read(at, Math.min(ASKED_OCTETS, octets - at));
    if (block.length === 0) throw new Error(`the content ends at octet ${at} of ${octets}`);
    yield Buffer.from(block.buffer, block.byteOffset, block.length);
    at += block.length;
  }
}

async function* fileBlocks(path: string, octets: number): AsyncGenerator<Buffer, void, undefined> {
  const file = await open(path, 'r');
  try {
    for (let at = 0; at < octets;) {
      const block = Buffer.allocUnsafe(Math.min(BLOCK_OCTETS, octets - at));
      const { bytesRead } = await file.read(block, 0, block.length, at);
      if (bytesRead === 0) throw new Error(`the content file ends at octet ${at} of ${octets}`);
      yield block.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}
