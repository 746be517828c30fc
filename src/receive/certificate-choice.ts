/**
 * Which certificate a client is shown: by the name that it asks for (SNI, RFC 6066 §3), the usual one otherwise.
 *
 * A name may have one certificate of each kind of key (RSA, ECDSA); OpenSSL takes the one that the client can verify. Of
 * two of a kind the first counts. A wildcard covers one label. What a client asks for is any octets: what is no name
 * that we have is answered with the usual certificate, since refusing would end in clear text.
 */

import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type TlsParameters } from '../lib/tls-profile.ts';

/** PEM texts. */
export interface CertificatePair {
  readonly certificate: string;
  readonly key: string;
}

export interface NamedPair extends CertificatePair {
  /** Lower case; `*.` in front covers one label. */
  readonly names: readonly string[];
}

/** What a session under TLS is made with: the usual context, and more where it is wanted. */
export interface ServerContext extends SecureContext {
  /** Absent: there is one certificate for everybody. */
  readonly byName?: (name: string) => ServerContext | undefined;
  /** The client is asked for a certificate; one that gives none is served all the same. */
  readonly asksClient?: boolean;
}

export interface ContextOptions {
  readonly parameters: TlsParameters;
  /** PEM of the authorities whose certificates clients may show; absent: they are not asked. */
  readonly clientCa?: string | undefined;
}

const NAME = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;
/** SNI carries no more. */
const MAX_NAME = 255;

/** The DNS names of the first certificate of a chain. */
export function namesOf(certificate: string): readonly string[] {
  // Node quotes names with odd characters in them; what is no host name is not one that a client can ask for.
  const listed = new X509Certificate(certificate).subjectAltName ?? '';
  const names = [...listed.matchAll(/(?:^|, )DNS:([^,"]+)/g)].map(([, name = '']) => name.toLowerCase());
  return [...new Set(names.filter((name) => NAME.test(name)))];
}

/** The first of the pairs is the usual one. Throws when one of them cannot be used. */
export function serverContext(pairs: readonly [NamedPair, ...NamedPair[]], options: ContextOptions): ServerContext {
  const [usual] = pairs;
  const companions = pairs.filter((pair) => usual.names.length > 0 && sameNames(pair, usual));
  const context = contextOf(companions.length === 0 ? [usual] : companions, options);
  if (pairs.length === 1) return context;
  const names = namedContexts(pairs, options);
  return Object.assign(context, { byName: (name: string) => findName(names, name) });
}

function namedContexts(pairs: readonly NamedPair[], options: ContextOptions): ReadonlyMap<string, ServerContext> {
  const byName = new Map<string, NamedPair[]>();
  for (const pair of pairs) for (const name of pair.names) byName.set(name, [...(byName.get(name) ?? []), pair]);
  // Names with the same pairs share one context.
  const made = new Map<string, ServerContext>();
  const contextFor = (some: readonly NamedPair[]): ServerContext => {
    const id = some.map((pair) => pairs.indexOf(pair)).join();
    const context = made.get(id) ?? contextOf(some, options);
    made.set(id, context);
    return context;
  };
  return new Map([...byName].map(([name, some]) => [name, contextFor(some)]));
}

/** The name itself, else the wildcard over its first label. */
function findName(names: ReadonlyMap<string, ServerContext>, asked: string): ServerContext | undefined {
  if (asked.length > MAX_NAME) return undefined;
  const name = asked.toLowerCase().replace(/\.$/, '');
  const dot = name.indexOf('.');
  return names.get(name) ?? (dot < 1 ? undefined : names.get(`*${name.slice(dot)}`));
}

function contextOf(pairs: readonly CertificatePair[], { parameters, clientCa }: ContextOptions): ServerContext {
  const used = onePerKind(pairs);
  const context = createSecureContext({
    ...parameters,
    cert: used.map(({ certificate }) => certificate),
    key: used.map(({ key }) => key),
    // Without a context for its sessions OpenSSL refuses to resume one in which a certificate was asked for.
    ...(clientCa !== undefined && { ca: clientCa, sessionIdContext: 'postrider' }),
  });
  return clientCa === undefined ? context : Object.assign(context, { asksClient: true });
}

function onePerKind(pairs: readonly CertificatePair[]): readonly CertificatePair[] {
  if (pairs.length === 1) return pairs;
  const kinds = new Map<string, CertificatePair>();
  for (const pair of pairs) {
    const kind = new X509Certificate(pair.certificate).publicKey.asymmetricKeyType ?? '';
    if (!kinds.has(kind)) kinds.set(kind, pair);
  }
  return [...kinds.values()];
}

function sameNames(a: NamedPair, b: NamedPair): boolean {
  return a.names.length === b.names.length && a.names.every((name) => b.names.includes(name));
}
