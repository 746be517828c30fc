/** Mail between clients and next hops that behave, beside the bad ones: a steady stream with an account of each message. */

import { setTimeout as pause } from 'node:timers/promises';
import { type Event } from '../../src/events/event.ts';
import { type FastSink } from '../../test/lib/fast-sink.ts';
import { contentOf, FastSource, type Mail } from '../../test/lib/fast-source.ts';
import { until } from '../../test/lib/wait.ts';
import { type GoodMessage } from './judge.ts';

/** Next hops that are named by the configuration, and one more that has to be looked up. */
export const GOOD_HOPS = 3;
const SESSIONS = 4;
/** Milliseconds between two messages of a session. */
const GAP = 40;
const PATIENCE = 60_000;
/** So many octets, now and then: small, more than a segment, more than goes to a socket at once. */
const SIZES = [200, 1500, 200, 6000, 200, 90_000];

export class GoodMail {
  readonly #sink: FastSink;
  readonly #sent = new Map<string, Mail>();
  readonly #name: string;
  #source: FastSource | undefined;
  #running: Promise<void> = Promise.resolve();

  /** `sink`: where it goes to, with contents. */
  constructor(name: string, sink: FastSink) {
    this.#name = name;
    this.#sink = sink;
  }

  begin(port: number): void {
    this.#source = new FastSource({ port, sessions: SESSIONS, gap: GAP, next: () => this.#next() });
    this.#running = this.#source.run();
  }

  #next(): Mail {
    const n = this.#sent.size;
    const domain = n % (GOOD_HOPS + 1) === GOOD_HOPS ? 'good.well.test' : `good${n % (GOOD_HOPS + 1)}.test`;
    const mail = { to: `${this.#name}-${n}@${domain}`, body: bodyOf(n) };
    this.#sent.set(mail.to, mail);
    return mail;
  }

  /** No more is sent; resolves when all that was accepted has come, or patience is over. */
  async end(): Promise<void> {
    this.#source?.stop();
    // A product that answers no more must not stop the prover as well.
    await Promise.race([this.#running, pause(PATIENCE, undefined, { ref: false })]);
    const { accepted = [] } = this.#source ?? {};
    // What has not come by then is judged as lost.
    await until('the good mail', () => accepted.every((to) => this.#sink.byRecipient.has(to)), PATIENCE).catch(
      () => {},
    );
  }

  account(deferred: ReadonlySet<string>): readonly GoodMessage[] {
    return [...this.#sent].map(([to, mail]) => {
      const fate = this.#source?.fates.get(to);
      return {
        to,
        content: contentOf(mail).slice(0, -'.\r\n'.length),
        fate: fate?.kind ?? 'unanswered',
        acceptedAt: fate?.kind === 'accepted' ? fate.at : 0,
        copies: (this.#sink.byRecipient.get(to) ?? []).map(({ content, answeredAt }) => ({ content, at: answeredAt })),
        deferred: deferred.has(to),
      };
    });
  }
}

export function deferredIn(events: readonly Event[]): ReadonlySet<string> {
  return new Set(events.flatMap((event) => (event.kind === 'deferred' ? event.recipients : [])));
}

function bodyOf(n: number): string {
  const size = SIZES[n % SIZES.length] ?? 0;
  const lines: string[] = [];
  for (let octets = 0, at = n; octets < size; at += 1) {
    // Dots at the beginning of a line are doubled here, since the source sends what it is given.
    const line = `${at % 3 === 0 ? '..' : ''}${String(at).repeat(1 + (at % 23))}\r\n`;
    lines.push(line);
    octets += line.length;
  }
  return lines.join('');
}

/** Milliseconds from our 250 to the copy. */
export function transits(messages: readonly GoodMessage[]): { readonly p50: number; readonly max: number } {
  const times = messages
    .flatMap(({ acceptedAt, copies: [first] }) => (first === undefined ? [] : [Math.max(0, first.at - acceptedAt)]))
    .toSorted((a, b) => a - b);
  return { p50: times[times.length >> 1] ?? 0, max: times.at(-1) ?? 0 };
}
