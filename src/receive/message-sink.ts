/**
 * Collects the content of one message: in memory while it is small, in a content file when it is not. The file is
 * written while more comes; what is in it stays in memory too, for the first delivery, as far as there is room.
 *
 * Content is scanned once, as it comes: header section, hop count, 8-bit octets. What goes wrong on the
 * way (no room, disk full, header section too large, a loop) is remembered, the rest is swallowed, and the
 * refusal is the answer at the end: a client that is still sending would not read it earlier.
 *
 * What is done to a message, in this order: `prepare` (of what users submit), `editHeader`, then signing, then the trace
 * field in front. The signatures stand right above what they sign; their place is kept free until the whole body is hashed.
 * Content that is to be made fit before (`fit`) is looked through once it is all there, and goes through a sink again.
 */

import { isAscii } from 'node:buffer';
import { join } from 'node:path';
import { errorText } from '../lib/error-text.ts';
import { OctetCollector } from '../lib/octet-collector.ts';
import { joinedPieces, OctetPieces } from '../lib/octet-pieces.ts';
import { hasLoneLineEnd, headerEnd } from '../mail/header.ts';
import { HeaderSection } from '../mail/header-section.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type FitRules } from '../mail/mime/fit.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { type NewContent } from '../spool/spool.ts';
import { ContentFile } from './content-file.ts';
import {
  contentRefusal,
  type ContentRules,
  ContentWatch,
  fitRules,
  fitSection,
  UNFOLDABLE,
  withFit,
} from './content-rules.ts';
import { DATA_END_OCTETS } from '../wire/smtp/client-content.ts';
import { findFit, FittedContent } from './fitted-content.ts';
import { type FormRule } from './form-rule-names.ts';
import { editHeader, type HeaderFacts } from './header-edits.ts';
import { type KeptContents } from './kept-contents.ts';
import { type OctetBudget } from './octet-budget.ts';
import { type Signing, type SigningFault } from './signer.ts';
import { type ContentSink } from './transaction.ts';
import { type PreparedHeader } from './user-mail.ts';

export interface SinkOptions {
  readonly id: QueueId;
  readonly budget: OctetBudget;
  /** Folder for content files; on the spool's file system. */
  readonly incoming: string;
  /** Of its content file. Absent: the id. */
  readonly fileName?: string;
  /** Content above this goes to a file; above `tightOctets` already when the budget is tight. */
  readonly memoryOctets: number;
  readonly tightOctets: number;
  /** Where content that is in its file stays for the first delivery. */
  readonly kept: KeptContents;
  readonly maxHeaderOctets: number;
  readonly maxHops: number;
  readonly trusted: 'trusted' | 'untrusted';
  /** BODY=BINARYMIME: nobody has looked at line ends yet. */
  readonly binary?: boolean;
  /** The trace field to prepend. */
  readonly trace: string;
  /** What is done to the header section, with its empty line, before all else. Absent: nothing. */
  readonly prepare?: ((section: HeaderSection) => PreparedHeader | Reply) | undefined;
  /** Why a message with this header section is not taken. Absent: always taken. */
  readonly check?: (header: HeaderFacts) => Reply | undefined;
  /** Content beyond it is refused with `tooLarge`. Absent: as the session allows. */
  readonly maxOctets?: number | undefined;
  /** What the content must be like, and is made like. Absent: it stays as it is. */
  readonly fit?: ContentRules | undefined;
  /** Who signs, when the header section is as it will be stored. Absent: nobody. */
  readonly sign?: ((section: HeaderSection) => Signing | SigningFault | undefined) | undefined;
  /** All is there: make it ours, and say what to answer. The octets' budget is given back when it resolves. */
  readonly commit: (collected: Collected) => Promise<Reply | readonly Reply[]>;
  readonly refused: (why: Reply) => Reply | readonly Reply[];
}

export interface Collected {
  readonly content: NewContent;
  readonly octets: number;
  readonly eightBit: boolean;
  readonly header: HeaderFacts;
  readonly signedBy: string | undefined;
  /** What was not in order and was put right. */
  readonly repaired: readonly FormRule[];
}

export const TOO_LARGE = reply(552, '5.3.4', 'The message is larger than your limit (messageOctets)');
/** RFC 3030 §3 frees the body alone: what one reader takes for a field another would take for a part of the one before. */
const LONE_LINE_END = reply(550, '5.6.0', 'A CR or LF stands alone in the header section');
export const NO_ROOM = reply(452, '4.3.1', 'No room for the message now, try again later');
// Large enough that a write, a hop to another thread and back, costs little next to what it writes.
const FILE_WRITE_OCTETS = 262_144;
const TIGHT_WRITE_OCTETS = 65_536;
/** So many times that may wait behind a write that is under way; then the client waits. */
const WRITES_AHEAD = 2;

export class MessageSink implements ContentSink {
  readonly #options: SinkOptions;
  /** All that has come, until the header section is complete. */
  readonly #head = new OctetCollector();
  /** What came after it and is not on its way to the file. */
  readonly #body: OctetPieces;
  /** Octets of the budget: what has come and is not in the file. */
  #taken = 0;
  /** All that has come. */
  #octets = 0;
  #searched = 0;
  #eightBit = false;
  #header: HeaderFacts | undefined;
  #repaired: readonly FormRule[] = [];
  #signing: Signing | undefined;
  /** In what is in memory of the content: where the signatures will stand. */
  #place: Buffer | undefined;
  #file: ContentFile | undefined;
  #writing: Promise<void> | undefined;
  #refusal: Reply | undefined;
  readonly #watch: ContentWatch | undefined;

  constructor(options: SinkOptions) {
    this.#options = options;
    this.#watch = options.fit && new ContentWatch(options.fit);
    this.#body = new OctetPieces(options.kept.segments);
    // The trace field of a session with SMTPUTF8 may name mailboxes and hosts in UTF-8.
    this.#eightBit = !isAscii(Buffer.from(options.trace));
  }

  write(chunk: Buffer): void | Promise<void> {
    if (this.#refusal !== undefined) return undefined;
    this.#octets += chunk.length;
    if (this.#octets > (this.#options.maxOctets ?? Infinity)) return this.#refuse(TOO_LARGE);
    if (!this.#take(chunk.length)) return this.#refuse(NO_ROOM);
    if (!this.#eightBit && !isAscii(chunk)) this.#eightBit = true;
    if (this.#header === undefined) {
      this.#head.push(chunk);
      this.#searchHeader();
    } else this.#pushBody(chunk);
    if (this.#header === undefined || this.#body.length <= this.#limit()) return undefined;
    return this.#spill();
  }

  async finish(): Promise<Reply | readonly Reply[]> {
    try {
      if (this.#header === undefined && this.#refusal === undefined) this.#headerDone(this.#head.length);
      const fitted = this.#refusal === undefined ? await this.#fitted() : undefined;
      if (fitted !== undefined) return await fitted.finish();
      const { commit, refused } = this.#options;
      const content = this.#refusal === undefined ? await this.#content() : undefined;
      if (content === undefined || this.#header === undefined) return refused(this.#refusal ?? NO_ROOM);
      const octets = content.kind === 'file' ? content.octets : content.octets.length;
      const signedBy = this.#signing?.by;
      const repaired = this.#repaired;
      return await commit({ content, octets, eightBit: this.#eightBit, header: this.#header, signedBy, repaired });
    } finally {
      this.#give();
    }
  }

  abort(): void {
    this.#refuse(NO_ROOM);
  }

  #limit(): number {
    const { budget, tightOctets, memoryOctets } = this.#options;
    const begun = this.#file !== undefined || this.#writing !== undefined;
    if (budget.tight) return begun ? Math.min(TIGHT_WRITE_OCTETS, tightOctets) : tightOctets;
    return begun ? FILE_WRITE_OCTETS : memoryOctets;
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
    const end = headerEnd(this.#head.view(), this.#searched);
    this.#searched = this.#head.length;
    if (end !== -1) this.#headerDone(end);
    else if (this.#head.length > maxHeaderOctets) this.#refuse(headerTooLarge(maxHeaderOctets));
  }

  #headerDone(end: number): void {
    const { maxHeaderOctets, maxHops, trusted, check, binary } = this.#options;
    if (end > maxHeaderOctets) return this.#refuse(headerTooLarge(maxHeaderOctets));
    const given = new HeaderSection(Buffer.from(this.#head.view().subarray(0, end)));
    if (binary === true && hasLoneLineEnd(given.octets)) return this.#refuse(LONE_LINE_END);
    const prepared = this.#prepared(given);
    if ('code' in prepared) return this.#refuse(prepared);
    const edited = editHeader(prepared.section, trusted);
    if ('code' in edited) return this.#refuse(edited);
    const { section, facts } = edited;
    const obstacle = facts.hops > maxHops ? tooManyHops(maxHops) : check?.(facts);
    if (obstacle !== undefined) return this.#refuse(obstacle);
    const fitted = this.#fittedSection(section);
    if ('code' in fitted) return this.#refuse(fitted);
    this.#repaired = fitted === section ? prepared.repaired : [...prepared.repaired, 'longLine'];
    this.#begin(facts, fitted);
    return this.#pushBody(this.#head.take().subarray(end));
  }

  /** Itself, when its lines are as they must be. */
  #fittedSection(section: HeaderSection): HeaderSection | Reply {
    const { fit } = this.#options;
    const octets = fit === undefined ? section.octets : fitSection(section.octets, fit);
    if ('code' in octets) return octets;
    return octets === section.octets ? section : new HeaderSection(octets);
  }

  /** The header section is as it will be stored. */
  #begin(facts: HeaderFacts, section: HeaderSection): void {
    const { octets } = section;
    const signing = this.#options.sign?.(section);
    if (signing?.kind === 'fault') return this.#refuse(notSigned(signing));
    this.#signing = signing;
    this.#header = octets === facts.octets ? facts : { ...facts, octets };
    if (!isAscii(octets)) this.#eightBit = true;
    return undefined;
  }

  #prepared(section: HeaderSection): PreparedHeader | Reply {
    const { prepare } = this.#options;
    return prepare === undefined ? { section, repaired: [] } : prepare(section);
  }

  #pushBody(chunk: Buffer): void {
    if (this.#refusal !== undefined) return;
    this.#signing?.push(chunk);
    this.#watch?.push(chunk);
    this.#body.push(chunk);
  }

  /** A sink with the content as it is to be; undefined when it stays as it came, or is refused. */
  async #fitted(): Promise<MessageSink | undefined> {
    const rules = this.#fitRules();
    if (rules === undefined || this.#header === undefined) return undefined;
    const stored = { section: this.#header.octets, blocks: () => this.#blocks() };
    try {
      await this.#flush();
      const { edits, unfoldable } = await findFit(stored, rules);
      if (unfoldable) this.#refuse(UNFOLDABLE);
      if (edits.length === 0 || this.#refusal !== undefined) return undefined;
      return await this.#again(this.#header, new FittedContent(stored, edits), rules);
    } catch (error) {
      this.#refuse(refusalFor(error));
      return undefined;
    }
  }

  /** What is to be done about what has come; nothing, for most. */
  #fitRules(): FitRules | undefined {
    const { fit } = this.#options;
    if (this.#watch === undefined || fit === undefined || this.#header === undefined) return undefined;
    this.#watch.end();
    const refusal = contentRefusal(this.#watch, fit);
    if (refusal !== undefined) this.#refuse(refusal);
    if (this.#refusal !== undefined || !(this.#watch.eightBit || this.#watch.longLine)) return undefined;
    return fitRules(this.#header.octets, fit, this.#signing !== undefined);
  }

  /** What came of the body, to be read where it is. */
  #blocks(): Iterable<Buffer> | AsyncIterable<Buffer> {
    const before = this.#traceOctets() + (this.#signing?.octets ?? 0) + (this.#header?.octets.length ?? 0);
    return this.#file?.blocks(before) ?? this.#body.view();
  }

  /** In the file, if there is one, is all that has come. */
  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#file !== undefined) await this.#write();
  }

  async #again(header: HeaderFacts, fitted: FittedContent, rules: FitRules): Promise<MessageSink> {
    const { kept, id, fileName = id } = this.#options;
    const unbound = { fit: undefined, prepare: undefined, maxOctets: Infinity, fileName: `${fileName}.fit` };
    // What is kept from here on is of the other.
    kept.forget(id);
    const again = new MessageSink({ ...this.#options, ...unbound });
    again.#repaired = this.#watch === undefined ? this.#repaired : withFit(this.#repaired, this.#watch, rules);
    try {
      again.#begin(header, new HeaderSection(fitted.section));
      for await (const piece of fitted.body()) await again.write(piece);
    } catch (error) {
      again.abort();
      throw error;
    }
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) void file.abandon(); // Never rejects.
    return again;
  }

  /** Writes what there is, and goes on meanwhile; a promise when memory is tight, or too much waits behind a write that is under way. */
  #spill(): void | Promise<void> {
    const begins = this.#writing === undefined;
    this.#writing ??= this.#write();
    const waits = this.#options.budget.tight || (!begins && this.#body.length > WRITES_AHEAD * this.#limit());
    return waits ? this.#writing : undefined;
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    const { kept, id, incoming, fileName = id } = this.#options;
    const octets = this.#taken;
    const parts = this.#parts();
    try {
      if (this.#file === undefined) {
        kept.begin(id);
        this.#file = await ContentFile.create(join(incoming, fileName));
      }
      await this.#file.write(parts);
    } catch (error) {
      this.#refuse(refusalFor(error));
    }
    this.#writing = undefined;
    // Aborted while the file was being made: nobody else knows of it. What was taken is given back already.
    if (this.#refusal !== undefined) return this.#drop();
    this.#taken -= octets;
    return kept.add(id, parts, octets);
  }

  async #content(): Promise<NewContent | undefined> {
    const signatures = this.#signing === undefined ? undefined : await this.#signatures(this.#signing);
    await this.#writing;
    if (this.#refusal !== undefined) return undefined;
    if (this.#file === undefined) return { kind: 'octets', octets: this.#whole(signatures) };
    await this.#write();
    if (this.#refusal !== undefined || this.#file === undefined) return undefined;
    try {
      if (signatures !== undefined) await this.#file.fill(this.#traceOctets(), this.#placed(signatures));
      await this.#file.finish();
      return { kind: 'file', path: this.#file.path, octets: this.#file.octets };
    } catch (error) {
      this.#refuse(refusalFor(error));
      return undefined;
    }
  }

  /** Undefined: there are none, or they could not be made. */
  async #signatures(signing: Signing): Promise<Buffer | undefined> {
    if (this.#refusal !== undefined) return undefined;
    try {
      return await signing.finish();
    } catch (error) {
      this.#refuse(notSigned({ reason: errorText(error), lasting: false }));
      return undefined;
    }
  }

  /** Puts them where they belong in what is in memory. */
  #placed(signatures: Buffer): Buffer {
    this.#place?.set(signatures);
    return signatures;
  }

  #whole(signatures: Buffer | undefined): Uint8Array {
    const parts = this.#parts();
    if (signatures !== undefined) this.#placed(signatures);
    const whole = joinedPieces(parts, DATA_END_OCTETS);
    this.#options.kept.segments.give(parts);
    return whole;
  }

  /** What has come and is in no file, handed over; before anything is, with the trace field and the header section. */
  #parts(): readonly Buffer[] {
    const body = this.#body.take();
    if (this.#file !== undefined) return body;
    const header = this.#header?.octets ?? Buffer.alloc(0);
    if (this.#signing === undefined)
      return [Buffer.concat([Buffer.from(this.#options.trace, 'utf8'), header]), ...body];
    const head = Buffer.concat([Buffer.from(this.#options.trace, 'utf8'), Buffer.alloc(this.#signing.octets), header]);
    this.#place = head.subarray(this.#traceOctets(), this.#traceOctets() + this.#signing.octets);
    return [head, ...body];
  }

  #traceOctets(): number {
    return Buffer.byteLength(this.#options.trace);
  }

  #refuse(why: Reply): void {
    this.#refusal ??= why;
    this.#drop();
  }

  #drop(): void {
    this.#head.take();
    this.#body.take();
    this.#options.kept.forget(this.#options.id);
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

/** Never passed on unsigned: RFC 3463 §3.8 has X.7.5 for it. */
function notSigned({ reason, lasting }: Omit<SigningFault, 'kind'>): Reply {
  if (lasting) return reply(554, '5.6.0', `The message cannot be signed: ${reason}`);
  return reply(451, '4.7.5', `The message could not be signed, try again later: ${reason}`);
}

/** A full disk, a quota or too many open files pass by themselves; anything else a person must look at. */
function refusalFor(error: unknown): Reply {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  if (code === 'ENOSPC' || code === 'EDQUOT') return NO_ROOM;
  return reply(451, '4.3.0', `Storing the content failed (${code}), try again later`);
}
