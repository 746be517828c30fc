/**
 * A worker: sessions in, deliveries out. It owns nothing that may be lost; the queue manager knows what is
 * in flight here. Long, flat and without decisions: it joins receiving, delivering and DNS to the link.
 */

import { StubResolver, type StubResolverOptions } from '../dns/stub-resolver.ts';
import { Agent } from '../deliver/agent.ts';
import { ASKED_OCTETS, BLOCK_OCTETS, heldOctets } from '../deliver/content.ts';
import { type AgentOptions } from '../deliver/options.ts';
import { type PolicyFolder } from '../deliver/sts/policy-folder.ts';
import { openRelay } from '../deliver/smtp/open-relay.ts';
import { findSite, nullMxSender } from '../deliver/smtp/mx.ts';
import { ResumptionCache, type ResumptionLimits } from '../deliver/smtp/resumption-cache.ts';
import { eventLine } from '../events/format.ts';
import { type Event } from '../events/event.ts';
import { type AddressLiteral } from '../mail/path.ts';
import { type DirectoryStore } from '../directory/directory.ts';
import { type Domain } from '../mail/domain.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { type RelayRoute, type Route } from '../mail/route.ts';
import { formatDate } from '../mail/date.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type FailureCounts } from '../receive/failure-counts.ts';
import { type KnownClients } from '../receive/known-clients.ts';
import { type DnsAnswer, type DnsRecords, type DnsType } from '../ports/resolver.ts';
import { type OAuthSettings } from '../oauth/make-tokens.ts';
import { type Random } from '../ports/random.ts';
import { type Timers } from '../ports/timers.ts';
import { type Dispatch, type DispatchContent } from '../queue/dispatch.ts';
import { type WorkerId } from '../queue/scheduling.ts';
import { type SiteAnswer } from '../queue/site.ts';
import { KeptContents } from '../receive/kept-contents.ts';
import { type LocalIntakeDeps, takeIn, tellRefused } from '../receive/local-intake.ts';
import { type LocalSettings, type PickupFile, type TakenIn } from '../receive/local-message.ts';
import { OctetBudget } from '../receive/octet-budget.ts';
import {
  type IntakeState,
  type ReceiveDeps,
  type ReceiveSettings,
  type RelayTransaction,
  type Submitted,
} from '../receive/ports.ts';
import { SessionReceiver } from '../receive/receiver.ts';
import { type Signer, type SigningSettings } from '../receive/signer.ts';
import { type NewMessage } from '../spool/spool.ts';
import { WorkerLogins } from './authentication.ts';
import { Calls } from './calls.ts';
import { queueIds } from './ids.ts';
import { KeptMessages } from './kept-messages.ts';
import { type Link } from './link.ts';
import { ListenerSet, type ListenerSetDeps } from './listener-set.ts';
import { type KeptDispatch, type QueueManagerToWorker, type WorkerToQueueManager } from './messages.ts';
import { type RememberedHosts, tlsMemoryOf } from './remembered-hosts.ts';
import { reportIn } from './report-intake.ts';
import { relayTransaction } from './relay-transaction.ts';
import { type RoutePlan } from './route-plan.ts';
import { type ListenerSettings } from './settings.ts';
import { signerOf } from './signing-settings.ts';
import { type StsSettings, withSts, type WorkerSts, workerSts } from './sts.ts';
import { Submissions } from './submissions.ts';
import { TlsCounts } from './tls-counts.ts';
import { countLookup, countRejected, countRelayed, type WorkerLoad } from './worker-metrics.ts';

export interface WorkerSettings {
  readonly receive: ReceiveSettings;
  readonly local: LocalSettings;
  readonly signing: SigningSettings;
  readonly oauth: OAuthSettings;
  readonly plan: RoutePlan;
  readonly listeners: readonly ListenerSettings[];
  readonly dns: Omit<StubResolverOptions, 'clock' | 'timers'>;
  readonly delivery: Omit<AgentOptions, keyof AgentPorts>;
  readonly maxHosts: number;
  /** Absent: no policy is asked for. */
  readonly sts?: StsSettings | undefined;
  /** What is done about hosts that offered encryption before. */
  readonly downgrade?: 'tell' | 'defer' | 'ignore';
  /** Absent: no TLS session is resumed. */
  readonly resumption?: ResumptionLimits | undefined;
  /** Receivers that ask for reports on encryption get them. */
  readonly tlsReports?: boolean;
  /** Reports of others come to this address, in lower case. */
  readonly reportsTo?: string | undefined;
  /** One of our own listeners answers there. */
  readonly isOurs: (address: string, port: number) => boolean;
  /** Octets of content in memory. */
  readonly memoryOctets: number;
}

/** What the agent has from the worker and not from the configuration. */
type AgentPorts = Pick<
  AgentOptions,
  'resolver' | 'clock' | 'random' | 'timers' | 'log' | 'onSlotClosed' | 'readContent' | 'resumptions'
>;

export interface WorkerDeps extends Pick<ListenerSetDeps, 'counts' | 'reusePort'> {
  readonly failures: FailureCounts;
  readonly known: KnownClients;
  readonly id: WorkerId;
  readonly link: Link<WorkerToQueueManager, QueueManagerToWorker>;
  readonly clock: Clock;
  /** For deadlines of connections: does not follow a clock that is moved on purpose. */
  readonly steadyClock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly log: Log;
  readonly settings: WorkerSettings;
  /** Folder for content files. */
  readonly incoming: string;
  /** MTA-STS policies on disk. Absent: no policy is asked for. */
  readonly policies?: PolicyFolder | undefined;
  /** Users, domains and keys. Absent: there are none. */
  readonly directory?: DirectoryStore | undefined;
  /** Absent: nothing is remembered. */
  readonly tlsHosts?: RememberedHosts;
  /** Users of this machine. */
  readonly userOf: LocalIntakeDeps['userOf'];
}

/** Who puts files there: users of this machine, or the server itself. */
export type PickupSource = 'user' | 'report';

export class WorkerRuntime {
  readonly #deps: WorkerDeps;
  readonly #submissions: Submissions;
  readonly #leases = new Calls<boolean>();
  readonly #parts = new Calls<Uint8Array | undefined>();
  readonly listeners: ListenerSet;
  readonly #budget: OctetBudget;
  readonly #kept: KeptMessages;
  /** Content in files that is in memory too. */
  readonly #keptContents: KeptContents;
  readonly #receiveDeps: ReceiveDeps;
  #settings: WorkerSettings;
  #resolver: StubResolver;
  #sts: WorkerSts | undefined;
  readonly #tlsCounts: TlsCounts;
  #agent: Agent;
  #intake: IntakeState = 'open';
  #receive: ReceiveSettings;
  #signer: Signer | undefined;
  readonly #logins: WorkerLogins;
  #deliveries = 0;
  /** Octets of content, at most, that deliveries under way hold. */
  #contentOut = 0;
  /** Of before a reload, with deliveries that have not ended. */
  readonly #leaving = new Set<Agent>();
  #resumptions: ResumptionCache | undefined;

  constructor(deps: WorkerDeps) {
    this.#deps = deps;
    this.#settings = deps.settings;
    this.#receive = deps.settings.receive;
    this.#signer = signerOf(deps.settings.signing, deps.directory);
    this.#logins = new WorkerLogins(deps, deps.settings.oauth);
    this.#budget = new OctetBudget(deps.settings.memoryOctets);
    this.#kept = new KeptMessages(this.#budget, deps.settings.memoryOctets * KEPT_SHARE);
    this.#submissions = new Submissions(deps.link, this.#kept);
    this.#keptContents = new KeptContents(this.#budget, deps.steadyClock);
    this.#resolver = this.#newResolver();
    this.#tlsCounts = new TlsCounts({
      ...{ clock: deps.steadyClock, timers: deps.timers },
      resolver: () => this.#resolver,
      reports: () => this.#settings.tlsReports === true,
      tell: (event) => this.#tell(event),
    });
    this.#sts = this.#newSts();
    this.#resumptions = this.#newResumptions();
    this.#agent = this.#newAgent();
    this.#receiveDeps = this.#makeReceiveDeps();
    const { steadyClock: clock, timers, log, counts, reusePort } = deps;
    this.listeners = new ListenerSet({
      ...{ clock, timers, log, counts, reusePort },
      makeReceiver: () => new SessionReceiver(this.#receiveDeps),
      tell: (event) => this.#tell(event),
    });
    deps.link.onMessage((message) => this.#take(message));
  }

  /** Opens the listeners; rejects with a text that names the one that cannot be opened. */
  async start(): Promise<void> {
    await this.listeners.open(this.#settings.listeners);
  }

  get addresses(): readonly { readonly name: string; readonly address: string; readonly port: number }[] {
    return this.listeners.addresses;
  }

  figures(): { readonly sessions: number; readonly deliveries: number } {
    return { sessions: this.listeners.sessions, deliveries: this.#deliveries };
  }

  load(): WorkerLoad {
    return { ...this.figures(), contentOctets: this.#budget.used, contentOutOctets: this.#contentOut };
  }

  /** The first half of a reload: opens what is new. Rejects, and leaves everything as it was, when that fails. */
  prepare(settings: WorkerSettings): Promise<void> {
    return this.listeners.prepare(settings.listeners);
  }

  /** The second half: new sessions and new deliveries take the new settings; what runs, runs to its end. */
  swap(settings: WorkerSettings): void {
    this.#settings = settings;
    // Told by the queue manager, which hears of the reload first.
    this.#receive = { ...settings.receive, softBounce: this.#receive.softBounce };
    this.#signer = signerOf(settings.signing, this.#deps.directory);
    this.#logins.configure(settings.oauth);
    const before = { agent: this.#agent, resolver: this.#resolver };
    this.#resolver = this.#newResolver();
    this.#sts?.close();
    this.#sts = this.#newSts();
    this.#resumptions = this.#newResumptions();
    this.#agent = this.#newAgent();
    this.listeners.swap(settings.listeners);
    void this.#leave(before); // Never rejects.
  }

  /** The reload is off: what `prepare` opened is closed. */
  abandon(): void {
    this.listeners.abandon();
  }

  /** Answers 421 to those who wait, lets transactions end, and closes. */
  async drainIntake(within: number): Promise<void> {
    this.#intake = 'draining';
    await this.listeners.drain(within);
  }

  /** Cuts off what has not ended in time; what became of everything is reported before it resolves, as far as possible. */
  async drainDeliveries(within: number): Promise<void> {
    await Promise.all([this.#agent, ...this.#leaving].map((agent) => agent.drain(within)));
    const { timers, steadyClock } = this.#deps;
    const pause = (): Promise<void> => new Promise((resolve) => void timers.after(REPORT_PAUSE, resolve));
    const until = steadyClock.monotonic() + REPORT_TIME;
    while (this.#deliveries > 0 && steadyClock.monotonic() < until) await pause();
    this.#tlsCounts.flush();
    await this.#deps.tlsHosts?.save();
    // The link sends what was posted at the end of the turn.
    await new Promise((resolve) => void setImmediate(resolve));
    this.#sts?.close();
    this.#resolver.close();
  }

  /** A file of a pickup folder. */
  takeIn(file: PickupFile, from: PickupSource): Promise<TakenIn> {
    const deps = this.#localDeps();
    const { settings } = deps;
    if (from === 'user') return takeIn(file, deps);
    return takeIn(file, { ...deps, settings: () => ({ ...settings(), mayNameSender: () => true }) });
  }

  /** One that was refused and set aside: its sender is told. */
  tellRefused(file: PickupFile, why: Reply): Promise<TakenIn> {
    return tellRefused(file, why, this.#localDeps());
  }

  /** Users, domains or keys are others now. */
  directoryChanged(): void {
    this.#deps.directory?.refresh();
    this.#signer = signerOf(this.#settings.signing, this.#deps.directory);
  }

  lookUp<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<DnsRecords[T]>> {
    return this.#resolver.resolve(name, type);
  }

  /** How sessions were secured, as far as it is not told yet. */
  tellTls(): void {
    this.#tlsCounts.flush();
  }

  /** Where an address would lead, for `explain`. */
  site(routingDomain: string, route: Route): Promise<SiteAnswer> {
    return this.#findSite(routingDomain, route);
  }

  #localDeps(): LocalIntakeDeps {
    return {
      receive: this.#receiveDeps,
      settings: () => this.#settings.local,
      userOf: this.#deps.userOf,
      refusedEntries: (message, refused, first) => this.#settings.plan.refusedEntries(message, refused, first),
    };
  }

  async #leave({ agent, resolver }: { readonly agent: Agent; readonly resolver: StubResolver }): Promise<void> {
    this.#leaving.add(agent);
    await agent.drain(REMEMBERED_AFTER_RELOAD);
    this.#leaving.delete(agent);
    resolver.close();
  }

  #take(message: QueueManagerToWorker): void {
    switch (message.kind) {
      case 'submitted':
        return this.#submissions.answered(message);
      case 'contentRead':
        return this.#parts.answered(message.call, message.octets);
      case 'leased':
        return this.#leases.answered(message.call, message.granted);
      case 'dispatch':
        return void this.#deliver(message.dispatch);
      case 'dispatchKept':
        return void this.#deliverKept(message.dispatch, message.last);
      case 'forget':
        return this.#kept.forget(message.message);
      case 'closeSlot':
        for (const agent of [this.#agent, ...this.#leaving]) agent.closeSlot(message.slot);
        return undefined;
      case 'resolve':
        return void this.#resolve(message.routingDomain, message.route);
      default:
        return this.#changed(message);
    }
  }

  #changed(message: Extract<QueueManagerToWorker, { kind: 'intake' | 'softBounce' }>): void {
    if (message.kind === 'softBounce') this.#receive = { ...this.#receive, softBounce: message.on };
    else if (this.#intake !== 'draining') this.#intake = message.state;
  }

  /** The agent never rejects. */
  async #deliver(dispatch: Dispatch): Promise<void> {
    const content = this.#contentFor(dispatch);
    const octets = heldOctets(content);
    this.#deliveries += 1;
    this.#contentOut += octets;
    const report = await this.#agent.deliver(content === dispatch.content ? dispatch : { ...dispatch, content });
    if (content.kind === 'pieces') this.#keptContents.giveBack(dispatch.message);
    this.#deliveries -= 1;
    this.#contentOut -= octets;
    if (report.tlsSessions !== undefined) this.#tlsCounts.addAll(dispatch, report.tlsSessions);
    this.#deps.link.post({ kind: 'report', report });
  }

  /** A file from memory, if it is there still; else in blocks that are small when many are being read. */
  #contentFor({ content, message, sender }: Dispatch): DispatchContent {
    if (content.kind !== 'file') return content;
    const lent = this.#keptContents.lend(message, content.octets);
    const tight = this.#contentOut > this.#budget.limit * OUT_SHARE;
    if (lent === undefined) return { ...content, block: tight ? ASKED_OCTETS : BLOCK_OCTETS };
    // A session refuses a bare CR or LF, but for BINARYMIME; and all that is kept came by one of ours.
    return { kind: 'pieces', ...lent, form: sender.body === 'BINARYMIME' ? 'any' : 'lines' };
  }

  /** What is sent to here was kept by here: the link keeps the order of what is said on it. */
  async #deliverKept(kept: KeptDispatch, last: boolean): Promise<void> {
    const dispatch = this.#kept.complete(kept);
    if (dispatch === undefined) throw new Error(`entry ${kept.entry} is to be tried, and its message is not kept here`);
    await this.#deliver(dispatch);
    if (last) this.#kept.forget(kept.message);
  }

  async #resolve(routingDomain: string, route: Route): Promise<void> {
    const answer = await this.#findSite(routingDomain, route);
    countLookup(answer);
    this.#deps.link.post({ kind: 'resolved', routingDomain, route: route.name, answer });
  }

  async #findSite(routingDomain: string, route: Route): Promise<SiteAnswer> {
    const { maxHosts, isOurs, delivery } = this.#settings;
    const port = 'port' in route ? route.port : SMTP_PORT;
    const ownAddresses = (address: string): boolean => isOurs(address, port);
    const policy = this.#sts?.policyFor(routingDomain, route);
    try {
      const site = await findSite(routingDomain as Domain | AddressLiteral, {
        resolver: this.#resolver,
        helloNames: new Set([delivery.helloName.toLowerCase()]),
        ...{ maxHosts, ownAddresses, random: this.#deps.random, family: delivery.family },
      });
      if (policy === undefined) return site;
      return withSts(site, await policy, (session) => this.#tlsCounts.add(routingDomain, session));
    } catch (error) {
      this.#deps.log.error('looking up a destination failed', { route: route.name, error: String(error) });
      return { kind: 'deferred', status: '4.3.0', diagnostic: 'postrider: internal error in the look-up', ttl: 60_000 };
    }
  }

  #tell(event: Event): void {
    if (event.kind === 'rejected') countRejected(event.stage);
    if (event.kind === 'relayed') countRelayed();
    this.#deps.link.post({ kind: 'event', line: eventLine(event) });
  }

  async #openRelay(route: RelayRoute): Promise<RelayTransaction | Reply> {
    const site = `${route.host}:${route.port}`;
    const granted = await this.#leases.ask((call) => this.#deps.link.post({ kind: 'lease', call, site }));
    if (!granted) return reply(451, '4.3.2', 'Too many connections to the next hop, try again later');
    const release = (): void => this.#deps.link.post({ kind: 'leaseEnd', site });
    try {
      const opened = await openRelay(route, this.#agentOptions());
      if (opened.kind === 'open') return relayTransaction(opened.relay, route.host, release);
      release();
      return opened.reply;
    } catch (error) {
      release();
      throw error;
    }
  }

  #newResolver(): StubResolver {
    const { clock, timers } = this.#deps;
    return new StubResolver({ ...this.#settings.dns, clock, timers });
  }

  #newSts(): WorkerSts | undefined {
    const { policies: folder, id, steadyClock: clock, timers, log } = this.#deps;
    const { sts: settings } = this.#settings;
    return workerSts({ settings, folder, sweeps: id === 0, resolver: this.#resolver, ...{ clock, timers, log } });
  }

  #newResumptions(): ResumptionCache | undefined {
    const { resumption } = this.#settings;
    return resumption && new ResumptionCache(this.#deps.steadyClock, resumption);
  }

  #agentOptions(): AgentOptions {
    const { steadyClock: clock, random, timers, log, link } = this.#deps;
    return {
      ...this.#settings.delivery,
      ...{ resolver: this.#resolver, clock, random, timers, log },
      ...tlsMemoryOf(this.#deps.tlsHosts, this.#settings.downgrade),
      resumptions: this.#resumptions,
      onSlotClosed: (slot) => link.post({ kind: 'slotClosed', slot }),
      readContent: (message, at, octets) => this.#readContent({ message, at, octets }),
    };
  }

  async #readContent(part: {
    readonly message: QueueId;
    readonly at: number;
    readonly octets: number;
  }): Promise<Uint8Array> {
    const octets = await this.#parts.ask((call) => this.#deps.link.post({ kind: 'readContent', call, ...part }));
    if (octets === undefined) throw new Error('the content is gone');
    return octets;
  }

  #newAgent(): Agent {
    return new Agent(this.#agentOptions());
  }

  #makeReceiveDeps(): ReceiveDeps {
    const { clock, random, id, incoming } = this.#deps;
    return {
      ...{ clock, incoming, budget: this.#budget, kept: this.#keptContents, nextId: queueIds(id, clock, random) },
      settings: () => this.#receive,
      signer: () => this.#signer,
      logins: this.#logins.logins,
      intake: () => this.#intake,
      routeOf: (recipient, facts) => this.#settings.plan.routeOf(recipient, facts),
      entriesOf: (message, recipients) => this.#settings.plan.entriesOf(message, recipients),
      submit: (message) => {
        const read = reportIn(message, this.#settings.reportsTo, this.#deps.log);
        const submit = (whole: NewMessage): Promise<Submitted> => this.#submissions.submit(whole);
        return read === undefined ? submit(message) : read.then(submit);
      },
      formatDate: (at) => formatDate(at),
      eventLine,
      tell: (event) => this.#tell(event),
      openRelay: (route) => this.#openRelay(route),
      hasNullMx: async (domain) => ((await nullMxSender(domain as Domain, this.#resolver)) ? 'yes' : 'no'),
    };
  }
}

const SMTP_PORT = 25;
/** Of the memory for content. Kept content must not make receiving write to files what would fit. */
const KEPT_SHARE = 0.25;
/** Of that memory, too: what deliveries read in large blocks. */
const OUT_SHARE = 0.25;
const REPORT_TIME = 500;
const REPORT_PAUSE = 5;
// Deliveries that began before a reload end on their own; this only bounds how long they are remembered.
const REMEMBERED_AFTER_RELOAD = 10 * 60_000;
