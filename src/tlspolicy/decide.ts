/**
 * What is demanded of a session with one host, and why.
 *
 *     REQUIRETLS (RFC 8689) > DANE (RFC 7672) > MTA-STS (RFC 8461) > the route > whatever the host offers
 *
 * A stronger policy never makes the demand less: REQUIRETLS asks for DANE or a valid certificate, DANE stands in place
 * of a certificate that is valid by name, and a route that demands encryption gets it whatever the domain publishes.
 * `TLS-Required: No` sets aside what the receiver publishes (RFC 8689 §5), never what the route says.
 *
 * A policy whose facts cannot be had is no reason to do without it: such a host is passed over for now.
 */

import { type EnhancedStatus } from '../mail/reply.ts';
import { type TlsLevel } from '../mail/route.ts';
import { type StsPolicy } from '../mail/sts-policy.ts';
import { type TlsPolicyName, type TlsPolicyType, type TlsResultType } from '../mail/tls-result.ts';
import { type TlsaRecord } from '../ports/resolver.ts';
import { matchesStsHost } from './mta-sts.ts';

/** What DNSSEC says of the host's certificate. */
export type DaneFacts =
  /** No record, or nobody vouches for what the DNS says. */
  | { readonly kind: 'none' }
  /** RFC 7672 §2.2: records that can be checked. */
  | { readonly kind: 'usable'; readonly base: string; readonly records: readonly TlsaRecord[] }
  /** Records, and none that can be checked: encryption without a known peer. */
  | { readonly kind: 'unusable'; readonly base: string }
  /** Bogus, SERVFAIL, no answer. */
  | { readonly kind: 'temporary'; readonly reason: string };

/** What the sender asks for (RFC 8689). `optional`: a header field `TLS-Required: No`. */
export type SenderTls = 'required' | 'optional' | 'usual';

export interface TlsFacts {
  readonly host: string;
  /** The name of the host is known for sure: DNSSEC, or the configuration. */
  readonly secureName: boolean;
  /** Of the route. `dane`: nothing but DANE will do. */
  readonly level: TlsLevel;
  readonly sender: SenderTls;
  readonly dane: DaneFacts;
  readonly sts: StsPolicy | undefined;
}

export interface TlsDemand {
  readonly kind: 'demand';
  readonly policy: TlsPolicyName;
  readonly policyType: TlsPolicyType;
  /** `dane`: the certificate must match `records`. */
  readonly level: TlsLevel;
  /** Checked wherever they are, also where they are not demanded (`TLS-Required: No`). */
  readonly records: readonly TlsaRecord[];
  /** Name in the handshake, and one of the names of a DANE-TA certificate. */
  readonly serverName: string;
  /** An MTA-STS policy, also in mode `testing`, and whether it allows the host: what reports are about. */
  readonly sts: 'none' | 'listed' | 'unlisted';
  /** The host must offer REQUIRETLS. */
  readonly requireTls: boolean;
  readonly reason: string;
}

/** The host is passed over. */
export interface TlsSkip {
  readonly kind: 'skip';
  readonly policy: TlsPolicyName;
  readonly policyType: TlsPolicyType;
  readonly result: TlsResultType;
  /** 5.x.x only where no later attempt could change it. */
  readonly status: EnhancedStatus;
  readonly reason: string;
}

export type TlsDecision = TlsDemand | TlsSkip;

type Published = Pick<TlsDemand, 'policyType' | 'records' | 'serverName' | 'sts'>;

export function decideTls(facts: TlsFacts): TlsDecision {
  const { level, sender } = facts;
  if (sender === 'required') return requireTls(facts);
  if (level === 'none') return configured(facts, 'the route says that no encryption is used');
  if (sender === 'optional') return relaxed(facts);
  return byDane(facts) ?? bySts(facts) ?? byRoute(facts);
}

/** RFC 8689 §4.2: the peer is known for sure, whichever way, and offers REQUIRETLS. */
function requireTls(facts: TlsFacts): TlsDecision {
  if (facts.level === 'none') return unprovable(facts, 'the route says that no encryption is used');
  const decision = requireDane(facts) ?? requireCertificate(facts);
  // What is bogus may be mended, and is waited for; the rest would be the same at each attempt.
  if (decision.kind === 'skip') return facts.dane.kind === 'temporary' ? decision : { ...decision, status: '5.7.10' };
  return { ...decision, policy: 'requiretls', requireTls: true, reason: `REQUIRETLS; ${decision.reason}` };
}

function requireDane(facts: TlsFacts): TlsDecision | undefined {
  const { level, dane } = facts;
  return level === 'dane' || dane.kind === 'usable' || dane.kind === 'temporary' ? byDane(facts) : undefined;
}

/** A certificate is worth nothing for a name that somebody else may have put into the DNS. */
function requireCertificate(facts: TlsFacts): TlsDecision {
  const { sts, host, secureName } = facts;
  const allowed = sts !== undefined && sts.mode !== 'none' && matchesStsHost(sts, host);
  if (sts?.mode === 'enforce' && !allowed) return unprovable(facts, notInPolicy(host));
  if (!allowed && !secureName) return unprovable(facts, `neither DNSSEC nor MTA-STS vouches for the name of ${host}`);
  const reason = `a certificate valid for ${host} is demanded`;
  return demand(facts, { policy: 'requiretls', level: 'verify', reason });
}

function unprovable(facts: TlsFacts, why: string): TlsSkip {
  const reason = `REQUIRETLS, and ${why}`;
  return { ...skip(facts, { policy: 'requiretls', result: 'validation-failure', reason }), status: '5.7.10' };
}

/** Undefined: DANE says nothing of this host. */
function byDane(facts: TlsFacts): TlsDecision | undefined {
  const { dane, level, host, sts } = facts;
  switch (dane.kind) {
    case 'temporary': {
      const reason = `DANE: TLSA records of ${host} could not be looked up: ${dane.reason}`;
      return skip(facts, { policy: 'dane', result: 'dnssec-invalid', reason });
    }
    case 'usable':
      return demand(facts, { policy: 'dane', level: 'dane', reason: `DANE: TLSA records of ${dane.base}` });
    case 'unusable': {
      if (level === 'dane') return daneRequired(facts, `no TLSA record of ${dane.base} is usable`);
      // What else is demanded is more than encryption alone.
      if (level === 'verify' || sts?.mode === 'enforce') return undefined;
      const reason = `DANE: no TLSA record of ${dane.base} is usable, so encryption with whoever it is`;
      return demand(facts, { policy: 'dane', level: 'encrypt', reason });
    }
    case 'none':
      if (level === 'dane') return daneRequired(facts, `${host} has no TLSA record that DNSSEC vouches for`);
      return undefined;
  }
}

function daneRequired(facts: TlsFacts, why: string): TlsSkip {
  return skip(facts, { policy: 'configured', result: 'dane-required', reason: `the route demands DANE, and ${why}` });
}

function bySts(facts: TlsFacts): TlsDecision | undefined {
  const { sts, host } = facts;
  if (sts?.mode !== 'enforce') return undefined;
  if (!matchesStsHost(sts, host)) {
    return skip(facts, { policy: 'sts', result: 'validation-failure', reason: notInPolicy(host) });
  }
  const reason = `MTA-STS: a certificate valid for ${host} is demanded`;
  return demand(facts, { policy: 'sts', level: 'verify', reason });
}

function notInPolicy(host: string): string {
  return `MTA-STS: the policy of the domain does not allow ${host}`;
}

function byRoute(facts: TlsFacts): TlsDemand {
  const { level, host } = facts;
  if (level === 'encrypt') return configured(facts, 'the route demands encryption');
  if (level === 'verify') return configured(facts, `the route demands a certificate valid for ${host}`);
  return demand(facts, { policy: 'opportunistic', level, reason: OPPORTUNISTIC });
}

const OPPORTUNISTIC = 'encryption if it is offered';

/** RFC 8689 §5: what the receiver publishes is set aside. Its records are looked at all the same, for reports. */
function relaxed(facts: TlsFacts): TlsDecision {
  if (facts.level === 'dane') return byDane(facts) ?? byRoute(facts);
  const decision = byRoute(facts);
  return { ...decision, reason: `TLS-Required: No; ${decision.reason}` };
}

function configured(facts: TlsFacts, reason: string): TlsDemand {
  return demand(facts, { policy: 'configured', level: facts.level, reason });
}

function demand(facts: TlsFacts, chosen: Pick<TlsDemand, 'policy' | 'level' | 'reason'>): TlsDemand {
  return { kind: 'demand', requireTls: false, ...publishedBy(facts), ...chosen };
}

function skip(facts: TlsFacts, why: Pick<TlsSkip, 'policy' | 'result' | 'reason'>): TlsSkip {
  return { kind: 'skip', policyType: publishedBy(facts).policyType, status: '4.7.5', ...why };
}

/** What there is to be reported on: DANE before MTA-STS (RFC 8461 §2). */
function publishedBy({ dane, sts, host }: TlsFacts): Published {
  if (dane.kind === 'usable') return { policyType: 'tlsa', records: dane.records, serverName: dane.base, sts: 'none' };
  if (dane.kind !== 'none') {
    const serverName = dane.kind === 'unusable' ? dane.base : host;
    return { policyType: 'tlsa', records: [], serverName, sts: 'none' };
  }
  const base = { records: [], serverName: host };
  if (sts === undefined || sts.mode === 'none') return { ...base, policyType: 'no-policy-found', sts: 'none' };
  return { ...base, policyType: 'sts', sts: matchesStsHost(sts, host) ? 'listed' : 'unlisted' };
}
