/**
 * Segments: the files of the event log. They are named by the time they were begun, so that names sort by
 * time; a segment that is over may be compressed and keeps its name with `.zst` behind it.
 */

import { mkdir, open, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Instant } from '../lib/time.ts';

/** `2026-11-23T21-26-24-123Z`; names compare as times do. */
export type SegmentName = string;

export interface Segment {
  readonly name: SegmentName;
  readonly path: string;
  readonly compressed: boolean;
}

/** What the log writes to; tests put failing ones in its place. */
export interface SegmentFile {
  append(octets: Buffer): Promise<void>;
  /** Resolves when all that was appended survives a power cut. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export type OpenSegment = (path: string) => Promise<SegmentFile>;

const SHAPE = /^(\d{4}-\d\d-\d\dT)(\d\d)-(\d\d)-(\d\d)-(\d{3})Z\.jsonl(\.zst)?$/;

export function segmentName(begun: Instant): SegmentName {
  return new Date(begun).toISOString().replaceAll(/[:.]/g, '-');
}

/** When the segment was begun. */
export function timeOfSegment(name: SegmentName): Instant {
  return Date.parse(`${name}.jsonl`.replace(SHAPE, '$1$2:$3:$4.$5Z'));
}

export function segmentPath(folder: string, name: SegmentName, form: 'plain' | 'compressed'): string {
  return join(folder, `${name}.jsonl${form === 'plain' ? '' : '.zst'}`);
}

/** Oldest first. One that is there both plain and compressed was being compressed: the plain one counts. */
export async function listSegments(folder: string): Promise<readonly Segment[]> {
  const found = new Map<SegmentName, Segment>();
  for (const file of (await readdir(folder)).sort()) {
    const match = SHAPE.exec(file);
    if (match === null) continue;
    const name = file.slice(0, file.indexOf('.'));
    if (!found.has(name)) found.set(name, { name, path: join(folder, file), compressed: match[6] !== undefined });
  }
  return [...found.values()];
}

/** For appending; a new file survives a power cut once the first `sync` has resolved. */
export async function openSegmentFile(path: string): Promise<SegmentFile> {
  const handle = await open(path, 'a', 0o600);
  let named = false;
  return {
    append: (octets) => handle.appendFile(octets),
    async sync() {
      await handle.datasync();
      if (named) return;
      await syncFolder(join(path, '..'));
      named = true;
    },
    close: () => handle.close(),
  };
}

/** Makes the names in a folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Makes a folder and those above it, and their names survive a power cut; the name of a folder that is there is synced
 * again, since whoever made it may have ended before it had done that.
 */
export async function makeFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  const first = resolve(made ?? folder);
  for (let at = resolve(folder); ; at = dirname(at)) {
    await syncFolder(dirname(at)).catch((error: unknown) => {
      // What we may not even look into was not made by us.
      if (made !== undefined || !isRefused(error)) throw error;
    });
    if (at === first || at === dirname(at)) return;
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EACCES';
}
