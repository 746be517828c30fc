/**
 * What a message and its route want of the encryption of a session, whether a session has it, and what is told of it.
 * Pure: the facts are looked up in `tlsa.ts` and `socket.ts`, the decision is made in `tlspolicy/decide.ts`.
 */

import { type SenderParameters } from '../../mail/envelope.ts';
import { type RouteTls, type TlsLevel } from '../../mail/route.ts';
import { type StsPolicy } from '../../mail/sts-policy.ts';
import { type TlsResultType, type TlsSession } from '../../mail/tls-result.ts';
import { type DaneFacts, decideTls, type SenderTls, type TlsDecision, type TlsDemand } from '../../tlspolicy/decide.ts';
import { type TlsProof } from './proof.ts';
import { NO_DANE } from './tlsa.ts';

export interface TlsWanted {
  readonly level: TlsLevel;
  /** What the mail is for, or the next hop that the route names; a name that a DANE-TA certificate may have. */
  readonly domain: string;
  /** The names of the hosts are known for sure. */
  readonly secure: boolean;
  readonly sts: StsPolicy | undefined;
  readonly sender: SenderTls;
}

export function senderTls({ requireTls, tlsOptional }: SenderParameters): SenderTls {
  // RFC 8689 §3: beside REQUIRETLS the header field means nothing.
  if (requireTls === true) return 'required';
  return tlsOptional === true ? 'optional' : 'usual';
}

/** `dane`: undefined where nobody asked; then nothing is vouched for. */
export function decisionFor(host: string, dane: DaneFacts | undefined, wanted: TlsWanted): TlsDecision {
  const { level, secure, sts, sender } = wanted;
  return decideTls({ host, secureName: secure, level, sender, dane: dane ?? NO_DANE, sts });
}

/** Nothing but the route has a say, and it names no certificate: an earlier handshake proves as much as a new one. */
export function mayResume({ policy, policyType, level }: TlsDemand, route: RouteTls | undefined): boolean {
  if (policy === 'requiretls' || policyType !== 'no-policy-found' || (route?.fingerprints ?? []).length > 0)
    return false;
  return level === 'opportunistic' || level === 'encrypt' || level === 'verify';
}

export function meets(tls: TlsProof | undefined, level: TlsLevel): boolean {
  switch (level) {
    case 'none':
    case 'opportunistic':
      return true;
    case 'encrypt':
      return tls !== undefined && tls.pinned !== false;
    case 'verify':
      return tls?.verified === true;
    case 'dane':
      return tls?.dane?.kind === 'matched' && tls.pinned !== false;
  }
}

/** As the machine of a session is told it. */
export function wantedTls(
  { level }: TlsDemand,
  established: TlsProof | undefined,
): 'none' | 'opportunistic' | 'required' | 'established' {
  if (established !== undefined) return 'established';
  return level === 'none' || level === 'opportunistic' ? level : 'required';
}

export interface TlsTrouble {
  readonly result: TlsResultType;
  readonly text: string;
}

/** Why a session that is encrypted is still not good enough; undefined: it is. */
export function troubleOf(tls: TlsProof, { level }: TlsDemand, host: string): TlsTrouble | undefined {
  if (meets(tls, level)) return undefined;
  if (level === 'dane' && tls.pinned !== false) {
    const { dane } = tls;
    const text = dane?.kind === 'failed' ? dane.reason : 'there is no TLSA record to check';
    return { result: dane?.kind === 'failed' ? dane.result : 'dane-required', text: `${host}: ${text}` };
  }
  return {
    result: resultOfError(tls.error),
    text: `the certificate of ${host} is not valid: ${tls.error ?? 'unknown'}`,
  };
}

interface SessionEnds {
  readonly host: string;
  readonly address: string;
  readonly sourceAddress?: string | undefined;
}

/** Session as reports count it (RFC 8460 §4.3): held against what is published, whatever was demanded. */
export function sessionOf(
  demand: TlsDemand,
  { host, address, sourceAddress }: SessionEnds,
  outcome: TlsProof | TlsResultType | undefined,
): TlsSession {
  const { policy, policyType, reason } = demand;
  const result = resultOf(demand, outcome);
  const source = sourceAddress === undefined || result === 'successful' ? {} : { sourceAddress };
  const resumed = typeof outcome === 'object' && outcome.resumed === true ? ({ resumed: true } as const) : {};
  return { policy, policyType, host, address, ...source, result, reason, ...resumed };
}

function resultOf(demand: TlsDemand, outcome: TlsProof | TlsResultType | undefined): TlsSession['result'] {
  if (typeof outcome === 'string') return outcome;
  if (outcome === undefined) return 'starttls-not-supported';
  switch (demand.policyType) {
    case 'tlsa':
      if (outcome.dane === undefined) return 'tlsa-invalid';
      return outcome.dane.kind === 'matched' ? 'successful' : outcome.dane.result;
    case 'sts':
      if (demand.sts === 'unlisted') return 'validation-failure';
      return outcome.verified ? 'successful' : resultOfError(outcome.error);
    case 'no-policy-found':
      return 'successful';
  }
}

/** By the codes of OpenSSL and of Node. */
function resultOfError(error: string | undefined): TlsResultType {
  if (error === 'CERT_HAS_EXPIRED' || error === 'CERT_NOT_YET_VALID') return 'certificate-expired';
  return error === 'ERR_TLS_CERT_ALTNAME_INVALID' ? 'certificate-host-mismatch' : 'certificate-not-trusted';
}
