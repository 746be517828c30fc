/** The extensions that the server offers, and the lines of its EHLO reply. */

import { MINUTE, SECOND } from '../../lib/time.ts';
import { formatDateTime } from '../../mail/sending-times.ts';
import { mechanismsOf, offersAuth } from './server-auth.ts';
import { type FutureReleaseOptions, isSecured, type ServerOptions, type TlsState } from './server-options.ts';

export type ExtensionName =
  | 'PIPELINING' // RFC 2920
  | 'SIZE' // RFC 1870
  | '8BITMIME' // RFC 6152
  | 'SMTPUTF8' // RFC 6531
  | 'ENHANCEDSTATUSCODES' // RFC 2034
  | 'CHUNKING' // RFC 3030
  | 'BINARYMIME' // RFC 3030
  | 'DSN' // RFC 3461
  | 'LIMITS' // RFC 9422
  | 'AUTH' // RFC 4954
  | 'STARTTLS' // RFC 3207
  | 'REQUIRETLS' // RFC 8689
  | 'FUTURERELEASE' // RFC 4865
  | 'DELIVERBY' // RFC 2852
  | 'MT-PRIORITY' // RFC 6710
  | 'HELP'; // RFC 5321 §4.1.1.8

const EXTENSION_NAMES: readonly ExtensionName[] = [
  'PIPELINING',
  'SIZE',
  '8BITMIME',
  'SMTPUTF8',
  'ENHANCEDSTATUSCODES',
  'CHUNKING',
  'BINARYMIME',
  'DSN',
  'LIMITS',
  'AUTH',
  'STARTTLS',
  'REQUIRETLS',
  'FUTURERELEASE',
  'DELIVERBY',
  'MT-PRIORITY',
  'HELP',
];

const OFFERED = new WeakMap<ServerOptions, Partial<Record<TlsState, ReadonlySet<ExtensionName>>>>();

/**
 * What is offered now: not what was withheld, nothing that needs what was withheld, and STARTTLS only where it can be, REQUIRETLS
 * only where it is.
 * One set for all sessions with the same options.
 */
export function offeredExtensions(options: ServerOptions, tls: TlsState): ReadonlySet<ExtensionName> {
  let known = OFFERED.get(options);
  if (known === undefined) OFFERED.set(options, (known = {}));
  return (known[tls] ??= makeOffered(options, tls));
}

function makeOffered({ withheld, auth, futureRelease }: ServerOptions, tls: TlsState): ReadonlySet<ExtensionName> {
  const offered = new Set(EXTENSION_NAMES.filter((name) => !withheld.includes(name)));
  if (tls !== 'available') offered.delete('STARTTLS');
  // RFC 8689 §2: under TLS and nowhere else.
  if (!isSecured(tls)) offered.delete('REQUIRETLS');
  if (!offersAuth(auth, tls)) offered.delete('AUTH');
  // RFC 4865 §4: of submission, for those who may send.
  if (auth === undefined || futureRelease === undefined) offered.delete('FUTURERELEASE');
  // RFC 3030 §3: BINARYMIME without CHUNKING has no way to send. RFC 6531 §3.1: SMTPUTF8 implies 8BITMIME.
  if (!offered.has('CHUNKING')) offered.delete('BINARYMIME');
  if (!offered.has('8BITMIME')) offered.delete('SMTPUTF8');
  return offered;
}

/** The lines that follow the first of the EHLO reply. */
export function extensionLines(
  options: ServerOptions,
  offered: ReadonlySet<ExtensionName>,
  tls: TlsState,
): readonly string[] {
  return [...offered].map((name) => {
    if (name === 'SIZE') return `SIZE ${options.maxContentOctets}`;
    if (name === 'AUTH' && options.auth !== undefined) return `AUTH ${mechanismsOf(options.auth, tls).join(' ')}`;
    if (name === 'FUTURERELEASE' && options.futureRelease !== undefined)
      return futureReleaseLine(options.futureRelease);
    if (name === 'LIMITS') return `LIMITS RCPTMAX=${options.maxRecipients} MAILMAX=${options.maxTransactions}`;
    return name;
  });
}

/** RFC 4865 §4: how long, and until when. The latter to the minute, so that the line stands for a while. */
export function futureReleaseLine({ longest, now }: FutureReleaseOptions): string {
  const latest = Math.floor((now() + longest) / MINUTE) * MINUTE;
  return `FUTURERELEASE ${Math.floor(longest / SECOND)} ${formatDateTime(latest)}`;
}
