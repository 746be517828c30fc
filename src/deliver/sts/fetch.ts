/**
 * Fetches an MTA-STS policy from its domain's web server (RFC 8461 §3.3).
 *
 * At most 64 KB are read, and all of it, from the look-up on, has one time limit. What the server says counts only with a
 * certificate that is valid for `mta-sts.<domain>` by name, and as `text/plain`. It never rejects.
 */

import { type AnswerHead, exchange, within } from '../../https/exchange.ts';
import { type Duration } from '../../lib/time.ts';
import { STS_POLICY_PATH, type StsPolicy } from '../../mail/sts-policy.ts';
import { type Resolver } from '../../ports/resolver.ts';
import { type Timers } from '../../ports/timers.ts';
import { MAX_POLICY_OCTETS, parseStsPolicy, stsPolicyHost } from '../../tlspolicy/mta-sts.ts';
import { type AddressFamily, addressesOf } from '../smtp/addresses.ts';

export interface FetchOptions {
  readonly resolver: Resolver;
  readonly timers: Timers;
  readonly family: AddressFamily;
  readonly port: number;
  /** For one fetch, from the look-up to the last octet. */
  readonly timeout: Duration;
  /** PEM; in place of the system's authorities. */
  readonly ca?: string | readonly string[] | undefined;
  /** Where nothing is fetched from. */
  readonly prohibited: (address: string) => boolean;
}

/** As reports name them (RFC 8460 §4.3.2.2). */
export type StsProblemType = 'sts-policy-fetch-error' | 'sts-policy-invalid' | 'sts-webpki-invalid';

export interface StsProblem {
  readonly kind: 'failed';
  readonly resultType: StsProblemType;
  readonly reason: string;
}

export type Fetched = { readonly kind: 'policy'; readonly policy: StsPolicy } | StsProblem;

/** Of one server; the time limit is for all of them together. */
const MAX_ADDRESSES = 3;

export function fetchStsPolicy(domain: string, options: FetchOptions): Promise<Fetched> {
  return within(options, async (signal) => {
    const host = stsPolicyHost(domain);
    const found = await addressesOf(host, options.resolver, options.family);
    if (found.kind !== 'addresses')
      return failed('sts-policy-fetch-error', found.kind === 'none' ? `${host} has no address` : found.reason);
    const addresses = found.addresses.filter((address) => !options.prohibited(address)).slice(0, MAX_ADDRESSES);
    if (addresses.length === 0) return failed('sts-policy-fetch-error', `${host} leads where nothing is fetched from`);
    return fromFirst({ host, addresses, signal }, options);
  });
}

interface Place {
  readonly host: string;
  readonly addresses: readonly string[];
  /** The time is up. */
  readonly signal: AbortSignal;
}

/** An address that cannot be reached is passed over; the first that answers has the last word. */
async function fromFirst({ host, addresses, signal }: Place, options: FetchOptions): Promise<Fetched> {
  let last: Fetched = failed('sts-policy-fetch-error', 'not tried');
  for (const address of addresses) {
    const asked = await ask({ host, address, signal }, options);
    if (asked.kind !== 'unreached') return asked;
    last = failed('sts-policy-fetch-error', asked.reason);
    if (signal.aborted) break;
  }
  return last;
}

type Asked = Fetched | { readonly kind: 'unreached'; readonly reason: string };

async function ask(
  { host, address, signal }: { readonly host: string; readonly address: string; readonly signal: AbortSignal },
  { port, ca }: FetchOptions,
): Promise<Asked> {
  const answer = await exchange({
    ...{ method: 'GET', url: new URL(`https://${host}:${port}${STS_POLICY_PATH}`), address, ca, signal },
    ...{ headers: { accept: 'text/plain' }, maxOctets: MAX_POLICY_OCTETS },
    wants: (head) => problemOf(head, host) === undefined,
  });
  if (answer.kind === 'answer') return problemOf(answer, host) ?? policyIn(answer.body);
  if (answer.why === 'untrusted') return failed('sts-webpki-invalid', answer.reason);
  if (answer.why === 'tooLong' || answer.why === 'cutShort') return failed('sts-policy-fetch-error', answer.reason);
  return { kind: 'unreached', reason: answer.reason };
}

function problemOf({ code, headers }: AnswerHead, host: string): StsProblem | undefined {
  if (code !== 200) return failed('sts-policy-fetch-error', `${host} answered ${code}`);
  const type = headers['content-type'] ?? '';
  if (type.split(';')[0]?.trim().toLowerCase() !== 'text/plain')
    return failed(
      'sts-policy-fetch-error',
      `${host} answered with ${JSON.stringify(type.slice(0, 60))}, not text/plain`,
    );
  const encoding = headers['content-encoding'] ?? 'identity';
  return encoding === 'identity'
    ? undefined
    : failed('sts-policy-fetch-error', `${host} answered in an encoding nobody asked for`);
}

function policyIn(octets: Buffer): Fetched {
  const policy = parseStsPolicy(octets.toString('utf8'));
  return policy.ok ? { kind: 'policy', policy: policy.value } : failed('sts-policy-invalid', policy.reason);
}

function failed(resultType: StsProblemType, reason: string): StsProblem {
  return { kind: 'failed', resultType, reason };
}
