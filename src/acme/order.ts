/** One order, from the names to the certificate (RFC 8555 §7.4 and §7.5). */

import { type KeyObject } from 'node:crypto';
import { type Parsed } from '../lib/parsed.ts';
import { type Duration, SECOND } from '../lib/time.ts';
import { type Timers } from '../ports/timers.ts';
import {
  type Authorization,
  type Challenge,
  type Order,
  readAuthorization,
  readOrder,
} from '../wire/acme/documents.ts';
import { keyAuthorization } from '../wire/acme/jws.ts';
import { type Responder } from './challenges.ts';
import { type AcmeClient, AcmeFailure, type Received } from './client.ts';
import { type ChallengeKind } from './config.ts';
import { certificateRequest } from './keys.ts';

export interface OrderWish {
  readonly names: readonly string[];
  /** PEM; the certificate is for it. */
  readonly key: string;
  readonly accountKey: KeyObject;
  readonly challenge: ChallengeKind;
  /** The one that it takes the place of (RFC 9773 §5). */
  readonly replaces: string | undefined;
  readonly responder: Responder;
  readonly timers: Timers;
  /** Throws when nobody wants the certificate any more. */
  readonly goOn: () => void;
}

// Together a quarter of an hour, which no authority needs.
const POLLS = 90;
const POLL_WAIT = 10 * SECOND;
const FIRST_POLLS = 10;
const FIRST_WAIT = SECOND;

/** Resolves with the chain as PEM. */
export async function orderCertificate(client: AcmeClient, wish: OrderWish): Promise<string> {
  const { value: order, location } = await newOrder(client, wish);
  if (location === undefined) throw new AcmeFailure('the authority did not say where the order is');
  for (const url of order.authorizations) await authorize(client, url, wish);
  const ready = await settled(client, { url: location, read: readOrder, while: ['pending'] }, wish);
  if (ready.status !== 'ready' && ready.status !== 'valid') throw new AcmeFailure(failureOf(ready));
  const csr = (await certificateRequest(wish.key, wish.names)).toString('base64url');
  if (ready.status === 'ready') await client.post(order.finalize, { csr });
  const done = await settled(client, { url: location, read: readOrder, while: ['ready', 'processing'] }, wish);
  if (done.status !== 'valid' || done.certificate === undefined) throw new AcmeFailure(failureOf(done));
  return (await client.post(done.certificate)).body;
}

async function newOrder(client: AcmeClient, { names, replaces }: OrderWish): Promise<Received<Order>> {
  const { newOrder: url, renewalInfo } = await client.directory();
  const identifiers = names.map((value) => ({ type: 'dns', value }));
  if (replaces === undefined || renewalInfo === undefined) return client.postFor(url, readOrder, { identifiers });
  try {
    return await client.postFor(url, readOrder, { identifiers, replaces });
  } catch (error) {
    // It was replaced already, or is of another authority: the order stands without.
    if (!(error instanceof AcmeFailure) || !['alreadyReplaced', 'malformed'].includes(error.type)) throw error;
    return client.postFor(url, readOrder, { identifiers });
  }
}

async function authorize(client: AcmeClient, url: string, wish: OrderWish): Promise<void> {
  const { value: found } = await client.postFor(url, readAuthorization);
  if (found.status === 'valid') return;
  const challenge = found.challenges.find(({ type }) => type === wish.challenge);
  if (challenge === undefined)
    throw new AcmeFailure(`the authority offers no ${wish.challenge} for ${found.name}: ${kindsOf(found)}`);
  await wish.responder.prepare(found.name, challenge.token, keyAuthorization(challenge.token, wish.accountKey));
  await client.post(challenge.url, {});
  const ended = await settled(client, { url, read: readAuthorization, while: ['pending', 'processing'] }, wish);
  if (ended.status !== 'valid') throw new AcmeFailure(`${found.name}: ${whyRefused(ended.challenges, ended.status)}`);
}

function kindsOf({ challenges }: Authorization): string {
  return challenges.map(({ type }) => type).join(', ');
}

function whyRefused(challenges: readonly Challenge[], status: string): string {
  return challenges.find(({ error }) => error !== undefined)?.error ?? `the authorization is ${status}`;
}

function failureOf({ status, error }: Order): string {
  return `the order is ${status}${error === undefined ? '' : `: ${error}`}`;
}

interface Poll<T> {
  readonly url: string;
  readonly read: (json: unknown) => Parsed<T>;
  readonly while: readonly string[];
}

/** Asks until it has another status. */
async function settled<T extends { readonly status: string }>(
  client: AcmeClient,
  { url, read, while: during }: Poll<T>,
  { timers, goOn }: OrderWish,
): Promise<T> {
  for (let polls = 0; polls < POLLS; polls += 1) {
    goOn();
    const { value, wait } = await client.postFor(url, read);
    if (!during.includes(value.status)) return value;
    await pause(timers, Math.min(Math.max(wait ?? 0, polls < FIRST_POLLS ? FIRST_WAIT : POLL_WAIT), 6 * POLL_WAIT));
  }
  throw new AcmeFailure('the authority came to no end');
}

function pause(timers: Timers, delay: Duration): Promise<void> {
  return new Promise((resolve) => void timers.after(delay, resolve));
}
