/**
 * A content file being written, in the spool's `incoming` folder.
 *
 * `finish` resolves when the octets are on disk (fsync); the spool that takes the file over syncs the
 * folders when it moves it. Any failure abandons the file: a failed fsync is never tried again on the same
 * descriptor, since the kernel may have dropped the pages it could not write.
 *
 * Calls of plain descriptors: those of a file handle cost twice the time of this thread, and there are some for each
 * message.
 */

import { close, fsync, open, read, unlink, write, writev } from 'node:fs';
import { octetsOf } from '../lib/octet-pieces.ts';

const READ_OCTETS = 262_144;

export class ContentFile {
  readonly path: string;
  readonly #descriptor: number;
  #last: Promise<void> = Promise.resolve();
  #octets = 0;
  #closed = false;

  private constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  static create(path: string): Promise<ContentFile> {
    return new Promise((resolve, reject) => {
      open(path, 'wx+', 0o600, (error, descriptor) => {
        if (error) reject(error);
        else resolve(new ContentFile(path, descriptor));
      });
    });
  }

  get octets(): number {
    return this.#octets;
  }

  /** Writes after what was written before; the chunks must stay unchanged until it resolves. */
  write(chunks: readonly Buffer[]): Promise<void> {
    this.#last = this.#last.then(() => this.#write(chunks));
    return this.#last;
  }

  /** Writes over what was written before, from `at` on. */
  async fill(at: number, octets: Buffer): Promise<void> {
    await this.#last;
    for (let done = 0; done < octets.length;)
      done += await new Promise<number>((resolve, reject) => {
        const take = (error: Error | null, written: number): void => (error ? reject(error) : resolve(written));
        write(this.#descriptor, octets, done, octets.length - done, at + done, take);
      });
  }

  /** What was written, from `at` on. */
  async *blocks(from: number): AsyncGenerator<Buffer> {
    await this.#last;
    for (let at = from; at < this.#octets;) {
      const block = await this.#read(at, Math.min(READ_OCTETS, this.#octets - at));
      at += block.length;
      yield block;
    }
  }

  async finish(): Promise<void> {
    await this.#last;
    await new Promise<void>((resolve, reject) => {
      fsync(this.#descriptor, (error) => (error ? reject(error) : resolve()));
    });
    const error = await this.#close();
    // A file system that reports at the close what it did not report before has not kept the octets.
    if (error) throw error;
  }

  /** Closes and removes the file; its failures have nothing left to harm. */
  async abandon(): Promise<void> {
    await this.#last.catch(() => undefined); // Already told to whoever awaited the write.
    await this.#close();
    // What stays behind is swept by the spool.
    await new Promise<void>((resolve) => unlink(this.path, () => resolve()));
  }

  async #write(chunks: readonly Buffer[]): Promise<void> {
    let left = chunks.filter(({ length }) => length > 0);
    while (left.length > 0) {
      const written = await this.#writeOnce(left);
      this.#octets += written;
      left = written === octetsOf(left) ? [] : unwritten(left, written);
    }
  }

  #read(at: number, octets: number): Promise<Buffer> {
    const block = Buffer.allocUnsafeSlow(octets);
    return new Promise((resolve, reject) => {
      read(this.#descriptor, block, 0, octets, at, (error, length) => {
        if (error) reject(error);
        else if (length === 0) reject(new Error('the content file is shorter than what was written to it'));
        else resolve(block.subarray(0, length));
      });
    });
  }

  #writeOnce(chunks: readonly Buffer[]): Promise<number> {
    return new Promise((resolve, reject) => {
      writev(this.#descriptor, chunks, (error, written) => (error ? reject(error) : resolve(written)));
    });
  }

  /** Once: the number may be another file's afterwards. */
  #close(): Promise<Error | null | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    this.#closed = true;
    return new Promise((resolve) => close(this.#descriptor, resolve));
  }
}

function unwritten(chunks: readonly Buffer[], written: number): Buffer[] {
  const left: Buffer[] = [];
  let skip = written;
  for (const chunk of chunks) {
    if (skip < chunk.length) left.push(chunk.subarray(skip));
    skip = Math.max(0, skip - chunk.length);
  }
  return left;
}
