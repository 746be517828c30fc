/** Hands a report in by HTTPS (RFC 8460 §5.4): one POST, no redirect followed, whatever the answer says. */

import { addressesOf, type AddressFamily } from '../deliver/smtp/addresses.ts';
import { exchange, within } from '../https/exchange.ts';
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

/** Resolves with what went wrong, if anything; never rejects. */
export function postReport(written: string, body: Buffer, options: PostOptions): Promise<string | undefined> {
  return within(options, async (signal) => {
    const url = new URL(written);
    const found = await addressesOf(url.hostname.replace(/^\[|\]$/g, ''), options.resolver, options.family);
    if (found.kind !== 'addresses') return found.kind === 'none' ? `${url.hostname} has no address` : found.reason;
    const address = found.addresses.find((each) => !options.prohibited(each));
    if (address === undefined) return `${url.hostname} leads where nothing is sent to`;
    const answer = await exchange({
      ...{ method: 'POST', url, address, body, headers: { 'content-type': 'application/tlsrpt+gzip' } },
      ...{ ca: options.ca, signal, maxOctets: 0, wants: () => false },
    });
    if (answer.kind === 'none') return answer.reason;
    return answer.code >= 200 && answer.code < 300 ? undefined : `${url.hostname} answered ${answer.code}`;
  });
}
