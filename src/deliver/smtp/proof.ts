/**
 * What an open connection proved, and whether that is enough for a message.
 *
 * A connection is shared by messages of different domains and tenants. Each brings its own requirement, and
 * rides only if the connection has already proved it: nothing is taken on trust because an earlier message
 * was content with less.
 */

import { type Credentials } from '../../wire/smtp/client-login.ts';
import { type DaneResult } from '../../tlspolicy/dane.ts';
import { type DaneFacts } from '../../tlspolicy/decide.ts';
import { type RouteTls } from '../../mail/route.ts';
import { sameHandshake } from './handshake.ts';
import { decisionFor, mayResume, meets, type TlsWanted } from './session-policy.ts';

export interface Proof {
  readonly protocol: 'smtp' | 'lmtp';
  /** As it was dialled: a host name, or the path of a socket. */
  readonly host: string;
  /** Textual IP address; `''` for a local socket. */
  readonly address: string;
  readonly port: number;
  readonly tls: TlsProof | undefined;
  /** What DNSSEC said of the host when it was dialled; undefined: it was not asked. */
  readonly dane: DaneFacts | undefined;
  readonly tlsOptions?: RouteTls | undefined;
  /** What the server took our login by. */
  readonly credentials: Credentials | undefined;
}

export interface TlsProof {
  /** `TLSv1.3 TLS_AES_256_GCM_SHA384` */
  readonly name: string;
  /** The certificate is valid for `host`, by the authorities that we trust, or has a fingerprint that the route names. */
  readonly verified: boolean;
  /** It has a fingerprint that the route names; absent where the route names none. */
  readonly pinned?: boolean;
  /** The code of why it is not. */
  readonly error?: string | undefined;
  /** How it compares with the TLSA records of the host, if it has usable ones. */
  readonly dane?: DaneResult | undefined;
  /** A session was resumed: what is said here was proved in an earlier handshake with the same server. */
  readonly resumed?: true;
}

export interface Requirement {
  readonly protocol: 'smtp' | 'lmtp';
  /** Hosts that may get the message. */
  readonly hosts: readonly string[];
  readonly port: number;
  readonly tls: TlsWanted;
  readonly tlsOptions?: RouteTls | undefined;
  readonly credentials: Credentials | undefined;
}

export function satisfies(proof: Proof, requirement: Requirement): boolean {
  return (
    proof.protocol === requirement.protocol &&
    proof.port === requirement.port &&
    requirement.hosts.includes(proof.host) &&
    sameCredentials(proof.credentials, requirement.credentials) &&
    sameHandshake(proof.tlsOptions, requirement.tlsOptions) &&
    isSecureEnough(proof, requirement.tls)
  );
}

/** Also none is a credential: mail of somebody who has no login must not go out as somebody who has one. */
function sameCredentials(proved: Credentials | undefined, wanted: Credentials | undefined): boolean {
  return proved?.user === wanted?.user && proved?.password === wanted?.password;
}

function isSecureEnough({ host, tls, dane, tlsOptions }: Proof, wanted: TlsWanted): boolean {
  if (!asksForMore(wanted)) return meets(tls, wanted.level);
  // Opened for mail of which nobody vouched for the host: what DNSSEC says of it is still to be asked.
  if (wanted.secure && dane === undefined) return false;
  const decision = decisionFor(host, wanted.secure ? dane : undefined, wanted);
  if (decision.kind === 'skip' || (tls?.resumed === true && !mayResume(decision, tlsOptions))) return false;
  return meets(tls, decision.level) && isNamedFor(tls?.dane, [host, decision.serverName, wanted.domain]);
}

/** RFC 7672 §3.2.3: what another domain's name proved of the server is no proof for this one. */
function isNamedFor(dane: DaneResult | undefined, wanted: readonly string[]): boolean {
  if (dane?.kind !== 'matched' || dane.names === undefined) return true;
  return dane.names.some((name) => wanted.includes(name));
}

/** Something besides the route has a say. */
export function asksForMore({ secure, sts, sender, level }: TlsWanted): boolean {
  return level !== 'none' && (secure || sts !== undefined || sender !== 'usual' || level === 'dane');
}
