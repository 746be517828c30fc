/**
 * A content file being written, in the spool's `incoming` folder.
 *
 * `finish` resolves when the octets are on disk (fsync); the spool that takes the file over syncs the
 * folders when it moves it. Any failure abandons the file: a failed fsync is never tried again on the same
 * descriptor, since the kernel may have dropped the pages it could not write.
 */

import { type FileHandle, open, unlink } from 'node:fs/promises';

export class ContentFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #last: Promise<void> = Promise.resolve();
  #octets = 0;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  static async create(path: string): Promise<ContentFile> {
    return new ContentFile(path, await open(path, 'wx', 0o600));
  }

  get octets(): number {
    return this.#octets;
  }

  /** Writes after what was written before; the chunks must stay unchanged until it resolves. */
  write(chunks: readonly Buffer[]): Promise<void> {
    this.#last = this.#last.then(() => this.#write(chunks));
    return this.#last;
  }

  async finish(): Promise<void> {
    await this.#last;
    await this.#handle.sync();
    await this.#handle.close();
  }

  /** Closes and removes the file; its failures have nothing left to harm. */
  async abandon(): Promise<void> {
    await this.#last.catch(() => undefined); // Already told to whoever awaited the write.
    await this.#handle.close().catch(() => undefined); // Closed by `finish`, or lost anyway.
    await unlink(this.path).catch(() => undefined); // What stays behind is swept by the spool.
  }

  async #write(chunks: readonly Buffer[]): Promise<void> {
    let left = chunks.filter(({ length }) => length > 0);
    while (left.length > 0) {
      const { bytesWritten } = await this.#handle.writev(left);
      this.#octets += bytesWritten;
      left = unwritten(left, bytesWritten);
    }
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
