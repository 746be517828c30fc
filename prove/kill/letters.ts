/**
 * What is sent: letters whose recipients say in their own addresses what becomes of them, so that both ends agree
 * without talking to each other.
 */

import { createHash } from 'node:crypto';
import { type Chance } from '../chance.ts';

export interface Letter {
  readonly number: number;
  /** Nobody else's, so that a report tells whom it is about. */
  readonly from: string;
  readonly to: readonly string[];
  /** As it goes over the wire, its dots stuffed, without the last line. */
  readonly wire: Buffer;
  /** Of `wire`. */
  readonly digest: string;
}

/** `ok`: taken; `later`: deferred once, then taken; `never`: refused for good. */
export type Fortune = 'ok' | 'later' | 'never';

export const SITES = 4;
export const HOME = 'home.test';
const MAX_RECIPIENTS = 5;
const KIB = 1024;
/** Of the bodies that letters take in turn: mostly small, some in files (above 256 KiB). */
const SMALL = [1, 1, 2, 2, 4, 4, 8, 8, 16, 32, 64, 200];
const LARGE = [260, 300, 500, 1000];
const HUGE = [5000];
const LARGE_EVERY = 14;
const HUGE_EVERY = 250;
const LOOP_EVERY = 60;
const FORBIDDEN = new Set([0, 10, 13]);
const DOT = 46;
/** More `Received:` fields than the product takes. */
const LOOP = 'Received: from a.test by b.test; Thu, 01 Jan 2026 00:00:00 +0000\r\n'.repeat(120);

/** What letters take in turn. */
export interface Bodies {
  readonly small: readonly Buffer[];
  readonly large: readonly Buffer[];
  readonly huge: readonly Buffer[];
}

export function makeBodies(chance: Chance): Bodies {
  const bodies = (sizes: readonly number[]): readonly Buffer[] => sizes.map((kib) => bodyOf(chance, kib * KIB));
  return { small: bodies(SMALL), large: bodies(LARGE), huge: bodies(HUGE) };
}

export class Letters {
  readonly #chance: Chance;
  readonly #bodies: Bodies;
  #last = 0;

  constructor(chance: Chance, bodies: Bodies) {
    this.#chance = chance;
    this.#bodies = bodies;
  }

  next(): Letter {
    const number = (this.#last += 1);
    const from = senderOf(number);
    const to = this.#recipients(number);
    const loop = number % LOOP_EVERY === 7 ? LOOP : '';
    const header = `${loop}From: <${from}>\r\nTo: <${to[0]}>\r\nSubject: ${number}\r\nMessage-ID: <${number}@client.test>\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n\r\n`;
    const wire = Buffer.concat([Buffer.from(header), this.#body(number)]);
    return { number, from, to, wire, digest: digestOf(wire) };
  }

  #recipients(number: number): readonly string[] {
    const count = this.#chance.whole(1, MAX_RECIPIENTS + 1);
    return Array.from({ length: count }, (_, i) => {
      const fortune = this.#chance.next();
      const kind: Fortune = fortune < 0.8 ? 'ok' : fortune < 0.9 ? 'later' : 'never';
      return `m${number}-${i}.${kind}@site${this.#chance.whole(0, SITES)}.test`;
    });
  }

  #body(number: number): Buffer {
    const { small, large, huge } = this.#bodies;
    const pool = number % HUGE_EVERY === 50 ? huge : number % LARGE_EVERY === 3 ? large : small;
    const body = pool[this.#chance.whole(0, pool.length)];
    if (body === undefined) throw new Error('no body');
    return body;
  }
}

export function senderOf(number: number): string {
  return `s${number}@${HOME}`;
}

export interface Recipient {
  readonly number: number;
  readonly fortune: Fortune;
}

export function recipientOf(address: string): Recipient | undefined {
  const match = /^m(\d+)-\d+\.(ok|later|never)@/.exec(address);
  return match === null ? undefined : { number: Number(match[1]), fortune: match[2] as Fortune };
}

export function digestOf(octets: Uint8Array): string {
  return createHash('sha256').update(octets).digest('base64');
}

/** Lines of any octets but CR, LF and NUL, of every length that is allowed, some beginning with (stuffed) dots. */
function bodyOf(chance: Chance, octets: number): Buffer {
  const alphabet = Buffer.from(Array.from({ length: 256 }, (_, i) => i).filter((octet) => !FORBIDDEN.has(octet)));
  const any = Buffer.concat(Array.from({ length: 6 }, () => alphabet));
  const lines: Buffer[] = [];
  for (let length = 0, at = 0; length < octets; at += 1) {
    const from = chance.whole(0, alphabet.length);
    const line = any.subarray(from, from + Math.min(chance.whole(0, 990), octets - length));
    lines.push(Buffer.from('..'.repeat(at % 3)), line[0] === DOT ? line.subarray(1) : line, Buffer.from('\r\n'));
    length += line.length + 2;
  }
  return Buffer.concat(lines);
}
