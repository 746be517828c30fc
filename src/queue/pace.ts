/**
 * The pace that a receiver gets: limits of an egress path, and the rules that choose them by provider.
 *
 * The first rule that matches gives its name to the *site group*, so that all sites of a provider share one set
 * of limits; without one, each site is a group of its own. Every value knows where it came from.
 */

import { type Rate } from '../lib/gcra.ts';
import { HOUR, MINUTE, SECOND, type Duration } from '../lib/time.ts';

export interface PathLimits {
  /** Open at once. */
  readonly connections: number;
  readonly messagesPerConnection: number;
  /** Connections allowed at first; doubled with each round of successes. */
  readonly startWindow: number;
  /** Dispatches on one connection, the running one counted, while the path is healthy: hides our own latency. */
  readonly depth: number;
  /** As many more as the next hop takes in this time: where it takes each in a millisecond, ours is the longer wait. */
  readonly ahead: Duration;
  /** An open connection without mail is closed after this. */
  readonly idleTimeout: Duration;
  /** Between new connections after a refusal, until a round of successes. */
  readonly ramp: Duration;
  /** After a first refusal; doubled with each one after it. */
  readonly backoff: Duration;
  readonly maxBackoff: Duration;
  readonly messageRate: Rate | undefined;
  readonly octetRate: Rate | undefined;
}

export interface PacingRule {
  readonly name: string;
  /** Where it was written, for people: `queue.pace.rules[2]`. */
  readonly by: string;
  /** One of the lists given must match. */
  readonly match: PacingMatch;
  readonly limits: Partial<PathLimits>;
}

export interface PacingMatch {
  /** Recipient domains, `example.com` or `.example.com`. */
  readonly domains?: readonly string[];
  /** Suffixes of host names, `.google.com`; every host of the MX set must end with one of them. */
  readonly mxSuffixes?: readonly string[];
  readonly sites?: readonly string[];
}

export interface Pacing {
  readonly defaults: PathLimits;
  readonly rules: readonly PacingRule[];
}

export const DEFAULT_LIMITS: PathLimits = {
  connections: 10,
  messagesPerConnection: 100,
  startWindow: 2,
  depth: 2,
  ahead: 20,
  idleTimeout: 30 * SECOND,
  ramp: SECOND,
  backoff: MINUTE,
  maxBackoff: HOUR,
  messageRate: undefined,
  octetRate: undefined,
};

/** What the big mailbox providers take without complaint; published by them or observed by many senders. */
export const SHIPPED_RULES: readonly PacingRule[] = [
  shipped('google', ['.google.com', '.googlemail.com'], { connections: 5, messagesPerConnection: 50 }),
  shipped('yahoo', ['.yahoodns.net'], { connections: 5, messagesPerConnection: 20 }),
  shipped('outlook', ['.olc.protection.outlook.com'], { connections: 5, messagesPerConnection: 50 }),
  shipped('office365', ['.mail.protection.outlook.com', '.mx.microsoft'], {
    connections: 5,
    messagesPerConnection: 50,
  }),
  shipped('apple', ['.mail.icloud.com'], { connections: 10, messagesPerConnection: 5 }),
  shipped('comcast', ['.comcast.net'], { connections: 25, messagesPerConnection: 1000 }),
  shipped('orange', ['.orange.fr', '.wanadoo.fr'], { connections: 2 }),
];

export const DEFAULT_PACING: Pacing = { defaults: DEFAULT_LIMITS, rules: SHIPPED_RULES };

export interface PacedSite {
  readonly site: string;
  readonly hosts: readonly { readonly name: string }[];
  readonly domain: string;
}

export interface Pace {
  /** The site group. */
  readonly group: string;
  readonly values: PathLimits;
  /** For each value the rule that set it. */
  readonly by: Readonly<Record<keyof PathLimits, string>>;
}

export function pacingFor(facts: PacedSite, { defaults, rules }: Pacing): Pace {
  const rule = rules.find(({ match }) => matches(match, facts));
  const by = Object.fromEntries(
    Object.keys(defaults).map((name) => [name, rule !== undefined && name in rule.limits ? rule.by : 'default']),
  ) as Record<keyof PathLimits, string>;
  return { group: rule?.name ?? facts.site, values: { ...defaults, ...rule?.limits }, by };
}

function matches({ domains, mxSuffixes, sites }: PacingMatch, { site, hosts, domain }: PacedSite): boolean {
  if (sites?.includes(site) === true) return true;
  if (domains?.some((wanted) => wanted === domain || (wanted.startsWith('.') && domain.endsWith(wanted))) === true)
    return true;
  if (mxSuffixes === undefined || hosts.length === 0) return false;
  // One host elsewhere and the set is not the provider's: a domain must not borrow another's allowance.
  return hosts.every(({ name }) => mxSuffixes.some((suffix) => `.${name.toLowerCase()}`.endsWith(suffix)));
}

function shipped(name: string, mxSuffixes: readonly string[], limits: Partial<PathLimits>): PacingRule {
  return { name, by: `shipped rule ${name}`, match: { mxSuffixes }, limits };
}
