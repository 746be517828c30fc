/** Turns a configuration into what the parts take: compiled patterns, networks, limits. */

import { readFileSync } from 'node:fs';
import { availableParallelism, networkInterfaces } from 'node:os';
import process from 'node:process';
import { type Config } from '../config/config.ts';
import { type DnsServer, readResolvConf } from '../dns/resolv-conf.ts';
import { canonicalIp, isLoopback, Networks } from '../lib/ip.ts';
import { type TlsParameters, tlsParameters } from '../lib/tls-profile.ts';
import { type Instant, MINUTE, SECOND } from '../lib/time.ts';
import { type Parsed } from '../lib/parsed.ts';
import { type Entry } from '../mail/entry.ts';
import { formatMailbox, parseMailbox } from '../mail/path.ts';
import { PRIORITY_CLASSES } from '../mail/priority-class.ts';
import { partsOf } from '../mail/queue-name.ts';
import { type Route } from '../mail/route.ts';
import { type PaceConfig } from '../queue/config.ts';
import { type Pacing, type PacingRule, SHIPPED_RULES } from '../queue/pace.ts';
import { DEFAULT_RETRY, type RetryOptions } from '../queue/retry.ts';
import { type SchedulerOptions } from '../queue/scheduler.ts';
import { Aliases, MAX_ALIAS_TARGETS } from '../receive/aliases.ts';
import { type LocalSettings } from '../receive/local-message.ts';
import { formRules } from '../receive/form-rule-names.ts';
import { type ReceiveSettings, type SubmissionSettings } from '../receive/ports.ts';
import { type Signer } from '../receive/signer.ts';
import { type Timeouts } from '../receive/timeouts.ts';
import { type ServerOptions } from '../wire/smtp/server-options.ts';
import { FAMILIES } from './address-families.ts';
import { type Certificates } from './boot.ts';
import { deliveryTls } from './delivery-tls.ts';
import { authOf, clientUsersOf, oauthSettings } from './login-settings.ts';
import { type QueueSettings } from './queue-manager/ports.ts';
import { RoutePlan } from './route-plan.ts';
import { stsSettings } from './sts-settings.ts';
import { signingSettings } from './signing-settings.ts';
import { type WorkerSettings } from './worker.ts';

/** One listener, as every worker opens it. */
export interface ListenerSettings {
  /** Differs when anything in it does. */
  readonly key: string;
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly implicitTls: boolean;
  readonly proxyFrom: Networks;
  readonly maxConnections: number;
  readonly maxConnectionsPerClient: number;
  readonly machine: ServerOptions;
  readonly timeouts: Timeouts;
  /** Absent: no encryption is offered. */
  readonly certificates: Certificates | undefined;
  readonly tls: TlsParameters;
  /** Clients are asked for a certificate. */
  readonly asksClients: boolean;
}

/** How far a due time is moved before a recorded dispatch: a crash then finds the entry due again soon, but not at once. */
const RECORD_AHEAD = 5 * MINUTE;
const FREE_SPACE_CHECK = 2 * SECOND;
const MAX_LEASES = 100;
/** Messages in flight beyond one for each connection: handed to a busy one ahead of their turn. */
const HANDED_AHEAD = 1000;
const MAX_HOSTS = 20;

export function workerSettings(config: Config, certificates: Certificates, now: () => Instant): WorkerSettings {
  return {
    receive: receiveSettings(config),
    local: localSettings(config),
    signing: signingSettings(config.signing),
    oauth: oauthSettings(config.oauth),
    plan: planOf(config),
    listeners: listenersOf(config, certificates, now),
    dns: dnsSettings(config),
    delivery: deliverySettings(config),
    maxHosts: MAX_HOSTS,
    sts: stsSettings(config),
    tlsReports: config.tlsReports.send,
    downgrade: config.deliver.tls.downgrade,
    resumption: config.deliver.tls.resumption.enabled ? config.deliver.tls.resumption : undefined,
    reportsTo: config.tlsReports.address?.toLowerCase(),
    isOurs: ourListeners(config),
    memoryOctets: config.memory.content,
  };
}

export function listenersOf(
  config: Config,
  certificates: Certificates,
  now: () => Instant,
): readonly ListenerSettings[] {
  const { longestHold: longest } = config.queue;
  const futureRelease = longest === 0 ? undefined : { longest, now };
  return config.listeners.map((listener) => listenerSettings(config, listener, { certificates, futureRelease }));
}

/** `signer`: of our own reports. */
export function queueSettings(config: Config, softBounce: boolean, signer?: Signer): QueueSettings {
  const plan = planOf(config);
  const { maxReturnedOctets, returnUnasked, doubleBounce, perSenderAndHour, sendersRemembered } = config.bounce;
  return {
    hostname: config.hostname,
    postmaster: certain(parseMailbox(config.local.postmaster)),
    retry: retryOf(config),
    softBounce,
    minFreeOctets: config.spool.minFree,
    freeSpaceCheck: FREE_SPACE_CHECK,
    dsn: { maxReturnedOctets, returnUnasked, doubleBounce },
    dsnBudget: { perHour: perSenderAndHour, maxSenders: sendersRemembered },
    maxLeases: MAX_LEASES,
    recordAhead: RECORD_AHEAD,
    entriesOf: (message, recipients) => plan.entriesOf(message, recipients),
    signer,
  };
}

export function schedulerOptions(config: Config): SchedulerOptions {
  const { memory, connections, pace } = config.queue;
  return {
    memory,
    pacing: pacingOf(pace),
    retry: retryOf(config),
    maxSlots: connections,
    maxInFlight: connections + HANDED_AHEAD,
  };
}

/** The route of an entry. One that is gone from the configuration: the way is chosen anew, as for mail without a client. */
export function routeOfEntry(plan: RoutePlan, name: string, entry: Entry): Route | undefined {
  const [first] = entry.recipients;
  const facts = { sender: null, tenant: partsOf(entry.queue).tenant, clientAddress: '' };
  return plan.byName(name) ?? (first === undefined ? undefined : plan.routeOf(first.forwardPath, facts));
}

/** Where the system lets several threads listen on one port. */
export function sharesPorts(): boolean {
  return process.platform === 'linux';
}

/** Threads for sessions and deliveries. One where ports cannot be shared; nor can one that the system chooses. */
export function workerCount(config: Config): number {
  if (!sharesPorts() || config.listeners.some(({ port }) => port === 0)) return 1;
  return Math.max(1, config.workers ?? availableParallelism() - 1);
}

export function planOf(config: Config): RoutePlan {
  return new RoutePlan(config.routes, retryOf(config));
}

export function receiveSettings(config: Config): ReceiveSettings {
  const { local, relay, limits, memory, queue, hostname } = config;
  const aliases = aliasesOf(config);
  const trusted = certain(Networks.parse(relay.networks));
  const trustedOptions = certain(Networks.parse(queue.trustOptionHeaders));
  const relayDomains = new Set<string>(relay.domains);
  const pools = new Set(config.routes.flatMap(({ match }) => match.pools ?? []));
  const mailboxes = local.mailboxes === undefined ? undefined : new Set(local.mailboxes);
  return {
    ...{ hostname, aliases },
    relay: {
      isLocal: (mailbox) => aliases.isLocal(mailbox),
      isRelayDomain: (domain) => relayDomains.has(domain),
      isTrusted: (address) => trusted.contains(address),
    },
    optionsFrom: (address) => trustedOptions.contains(address),
    mailboxExists: (mailbox) =>
      mailboxes === undefined ||
      mailboxes.has(mailbox.localPart.toLowerCase()) ||
      mailboxes.has(formatMailbox(mailbox).toLowerCase()),
    softBounce: config.softBounce,
    defaultClass: queue.defaultClass,
    longestHold: queue.longestHold,
    isPool: (name) => pools.has(name),
    maxOctets: limits.messageOctets,
    maxHeaderOctets: limits.headerOctets,
    // Aliases may make more of as many as a client may give.
    maxTargets: limits.recipients + MAX_ALIAS_TARGETS,
    maxHops: limits.hops,
    memoryOctets: memory.spillAt,
    tightOctets: memory.tightSpillAt,
    clientUsers: clientUsersOf(config.tls),
    refuseNullMxSenders: limits.nullMxSenders === 'refuse',
    submission: submissionSettings(config),
  };
}

function submissionSettings({ submission }: Config): SubmissionSettings {
  const { refuseIf, repairIf, networks, hideClient } = submission;
  return { rules: formRules(refuseIf, repairIf), networks, hideClient };
}

/** Of mail from programs of this machine. */
function localSettings({ pickup }: Config): LocalSettings {
  const trusted = new Set(pickup.trustedUsers);
  return {
    domain: pickup.domain,
    mayNameSender: (user) => pickup.senders === 'any' || trusted.has(user),
    mayGiveOptions: (user) => trusted.has(user),
  };
}

export function aliasesOf({ local, hostname }: Config): Aliases {
  return certain(
    Aliases.compile({
      aliases: local.aliases,
      localDomains: local.domains,
      postmaster: local.postmaster,
      hostname,
    }),
  );
}

function listenerSettings(
  { hostname, limits, tls, oauth }: Config,
  listener: Config['listeners'][number],
  { certificates, futureRelease }: { certificates: Certificates; futureRelease: ServerOptions['futureRelease'] },
): ListenerSettings {
  return {
    key: JSON.stringify({ hostname, limits, tls, listener, certificates, longest: futureRelease?.longest }),
    ...{ name: listener.name, host: listener.host, port: listener.port },
    implicitTls: listener.tls === 'implicit',
    proxyFrom: certain(Networks.parse(listener.proxyFrom)),
    maxConnections: listener.connections,
    maxConnectionsPerClient: listener.connectionsPerClient,
    machine: {
      hostname,
      protocol: listener.protocol === 'lmtp' ? 'LMTP' : 'SMTP',
      withheld: [],
      maxContentOctets: limits.messageOctets,
      maxLineOctets: limits.lineOctets,
      maxCommandOctets: limits.commandOctets,
      maxRecipients: limits.recipients,
      maxTransactions: limits.transactions,
      maxErrors: limits.errors,
      maxJunk: limits.junkCommands,
      earlyTalk: limits.earlyTalk,
      improperPipelining: limits.improperPipelining,
      ...(listener.auth !== 'off' && { auth: authOf(listener, { tls, oauth }), futureRelease }),
    },
    timeouts: limits.timeouts,
    certificates: listener.tls === 'off' ? undefined : certificates,
    tls: tlsParameters(listener.tlsProfile ?? tls.profile, tls.minVersion),
    asksClients: listener.clientCertificates,
  };
}

function deliverySettings(config: Config): WorkerSettings['delivery'] {
  const { deliver, hostname, dns } = config;
  const { address4, address6 } = deliver;
  return {
    helloName: deliver.helloName ?? hostname,
    source: {
      ...(address4 !== undefined && { address4 }),
      ...(address6 !== undefined && { address6 }),
    },
    timeouts: deliver.timeouts,
    maxAddresses: deliver.addressesPerAttempt,
    maxGreetings: deliver.hostsPerAttempt,
    family: FAMILIES[dns.family],
    tls: deliveryTls(config),
    convertSigned: deliver.signedContent,
    prohibited: ourListeners(config),
  };
}

export function dnsSettings(config: Config): WorkerSettings['dns'] {
  const { timeout, attempts, trustAd, cache, maxTtl } = config.dns;
  return { servers: dnsServers(config), timeoutMs: timeout, attempts, trustAd, cacheOctets: cache, maxTtl };
}

/** Where our own listeners answer: mail that is sent there comes back. */
function ourListeners({ listeners }: Config): (address: string, port: number) => boolean {
  const ports = new Set(listeners.map(({ port }) => port));
  const named = new Set(listeners.map(({ host }) => canonical(host)));
  const everywhere = named.has('::') || named.has('0.0.0.0');
  const interfaces = new Set(
    Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => canonical(address))),
  );
  return (address, port) => {
    const known = canonical(address);
    if (!ports.has(port)) return false;
    return named.has(known) || (everywhere && (interfaces.has(known) || isLoopback(known)));
  };
}

function canonical(address: string): string {
  const ip = canonicalIp(address);
  return ip.ok ? ip.value : address;
}

function dnsServers({ dns }: Config): readonly DnsServer[] {
  if (dns.servers.length > 0) return dns.servers;
  try {
    return readResolvConf(readFileSync('/etc/resolv.conf', 'utf8'));
  } catch {
    // No such file on this system: a resolver on this machine is the best guess there is.
    return readResolvConf('');
  }
}

function pacingOf({ defaults, rules, shippedRules }: PaceConfig): Pacing {
  const written: readonly PacingRule[] = rules.map(({ name, match, limits }, i) => ({
    ...{ name, match, limits, by: `queue.pace.rules[${i}] ${name}` },
  }));
  return { defaults, rules: shippedRules ? [...written, ...SHIPPED_RULES] : written };
}

/** What is not written stays as it is shipped. */
function retryOf({ queue: { retry } }: Config): RetryOptions {
  const classes = PRIORITY_CLASSES.map((name) => {
    const { giveUpAfter, warnAfter, schedules } = retry.classes[name];
    return [name, { giveUpAfter, warnAfter, schedules: { ...DEFAULT_RETRY.classes[name].schedules, ...schedules } }];
  });
  return {
    general: retry.general,
    maxNamedWait: retry.maxNamedWait,
    schedules: { ...DEFAULT_RETRY.schedules, ...retry.schedules },
    classes: Object.fromEntries(classes) as RetryOptions['classes'],
  };
}

/** What `readConfig` has checked already. */
function certain<T>(value: Parsed<T>): T {
  if (!value.ok) throw new Error(`the configuration was accepted and cannot be used: ${value.reason}`);
  return value.value;
}
