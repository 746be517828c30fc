/**
 * How much each user and each tenant may send in an hour and in a day, counted where every message passes: exact for all
 * workers together. What is counted is forgotten by a restart.
 *
 * The whole amount may come at once after a rest, and then as it is spread evenly over the period (GCRA).
 */

import { Gcra } from '../lib/gcra.ts';
import { Lru } from '../lib/lru.ts';
import { DAY, type Duration, HOUR, type Instant } from '../lib/time.ts';
import { type SendingLimits } from '../mail/identity.ts';

export interface Sending {
  /** Of the user, and of its tenant. */
  readonly senders: readonly { readonly name: string; readonly limits: SendingLimits }[];
  readonly recipients: number;
}

export interface Excess {
  /** `user app`, `tenant acme`. */
  readonly of: string;
  readonly limit: RateName;
  readonly until: Instant;
}

export type RateName = 'messagesPerHour' | 'messagesPerDay' | 'recipientsPerHour' | 'recipientsPerDay';

const RATES: readonly { readonly name: RateName; readonly period: Duration; readonly of: 'messages' | 'recipients' }[] =
  [
    { name: 'messagesPerHour', period: HOUR, of: 'messages' },
    { name: 'messagesPerDay', period: DAY, of: 'messages' },
    { name: 'recipientsPerHour', period: HOUR, of: 'recipients' },
    { name: 'recipientsPerDay', period: DAY, of: 'recipients' },
  ];
const REMEMBERED = 50_000;

export class SendingRates {
  readonly #counts = new Lru<string, Gcra>(REMEMBERED);

  /** Counts the message, unless it is too much for any of its senders: then nothing is counted. */
  take({ senders, recipients }: Sending, now: Instant): Excess | undefined {
    const due: { readonly count: Gcra; readonly cost: number }[] = [];
    for (const { name, limits } of senders)
      for (const rate of RATES) {
        const amount = limits[rate.name];
        if (amount === undefined) continue;
        const cost = rate.of === 'messages' ? 1 : recipients;
        if (amount === 0) return { of: name, limit: rate.name, until: Number.POSITIVE_INFINITY };
        const count = this.#countOf(`${name}\n${rate.name}`, { amount, period: rate.period, burst: amount });
        count.bound(now);
        if (count.nextAt(cost) > now) return { of: name, limit: rate.name, until: count.nextAt(cost) };
        due.push({ count, cost });
      }
    for (const { count, cost } of due) count.take(now, cost);
    return undefined;
  }

  /** A limit that was changed begins anew. */
  #countOf(key: string, rate: Gcra['rate']): Gcra {
    const known = this.#counts.get(key);
    if (known !== undefined && known.rate.amount === rate.amount) return known;
    const made = new Gcra(rate);
    this.#counts.set(key, made);
    return made;
  }
}
