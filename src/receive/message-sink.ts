/**
 * Collects the content of one message: in memory while it is small, in a content file when it is not.
 *
 * Content is scanned once, as it comes: header section, hop count, 8-bit octets. What goes wrong on the
 * way (no room, disk full, header section too large, a loop) is remembered, the rest is swallowed, and the
 * refusal is the answer at the end: a client that is still sending would not read it earlier.
 */

import { isAscii } from 'node:buffer';
import { join } from 'node:path';
import { OctetCollector } from '../lib/octet-collector.ts';
import { headerEnd } from '../mail/header.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { type NewContent } from '../spool/spool.ts';
import { ContentFile } from './content-file.ts';
import { editHeader, type HeaderFacts } from './header-edits.ts';
import { type OctetBudget } from './octet-budget.ts';
import { type ContentSink } from './transaction.ts';

export interface SinkOptions {
  readonly id: QueueId;
  readonly budget: OctetBudget;
  /** Folder for content files; on the spool's file system. */
  readonly incoming: string;
  /** Content above this goes to a file; above `tightOctets` already when the budget is tight. */
  readonly memoryOctets: number;
  readonly tightOctets: number;
  readonly maxHeaderOctets: number;
  readonly maxHops: number;
  readonly trusted: 'trusted' | 'untrusted';
  /** The trace field to prepend. */
  readonly trace: string;
  /** All is there: make it ours, and say what to answer. The octets' budget is given back when it resolves. */
  readonly commit: (collected: Collected) => Promise<Reply | readonly Reply[]>;
  readonly refused: (why: Reply) => Reply | readonly Reply[];
}

export interface Collected {
  readonly content: NewContent;
  readonly octets: number;
  readonly eightBit: boolean;
  readonly header: HeaderFacts;
}

export const NO_ROOM = reply(452, '4.3.1', 'No room for the message now, try again later');
// Large enough that a write call costs little next to what it writes.
const FILE_WRITE_OCTETS = 65_536;

export class MessageSink implements ContentSink {
  readonly #options: SinkOptions;
  /** All octets that have come and are not in the file. */
  readonly #kept = new OctetCollector();
  #taken = 0;
  #searched = 0;
  #eightBit = false;
  #header: HeaderFacts | undefined;
  /** Where in `#kept` the body begins; 0 once the beginning is in the file. */
  #bodyStart = 0;
  #file: ContentFile | undefined;
  #refusal: Reply | undefined;

  constructor(options: SinkOptions) {
    this.#options = options;
    // The trace field of a session with SMTPUTF8 may name mailboxes and hosts in UTF-8.
    this.#eightBit = !isAscii(Buffer.from(options.trace));
  }

  write(chunk: Buffer): void | Promise<void> {
    if (this.#refusal !== undefined) return undefined;
    if (!this.#take(chunk.length)) return this.#refuse(NO_ROOM);
    if (!this.#eightBit && !isAscii(chunk)) this.#eightBit = true;
    this.#kept.push(chunk);
    if (this.#header === undefined) this.#searchHeader();
    if (this.#header === undefined || this.#kept.length <= this.#limit()) return undefined;
    return this.#spill();
  }

  async finish(): Promise<Reply | readonly Reply[]> {
    try {
      if (this.#header === undefined && this.#refusal === undefined) this.#headerDone(this.#kept.length);
      const { commit, refused } = this.#options;
      const content = this.#refusal === undefined ? await this.#content() : undefined;
      if (content === undefined || this.#header === undefined) return refused(this.#refusal ?? NO_ROOM);
      const octets = content.kind === 'file' ? content.octets : content.octets.length;
      return await commit({ content, octets, eightBit: this.#eightBit, header: this.#header });
    } finally {
      this.#give();
    }
  }

  abort(): void {
    this.#refuse(NO_ROOM);
  }

  #limit(): number {
    const { budget, tightOctets, memoryOctets } = this.#options;
    const most = this.#file === undefined ? memoryOctets : FILE_WRITE_OCTETS;
    return budget.tight ? Math.min(tightOctets, most) : most;
  }

  #take(octets: number): boolean {
    if (!this.#options.budget.take(octets)) return false;
    this.#taken += octets;
    return true;
  }

  #give(): void {
    this.#options.budget.give(this.#taken);
    this.#taken = 0;
  }

  #searchHeader(): void {
    const { maxHeaderOctets } = this.#options;
    const end = headerEnd(this.#kept.view(), this.#searched);
    this.#searched = this.#kept.length;
    if (end !== -1) this.#headerDone(end);
    else if (this.#kept.length > maxHeaderOctets) this.#refuse(headerTooLarge(maxHeaderOctets));
  }

  #headerDone(end: number): void {
    const { maxHeaderOctets, maxHops, trusted } = this.#options;
    if (end > maxHeaderOctets) return this.#refuse(headerTooLarge(maxHeaderOctets));
    const edited = editHeader(Buffer.from(this.#kept.view().subarray(0, end)), trusted);
    if ('code' in edited) return this.#refuse(edited);
    if (edited.hops > maxHops) return this.#refuse(tooManyHops(maxHops));
    this.#header = edited;
    this.#bodyStart = end;
    return undefined;
  }

  #trace(): Buffer {
    return Buffer.from(this.#options.trace, 'utf8');
  }

  async #spill(): Promise<void> {
    const first = this.#file === undefined;
    const parts = first ? [this.#trace(), ...this.#parts()] : this.#parts();
    try {
      this.#file ??= await ContentFile.create(join(this.#options.incoming, this.#options.id));
      await this.#file.write(parts);
      this.#give();
    } catch (error) {
      this.#refuse(refusalFor(error));
    }
    // Aborted while the file was being made: nobody else knows of it.
    if (this.#refusal !== undefined) this.#drop();
  }

  async #content(): Promise<NewContent | undefined> {
    if (this.#file === undefined) return { kind: 'octets', octets: joined([this.#trace(), ...this.#parts()]) };
    try {
      await this.#file.write(this.#parts());
      await this.#file.finish();
      return { kind: 'file', path: this.#file.path, octets: this.#file.octets };
    } catch (error) {
      this.#refuse(refusalFor(error));
      return undefined;
    }
  }

  /** What is kept, with the header section as edited when it is among it, handed over. */
  #parts(): readonly Buffer[] {
    const kept = this.#kept.take();
    const body = kept.subarray(this.#bodyStart);
    const header = this.#file === undefined ? this.#header?.octets : undefined;
    this.#bodyStart = 0;
    return header === undefined ? [body] : [header, body];
  }

  #refuse(why: Reply): void {
    this.#refusal ??= why;
    this.#drop();
  }

  #drop(): void {
    this.#kept.take();
    this.#give();
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) void file.abandon(); // Never rejects.
  }
}

export function headerTooLarge(maxOctets: number): Reply {
  return reply(552, '5.3.4', `Header section larger than ${maxOctets} octets`);
}

export function tooManyHops(maxHops: number): Reply {
  return reply(554, '5.4.6', `Mail loop: more than ${maxHops} hops`);
}

/** A full disk, a quota or too many open files pass by themselves; anything else a person must look at. */
function refusalFor(error: unknown): Reply {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  if (code === 'ENOSPC' || code === 'EDQUOT') return NO_ROOM;
  return reply(451, '4.3.0', `Storing the content failed (${code}), try again later`);
}

/** In memory of its own, so that it can be transferred to another thread whole. */
function joined(parts: readonly Buffer[]): Uint8Array {
  const whole = Buffer.allocUnsafeSlow(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) at += part.copy(whole, at);
  return whole;
}
