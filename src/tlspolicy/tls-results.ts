/**
 * Sums up how sessions were secured, by domain and policy: what a day's report says (RFC 8460 §4).
 *
 * A policy of MTA-STS is the recipient domain's; one of DANE is each host's own (§1.1, "policy domain").
 *
 * Bounded: domains beyond the limit are not reported on, and of kinds of failure beyond theirs only the sum is kept.
 */

import { type TlsPolicyType } from '../mail/tls-result.ts';
import { type DomainResults, type FailureCount, type PolicyResults } from './tls-report.ts';

/** As the event log has it: like ones counted together. */
export interface CountedSession {
  readonly domain: string;
  readonly policyType: string;
  readonly host: string;
  readonly address: string;
  readonly sourceAddress?: string | undefined;
  readonly result: string;
  readonly reason: string;
  readonly sessions: number;
}

export interface TlsResultsLimits {
  readonly domains: number;
  readonly failures: number;
}

interface Counts {
  readonly policyType: TlsPolicyType;
  readonly policyDomain: string;
  readonly hosts: Set<string>;
  successful: number;
  failed: number;
  readonly failures: Map<string, FailureCount>;
}

const DEFAULT_LIMITS: TlsResultsLimits = { domains: 50_000, failures: 100 };
const MAX_HOSTS = 50;
const POLICY_TYPES: readonly TlsPolicyType[] = ['tlsa', 'sts', 'no-policy-found'];

export class TlsResults {
  readonly #limits: TlsResultsLimits;
  /** Of each domain the policies, by type and policy domain. */
  readonly #domains = new Map<string, Map<string, Counts>>();
  /** Domains that there was no room for. */
  overflow = 0;

  constructor(limits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  add(session: CountedSession): void {
    const counts = this.#countsFor(session);
    if (counts === undefined) return;
    if (session.host !== '' && counts.hosts.size < MAX_HOSTS) counts.hosts.add(session.host);
    if (session.result === 'successful') counts.successful += session.sessions;
    else this.#fail(counts, session);
  }

  /** In the order in which the domains first came up. */
  *results(): IterableIterator<DomainResults> {
    for (const [domain, policies] of this.#domains) yield { domain, policies: [...policies.values()].map(resultsOf) };
  }

  #countsFor({ domain, policyType: type, host }: CountedSession): Counts | undefined {
    const policyType = POLICY_TYPES.find((each) => each === type);
    if (policyType === undefined) return undefined;
    let policies = this.#domains.get(domain);
    if (policies === undefined) {
      if (this.#domains.size >= this.#limits.domains) {
        this.overflow++;
        return undefined;
      }
      policies = new Map();
      this.#domains.set(domain, policies);
    }
    // Of more hosts than anybody has the rest are counted together.
    const isOfHost = policyType === 'tlsa' && host !== '' && policies.size < MAX_HOSTS;
    const policyDomain = isOfHost || policies.has(`${type} ${host}`) ? host : domain;
    const key = `${policyType} ${policyDomain}`;
    let counts = policies.get(key);
    if (counts === undefined) {
      counts = { policyType, policyDomain, hosts: new Set(), successful: 0, failed: 0, failures: new Map() };
      policies.set(key, counts);
    }
    return counts;
  }

  #fail(counts: Counts, session: CountedSession): void {
    const { result, host, address, sourceAddress = '', reason } = session;
    counts.failed += session.sessions;
    const key = `${result}\n${host}\n${address}\n${sourceAddress}`;
    const before = counts.failures.get(key);
    if (before === undefined && counts.failures.size >= this.#limits.failures) return;
    const sessions = session.sessions + (before?.sessions ?? 0);
    counts.failures.set(key, { result, host, address, sourceAddress, reason, sessions });
  }
}

function resultsOf({ hosts, failures, ...counts }: Counts): PolicyResults {
  return { ...counts, policyLines: [], mxHosts: [...hosts].sort(), failures: [...failures.values()] };
}
