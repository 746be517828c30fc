/**
 * The mail transactions of one session: MAIL, RCPT, DATA, BDAT and the content (RFC 5321 §3.3, RFC 3030).
 *
 * Every way out of a transaction without a message goes through `end`, so nothing of it is left for the next: the
 * content is aborted, the receiver told, and all that was remembered forgotten.
 *
 * Content that is refused, and chunks that are out of order, are followed to their end before the reply, so that
 * none of it is taken for commands. Where nobody can say where it ends, the connection is closed.
 */

import { type SenderParameters } from '../../mail/envelope.ts';
import { type Reply } from '../../mail/reply.ts';
import { type ExtensionName } from './extensions.ts';
import { type LineCutter } from './line-cutter.ts';
import { readMailArgument, readRcptArgument } from './parameters.ts';
import { asReply, type Decision, type ServerState } from './server-actions.ts';
import { outOfOrder, type Verb } from './server-commands.ts';
import { type ChunkArgument, ContentIntake, parseChunkArgument } from './server-content.ts';
import { type ServerOptions } from './server-options.ts';
import { type Refusal, type ReplyName, serverReply } from './server-replies.ts';
import { type ServerVoice } from './server-voice.ts';

interface Chunk extends ChunkArgument {
  left: number;
  /** Given once the octets are swallowed. */
  refusal: Refusal | Reply | undefined;
}

export class ServerTransactions {
  readonly #options: ServerOptions;
  readonly #voice: ServerVoice;
  #greeted = false;
  #state: Exclude<ServerState, 'greeting'> = 'ready';
  /** What the next octets are. */
  #reads: 'commands' | 'data' | 'chunk' = 'commands';
  #count = 0;
  #sender: SenderParameters | undefined;
  #triedRecipients = 0;
  #acceptedRecipients = 0;
  #intake: ContentIntake | undefined;
  /** Content was begun and is neither finished nor aborted. */
  #contentOpen = false;
  #chunk: Chunk | undefined;
  #chunksFailed = false;

  constructor(options: ServerOptions, voice: ServerVoice) {
    this.#options = options;
    this.#voice = voice;
  }

  get state(): ServerState {
    return this.#greeted ? this.#state : 'greeting';
  }

  get open(): boolean {
    return this.#sender !== undefined;
  }

  get reads(): 'commands' | 'data' | 'chunk' {
    return this.#reads;
  }

  /** A hello was accepted, or everything begins anew after TLS. */
  renew(greeted: boolean): void {
    this.end();
    this.#greeted = greeted;
    this.#chunksFailed = false;
  }

  reset(): void {
    this.end();
    this.#chunksFailed = false;
    this.#voice.say('resetDone');
  }

  /** The one way out of a transaction that did not become a message. */
  end(): void {
    this.#abort();
    if (this.#sender !== undefined) this.#voice.push({ kind: 'reset' });
    this.forget();
  }

  /** Ends it without a word to the receiver, who knows. */
  forget(): void {
    this.#contentOpen = false;
    this.#intake = undefined;
    this.#chunk = undefined;
    this.#reads = 'commands';
    this.#sender = undefined;
    this.#triedRecipients = 0;
    this.#acceptedRecipients = 0;
    this.#state = 'ready';
  }

  outOfOrder(verb: Verb): ReplyName {
    return outOfOrder(verb, this.state, this.#triedRecipients === 0 ? 'noneTried' : 'tried');
  }

  mail(argument: string, offered: ReadonlySet<ExtensionName>): void {
    const { maxTransactions, maxContentOctets } = this.#options;
    if (this.#count >= maxTransactions) return this.#voice.say('tooManyTransactions', { limit: maxTransactions });
    const read = readMailArgument(argument, offered);
    if (!read.ok) return this.#voice.refuse(read.refusal);
    if ((read.value.request.declaredOctets ?? 0) > maxContentOctets)
      return this.#voice.say('declaredTooLarge', { limit: maxContentOctets });
    this.#count += 1;
    return this.#voice.ask({ kind: 'sender', ...read.value });
  }

  senderDecided(sender: SenderParameters, decided: Reply): void {
    if (decided.code < 300) {
      this.#sender = sender;
      this.#state = 'mail';
      this.#chunksFailed = false;
    }
    this.#voice.give(decided);
  }

  rcpt(argument: string, offered: ReadonlySet<ExtensionName>): void {
    const { maxRecipients } = this.#options;
    this.#triedRecipients += 1;
    if (this.#acceptedRecipients >= maxRecipients) {
      if (this.#voice.isJunkTooMuch()) return undefined;
      return this.#voice.say('tooManyRecipients', { limit: maxRecipients });
    }
    const read = readRcptArgument(argument, offered, this.#sender?.smtpUtf8 === true ? 'utf8' : 'ascii');
    if (!read.ok) return this.#voice.refuse(read.refusal);
    return this.#voice.ask({ kind: 'recipient', recipient: read.value });
  }

  recipientDecided(decided: Reply): void {
    if (decided.code < 300) {
      this.#acceptedRecipients += 1;
      this.#state = 'rcpt';
    }
    this.#voice.give(decided);
  }

  data(): void {
    if (this.#sender?.body === 'BINARYMIME') return this.#voice.say('binaryNeedsChunks');
    return this.#voice.ask({ kind: 'content' });
  }

  bdat(argument: string, chunking: 'offered' | 'absent'): void {
    const size = parseChunkArgument(argument);
    if (size === undefined) return this.#voice.say('chunkSyntax');
    if (size === 'tooLarge') return this.#voice.say('chunkTooLarge');
    if (size.octets === 0 && !size.last && this.#voice.isJunkTooMuch()) return undefined;
    const refusal = chunking === 'offered' ? this.#chunkRefusal() : ({ name: 'chunkingAbsent' } as const);
    this.#chunk = { ...size, left: size.octets, refusal };
    this.#reads = 'chunk';
    return refusal === undefined && this.#intake === undefined ? this.#voice.ask({ kind: 'content' }) : undefined;
  }

  contentDecided(decision: Decision): void {
    if (decision === 'go') return this.#begin();
    const refusal = asReply(decision);
    if (this.#chunk !== undefined) {
      this.#chunk.refusal = refusal;
      return undefined;
    }
    this.end();
    return this.#voice.give(refusal);
  }

  takeData(lines: LineCutter): 'more' | 'wait' {
    const octets = lines.take();
    if (octets.length === 0 || this.#intake === undefined) return 'wait';
    const { content, used, end } = this.#intake.take(octets);
    lines.giveBack(octets.subarray(used));
    this.#pass(content);
    if (end === 'reached') this.#endContent('dots');
    return 'more';
  }

  takeChunk(lines: LineCutter): 'more' | 'wait' {
    const chunk = this.#chunk;
    if (chunk === undefined) throw new Error('no chunk to take');
    if (chunk.left > 0) {
      const octets = lines.take();
      if (octets.length === 0) return 'wait';
      const piece = octets.subarray(0, chunk.left);
      lines.giveBack(octets.subarray(piece.length));
      chunk.left -= piece.length;
      if (chunk.refusal === undefined && this.#intake !== undefined) this.#pass(this.#intake.take(piece).content);
    }
    if (chunk.left === 0) this.#endChunk(chunk);
    return 'more';
  }

  /** One reply, or in LMTP one for each accepted recipient (RFC 2033 §4.2). */
  finished(decision: Decision): void {
    if (typeof decision === 'string' || 'storedKey' in decision) throw new Error('finish answered with no reply');
    const wanted = this.#finalReplies;
    const replies: readonly Reply[] = 'code' in decision ? Array<Reply>(wanted).fill(decision) : decision;
    const last = replies.at(-1);
    if (last === undefined || replies.length !== wanted)
      throw new Error(`finish answered with ${replies.length} replies in place of ${wanted}`);
    this.forget();
    if (replies.some(({ code }) => code < 300)) this.#voice.forgive();
    for (const each of replies.slice(0, -1)) this.#voice.send(each);
    this.#voice.give(last);
  }

  #begin(): void {
    this.#contentOpen = true;
    if (this.#reads === 'chunk') {
      const form = this.#sender?.body === 'BINARYMIME' ? 'binaryChunks' : 'textChunks';
      this.#intake = new ContentIntake(form, this.#options);
      return undefined;
    }
    this.#intake = new ContentIntake('dots', this.#options);
    this.#reads = 'data';
    return this.#voice.say('startContent');
  }

  #pass(content: Buffer): void {
    if (this.#intake?.refusal !== undefined) this.#abort();
    else if (content.length > 0) this.#voice.push({ kind: 'content', octets: content });
  }

  #abort(): void {
    if (this.#contentOpen) this.#voice.push({ kind: 'abort' });
    this.#contentOpen = false;
  }

  #chunkRefusal(): Refusal | undefined {
    if (this.#chunksFailed) return { name: 'chunksFailed' };
    return this.state === 'rcpt' || this.state === 'bdat' ? undefined : { name: this.outOfOrder('BDAT') };
  }

  #endChunk({ octets, last, refusal }: Chunk): void {
    this.#reads = 'commands';
    this.#chunk = undefined;
    if (refusal !== undefined) return this.#refuseChunk(refusal);
    if (last) {
      this.#intake?.finish();
      return this.#endContent('chunks');
    }
    const fault = this.#intake?.refusal;
    if (fault !== undefined) {
      this.#chunksFailed = true;
      return this.#refuseContent(fault, 1);
    }
    this.#state = 'bdat';
    return this.#voice.say('chunkTaken', { octets });
  }

  #refuseChunk(refusal: Refusal | Reply): void {
    if ('name' in refusal) return this.#voice.refuse(refusal);
    // The receiver refused the content as a whole, at its first chunk.
    this.#chunksFailed = true;
    this.end();
    return this.#voice.give(refusal);
  }

  #endContent(framing: 'dots' | 'chunks'): void {
    this.#reads = 'commands';
    const refusal = this.#intake?.refusal;
    if (refusal === undefined) {
      this.#contentOpen = false;
      return this.#voice.ask({ kind: 'finish' });
    }
    this.#refuseContent(refusal, this.#finalReplies);
    // Whoever sent it may count on another server seeing another end. With chunks there is only one.
    if (refusal.name === 'contentBareNewline' && framing === 'dots') this.#voice.close();
    return undefined;
  }

  get #finalReplies(): number {
    return this.#options.protocol === 'LMTP' ? this.#acceptedRecipients : 1;
  }

  #refuseContent({ name, values }: Refusal, times: number): void {
    this.end();
    for (let i = 1; i < times; i += 1) this.#voice.send(serverReply(name, values), name);
    this.#voice.say(name, values);
  }
}
