/**
 * The driver's sending side: sessions that begin anew whenever they are lost, and for each letter what its sender
 * knows of it.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { LineClient } from '../../test/lib/line-client.ts';
import { type Chance } from '../chance.ts';
import { Intervals } from './intervals.ts';
import { type Letter, type Letters } from './letters.ts';

/**
 * `unsent`: the connection was lost before the last line of the content was written. `unanswered`: behind it, so that
 * the sender cannot know.
 */
export type Fate = 'accepted' | 'refused' | 'unanswered' | 'unsent';

export interface Sent extends Omit<Letter, 'wire'> {
  fate: Fate;
  /** That the product gave it, where it was accepted. */
  queueId: string;
}

export interface SourceOptions {
  readonly port: number;
  readonly sessions: number;
  readonly letters: Letters;
  readonly chance: Chance;
}

const RECONNECT = 40;
const GAP = 60;
/** Of a slow sender: each of the pieces of its content waits so long at most. */
const SLOW = 120;
const PIECE = 256 * 1024;

export class Source {
  readonly sent: Sent[] = [];
  /** Letters behind whose last line the connection was lost. */
  unanswered = 0;
  readonly #transactions = new Intervals();
  readonly #options: SourceOptions;
  #state: 'running' | 'stopped' = 'running';

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  get open(): number {
    return this.#transactions.open;
  }

  openAt(instant: number): number {
    return this.#transactions.openAt(instant);
  }

  /** Sessions end after the letter they are at; resolves when all have. */
  stop(): void {
    this.#state = 'stopped';
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.sessions }, () => this.#place()));
  }

  async #place(): Promise<void> {
    // Those that share one moment would all try at once for ever.
    await pause(this.#options.chance.whole(0, RECONNECT));
    while (this.#state !== 'stopped') {
      await this.#session();
      await pause(RECONNECT);
    }
  }

  /** Until the connection is lost, or told to go. */
  async #session(): Promise<void> {
    let client: LineClient | undefined;
    try {
      client = await LineClient.to(this.#options.port);
      client.socket.setNoDelay(true);
      if ((await client.reply()).code !== 220) return;
      await client.say('EHLO source.test');
      while (this.#state !== 'stopped' && (await this.#letter(client)) === 'more')
        await pause(this.#options.chance.whole(0, GAP));
    } catch {
      // Refused or lost, as happens when the other side is killed; what that means for a letter is in its fate.
    } finally {
      client?.close();
    }
  }

  async #letter(client: LineClient): Promise<'more' | 'over'> {
    const { wire, ...letter } = this.#options.letters.next();
    const sent: Sent = { ...letter, fate: 'unsent', queueId: '' };
    this.sent.push(sent);
    const transaction = this.#transactions.begin();
    try {
      return await this.#transfer(client, sent, wire);
    } finally {
      if (sent.fate === 'unanswered') this.unanswered += 1;
      this.#transactions.end(transaction);
    }
  }

  async #transfer(client: LineClient, sent: Sent, wire: Buffer): Promise<'more' | 'over'> {
    const paths = sent.to.map((recipient) => `RCPT TO:<${recipient}>\r\n`).join('');
    client.write(`MAIL FROM:<${sent.from}> BODY=8BITMIME\r\n${paths}DATA\r\n`);
    for (const expected of [250, ...sent.to.map(() => 250), 354])
      if ((await client.reply()).code !== expected) return refused(sent);
    await this.#content(client, wire);
    sent.fate = 'unanswered';
    const { code, text } = await client.say('.');
    if (code !== 250) {
      refused(sent);
      // Refused for what it is, which says nothing of the next.
      return code === 554 ? 'more' : 'over';
    }
    sent.fate = 'accepted';
    sent.queueId = /\b[0-9a-z]{20}\b/.exec(text)?.[0] ?? '';
    return 'more';
  }

  /** All but the last line; most of them slowly, so that a kill finds contents in every state. */
  async #content(client: LineClient, wire: Buffer): Promise<void> {
    const { chance } = this.#options;
    const isSlow = chance.next() < 2 / 3;
    const piece = isSlow ? Math.ceil(wire.length / 3) : PIECE;
    for (let at = 0; at < wire.length; at += piece) {
      client.write(wire.subarray(at, at + piece));
      if (isSlow) await pause(chance.whole(0, SLOW));
      if (client.socket.writableLength > PIECE) await drained(client);
      if (client.socket.destroyed) throw new Error('lost');
    }
  }
}

function refused(sent: Sent): 'over' {
  sent.fate = 'refused';
  return 'over';
}

function drained({ socket }: LineClient): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = (): void => {
    socket.off('drain', done).off('close', done);
    resolve();
  };
  socket.on('drain', done).on('close', done);
  return promise;
}
