/**
 * What the server machine puts out: replies, the open question, and the end of its patience.
 *
 * Every reply goes through here, so that here alone it is made safe, loses its enhanced code where that is not
 * offered, counts as an error, and closes the connection where the catalogue or its code says so.
 */

import { type Reply, reply } from '../../mail/reply.ts';
import { type Action, type Question } from './server-actions.ts';
import { type ServerOptions } from './server-options.ts';
import {
  nameOf,
  type Refusal,
  type ReplyName,
  type ReplyValues,
  safeReply,
  SERVER_REPLIES,
  serverReply,
} from './server-replies.ts';

export class ServerVoice {
  readonly #options: ServerOptions;
  readonly #beforeClose: () => void;
  #actions: Action[] = [];
  #question: Question | undefined;
  #closed = false;
  #errors = 0;
  #junk = 0;

  /** `beforeClose` ends what is open; its actions come before the last reply. */
  constructor(options: ServerOptions, beforeClose: () => void) {
    this.#options = options;
    this.#beforeClose = beforeClose;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get question(): Question | undefined {
    return this.#question;
  }

  /** What is to be performed since the last call. */
  take(): readonly Action[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  push(action: Action): void {
    this.#actions.push(action);
  }

  ask(question: Question): void {
    this.#question = question;
    this.#actions.push({ kind: 'ask', question });
  }

  /** A step of a login: base64 that only the client reads, as long as it must be. */
  challenge(octets: Buffer): void {
    this.#actions.push({ kind: 'send', reply: reply(334, undefined, octets.toString('base64')), name: undefined });
  }

  /** The question that was open; none is any more. */
  settle(): Question | undefined {
    const question = this.#question;
    this.#question = undefined;
    return question;
  }

  say(name: ReplyName, values?: ReplyValues): void {
    const what = serverReply(name, values);
    if (SERVER_REPLIES[name].after === 'close') this.giveLast(what, name);
    else this.give(what, name);
  }

  refuse({ name, values }: Refusal): void {
    this.say(name, values);
  }

  /** Sends, and closes where the reply or the number of errors says so. */
  give(what: Reply, name?: ReplyName): void {
    // RFC 5321 §3.8: 421 means that we close.
    if (what.code === 421) return this.giveLast(what, name);
    this.send(what, name);
    if (what.code < 500) return undefined;
    this.#errors += 1;
    return this.#errors > this.#options.maxErrors ? this.say('tooManyErrors') : undefined;
  }

  giveLast(what: Reply, name?: ReplyName): void {
    this.#beforeClose();
    this.send(what, name);
    this.close();
  }

  /** Sends and counts nothing: one of several replies to one command. */
  send(what: Reply, name?: ReplyName): void {
    const safe = safeReply(what);
    const plain = this.#options.withheld.includes('ENHANCEDSTATUSCODES') ? { ...safe, status: undefined } : safe;
    this.#actions.push({ kind: 'send', reply: plain, name: name ?? nameOf(what) });
  }

  close(): void {
    if (this.#closed) return;
    this.#beforeClose();
    this.#closed = true;
    this.#actions.push({ kind: 'close' });
  }

  /** The other side is gone: nothing is said any more. */
  hangUp(): void {
    this.#closed = true;
  }

  /** A command that brings no message nearer. `true`: it was one too many, and that was the last word. */
  isJunkTooMuch(): boolean {
    this.#junk += 1;
    if (this.#junk <= this.#options.maxJunk) return false;
    this.say('tooManyCommands');
    return true;
  }

  /** A message was accepted: a client that brings mail may err. */
  forgive(): void {
    this.#errors = 0;
    this.#junk = 0;
  }
}
