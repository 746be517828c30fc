/** Hands a report in by HTTPS (RFC 8460 §5.4): one POST, no redirect followed, whatever the answer says. */

import { addressesOf, type AddressFamily } from '../deliver/smtp/addresses.ts';
import { type Answer, exchange, type NoAnswer, within } from '../https/exchange.ts';
import { type Duration } from '../lib/time.ts';
import { type Resolver } from '../ports/resolver.ts';
import { type Timers } from '../ports/timers.ts';

export interface PostOptions {
  readonly resolver: Resolver;
  readonly timers: Timers;
  readonly family: AddressFamily;
  readonly timeout: Duration;
  /** PEM; in place of the system's authorities. */
  readonly ca?: string | undefined;
  readonly prohibited: (address: string) => boolean;
}

/** One that cannot be reached is passed over; the time limit is for all of them together. */
const MAX_ADDRESSES = 3;

/** Resolves with what went wrong, if anything; never rejects. */
export function postReport(written: string, body: Buffer, options: PostOptions): Promise<string | undefined> {
  return within(options, async (signal) => {
    const url = new URL(written);
    const found = await addressesOf(url.hostname.replace(/^\[|\]$/g, ''), options.resolver, options.family);
    if (found.kind !== 'addresses') return found.kind === 'none' ? `${url.hostname} has no address` : found.reason;
    const addresses = found.addresses.filter((each) => !options.prohibited(each)).slice(0, MAX_ADDRESSES);
    let wrong: string | undefined = `${url.hostname} leads where nothing is sent to`;
    for (const address of addresses) {
      const answer = await exchange({
        ...{ method: 'POST', url, address, body, headers: { 'content-type': 'application/tlsrpt+gzip' } },
        ...{ ca: options.ca, signal, maxOctets: 0, wants: () => false },
      });
      wrong = problemOf(answer, url.hostname);
      // Whoever gets one twice knows it by its id (RFC 8460 §4.2).
      const isOver = answer.kind === 'answer' || answer.why !== 'unreached' || signal.aborted;
      if (isOver) break;
    }
    return wrong;
  });
}

function problemOf(answer: Answer | NoAnswer, host: string): string | undefined {
  if (answer.kind === 'none') return answer.reason;
  return answer.code >= 200 && answer.code < 300 ? undefined : `${host} answered ${answer.code}`;
}
