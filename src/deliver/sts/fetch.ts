/**
 * Fetches an MTA-STS policy from its domain's web server (RFC 8461 §3.3).
 *
 * Nothing that the server does grows without bound: no redirect is followed, at most 64 KB are read, and all of it has
 * one time limit, however slowly octets come. What it says counts only with a certificate that is valid for
 * `mta-sts.<domain>` by name (a common name is none), and as `text/plain`. It never rejects.
 */

import { type IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { checkServerIdentity, type PeerCertificate, type TLSSocket } from 'node:tls';
import { type Duration } from '../../lib/time.ts';
import { type StsPolicy } from '../../mail/sts-policy.ts';
import { type Resolver } from '../../ports/resolver.ts';
import { type Timers } from '../../ports/timers.ts';
import { MAX_POLICY_OCTETS, parseStsPolicy, STS_POLICY_PATH, stsPolicyHost } from '../../tlspolicy/mta-sts.ts';
import { type AddressFamily, addressesOf } from '../smtp/addresses.ts';
import { whyOf } from '../smtp/socket.ts';

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

export async function fetchStsPolicy(domain: string, options: FetchOptions): Promise<Fetched> {
  const host = stsPolicyHost(domain);
  const limit = new AbortController();
  const timer = options.timers.after(options.timeout, () => limit.abort());
  try {
    const found = await addressesOf(host, options.resolver, options.family);
    if (found.kind !== 'addresses')
      return failed('sts-policy-fetch-error', found.kind === 'none' ? `${host} has no address` : found.reason);
    const addresses = found.addresses.filter((address) => !options.prohibited(address)).slice(0, MAX_ADDRESSES);
    if (addresses.length === 0) return failed('sts-policy-fetch-error', `${host} leads where nothing is fetched from`);
    return await fromFirst({ host, addresses, signal: limit.signal }, options);
  } finally {
    timer.cancel();
  }
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

function ask(
  { host, address, signal }: { readonly host: string; readonly address: string; readonly signal: AbortSignal },
  { port, ca }: FetchOptions,
): Promise<Asked> {
  return new Promise((resolve) => {
    const asking = request({
      ...{ host: address, port, path: STS_POLICY_PATH, method: 'GET', agent: false, signal },
      headers: { host: port === 443 ? host : `${host}:${port}`, accept: 'text/plain' },
      ...{ servername: host, minVersion: 'TLSv1.2', checkServerIdentity: checkName },
      // Checked when it answers, where a certificate can be told from a connection that broke.
      rejectUnauthorized: false,
      ...(ca !== undefined && { ca: [ca].flat() }),
    });
    const done = (asked: Asked): void => {
      resolve(asked);
      asking.destroy();
    };
    asking.on('error', (error) => {
      done({ kind: 'unreached', reason: signal.aborted ? `${host} was too slow` : `${host}: ${whyOf(error)}` });
    });
    asking.once('response', (response) => {
      const problem = problemOf(response, host);
      if (problem !== undefined) return done(problem);
      return read(response, done);
    });
    asking.end();
  });
}

/** RFC 6125 §6.4.4, RFC 8461 §3.3: only a subject alternative name counts. */
function checkName(host: string, certificate: PeerCertificate): Error | undefined {
  if (certificate.subjectaltname === undefined) return new Error('the certificate has no subject alternative name');
  return checkServerIdentity(host, certificate);
}

function problemOf({ socket, statusCode = 0, headers }: IncomingMessage, host: string): Fetched | undefined {
  const { authorized, authorizationError } = socket as TLSSocket;
  if (!authorized)
    return failed('sts-webpki-invalid', `the certificate of ${host} is not valid: ${whyOf(authorizationError)}`);
  if (statusCode !== 200) return failed('sts-policy-fetch-error', `${host} answered ${statusCode}`);
  const type = headers['content-type'] ?? '';
  if (type.split(';')[0]?.trim().toLowerCase() !== 'text/plain')
    return failed(
      'sts-policy-fetch-error',
      `${host} answered with ${JSON.stringify(type.slice(0, 60))}, not text/plain`,
    );
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    return failed('sts-policy-fetch-error', `${host} answered in an encoding nobody asked for`);
  return Number(headers['content-length'] ?? 0) > MAX_POLICY_OCTETS ? TOO_LONG : undefined;
}

function read(response: IncomingMessage, done: (asked: Asked) => void): void {
  const chunks: Buffer[] = [];
  let octets = 0;
  response.on('data', (chunk: Buffer) => {
    octets += chunk.length;
    chunks.push(chunk);
    if (octets > MAX_POLICY_OCTETS) done(TOO_LONG);
  });
  // An answer that is cut short is followed by `error` or by `close` alone.
  response.on('error', () => done(failed('sts-policy-fetch-error', 'the answer was cut short')));
  response.on('close', () => done(failed('sts-policy-fetch-error', 'the answer was cut short')));
  response.on('end', () => {
    const policy = parseStsPolicy(Buffer.concat(chunks).toString('utf8'));
    done(policy.ok ? { kind: 'policy', policy: policy.value } : failed('sts-policy-invalid', policy.reason));
  });
}

const TOO_LONG: Fetched = failed('sts-policy-fetch-error', `the policy has more than ${MAX_POLICY_OCTETS} octets`);

function failed(resultType: StsProblemType, reason: string): StsProblem {
  return { kind: 'failed', resultType, reason };
}
