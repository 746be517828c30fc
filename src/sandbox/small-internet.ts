/**
 * The small internet of the sandbox: a DNS and a handful of receiving servers, all on loopback, so that a newcomer
 * sees mail delivered, deferred, throttled and bounced without a second machine.
 */

import { type SecureContext } from 'node:tls';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Timers } from '../ports/timers.ts';
import { acceptsAll, DEFAULT_LIMITS, greylists, knowsOnly, limits, repliesSlowly } from './behaviour.ts';
import { type ReceiverCertificate, receiverCertificate } from './certificate.ts';
import { type SandboxOptions } from './config.ts';
import { type DnsServer, startDnsServer } from './dns-server.ts';
import { type Query, ReceivedMail, type ReceivedMessage } from './received-mail.ts';
import { type PolicyHost, startPolicyHost } from './policy-host.ts';
import { hostOf, type Receivers, type SimulatedDomain, startReceivers } from './receivers.ts';
import { type Texts, withTexts, zoneOf } from './zone.ts';

export interface SmallInternetDeps {
  /** The product's, so that moving time moves the small internet too. */
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly options: SandboxOptions;
  /** Not given: an address for each domain, where the system has them. */
  readonly separateAddresses?: boolean;
  /** TXT records beside its own; asked anew for each query. */
  readonly texts?: Texts;
}

export interface SmallInternet {
  readonly dns: { readonly address: string; readonly port: number };
  /** On which all simulated servers listen, in place of 25. */
  readonly smtpPort: number;
  /** Where MTA-STS policies are fetched, in place of port 443, and the file of whom to trust for them. */
  readonly policies: { readonly port: number; readonly authority: string };
  /** For people: each domain and what it does. */
  readonly domains: readonly { readonly domain: string; readonly does: string }[];
  /** Newest first. */
  messages(query: Query): Promise<readonly ReceivedMessage[]>;
  raw(id: string): Promise<Buffer | undefined>;
  close(): Promise<void>;
}

/** The product's own name in the sandbox. Mail for it (reports to senders, for one) arrives at `inbox.test`. */
export const SANDBOX_HOSTNAME = 'sandbox.test';
const INBOX = 'inbox.test';
const SECURED = 'dane.test';
const WRONGLY_SECURED = 'sts.test';

export async function startSmallInternet(deps: SmallInternetDeps): Promise<SmallInternet> {
  const { clock, timers, log, options, separateAddresses = true } = deps;
  const certificate = await receiverCertificate(hostOf(SECURED), clock.now());
  const wrong = await receiverCertificate(`old.${WRONGLY_SECURED}`, clock.now());
  const domains = simulatedDomains(options, clock, { right: certificate.context, wrong: wrong.context });
  const mail = new ReceivedMail(options.keepMessages);
  const receiverDeps = { clock, timers, mail, budget: { octets: 0 } };
  const receivers = await startReceivers(domains, receiverDeps, separateAddresses);
  const policyHost = await startPolicyHost(WRONGLY_SECURED, hostOf(WRONGLY_SECURED), clock.now());
  const dns = await dnsFor(receivers, policyHost, { certificate, texts: deps.texts });
  log.info('the small internet is up', { dns: `${dns.address}:${dns.port}`, smtpPort: receivers.port });
  return {
    dns: { address: dns.address, port: dns.port },
    smtpPort: receivers.port,
    policies: { port: policyHost.port, authority: policyHost.authority },
    domains: domains.map(({ domain, behaviour }) => ({ domain, does: behaviour?.does ?? 'nobody listens' })),
    messages: (query) => Promise.resolve(mail.list(query)),
    raw: (id) => Promise.resolve(mail.raw(id)),
    close: async () => {
      await Promise.all([receivers.close(), policyHost.close(), dns.close()]);
    },
  };
}

async function dnsFor(
  receivers: Receivers,
  policyHost: PolicyHost,
  { certificate: { tlsa }, texts }: { readonly certificate: ReceiverCertificate; readonly texts: Texts | undefined },
): Promise<DnsServer> {
  const { port, addresses } = receivers;
  try {
    const aliases = new Map([[SANDBOX_HOSTNAME, INBOX]]);
    const published = { certificates: [{ domain: SECURED, port, tlsa }], policies: [WRONGLY_SECURED] };
    return await startDnsServer(withTexts(zoneOf(addresses, aliases, published), texts));
  } catch (error) {
    await Promise.all([receivers.close(), policyHost.close()]);
    throw error;
  }
}

function simulatedDomains(
  { greylistFor }: SandboxOptions,
  clock: Clock,
  { right, wrong }: { readonly right: SecureContext; readonly wrong: SecureContext },
): readonly SimulatedDomain[] {
  const secured = { ...acceptsAll(), does: 'accepts everything; DANE: its certificate is named in the DNS' };
  const unsafe = { ...acceptsAll(), does: 'MTA-STS asks for a valid certificate, and its own is not: mail waits' };
  return [
    { domain: INBOX, behaviour: acceptsAll(), also: [SANDBOX_HOSTNAME] },
    { domain: 'greylist.test', behaviour: greylists(greylistFor, clock) },
    { domain: 'limits.test', behaviour: limits(DEFAULT_LIMITS, clock) },
    { domain: 'down.test', behaviour: undefined },
    { domain: 'strict.test', behaviour: knowsOnly('known@strict.test') },
    { domain: 'slow.test', behaviour: repliesSlowly() },
    { domain: SECURED, behaviour: secured, secureContext: right },
    { domain: WRONGLY_SECURED, behaviour: unsafe, secureContext: wrong },
  ];
}
