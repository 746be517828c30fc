/**
 * A worker: sessions in, deliveries out. It owns nothing that may be lost; the queue manager knows what is
 * in flight here. Long, flat and without decisions: it joins receiving, delivering and DNS to the link.
 */

import { StubResolver, type StubResolverOptions } from '../dns/stub-resolver.ts';
import { Agent } from '../deliver/agent.ts';
import { ASKED_OCTETS, BLOCK_OCTETS } from '../deliver/content.ts';
import { type AgentOptions } from '../deliver/options.ts';
import { openRelay } from '../deliver/smtp/open-relay.ts';
import { findSite, nullMxSender } from '../deliver/smtp/mx.ts';
import { eventLine } from '../events/format.ts';
import { type Event } from '../events/event.ts';
import { type AddressLiteral } from '../mail/path.ts';
import { type Domain } from '../mail/domain.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { type RelayRoute, type Route } from '../mail/route.ts';
import { formatDate } from '../mail/date.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Random } from '../ports/random.ts';
import { type Timers } from '../ports/timers.ts';
import { type Dispatch, type DispatchContent } from '../queue/dispatch.ts';
import { type WorkerId } from '../queue/scheduling.ts';
import { type SiteAnswer } from '../queue/site.ts';
import { OctetBudget } from '../receive/octet-budget.ts';
import {
  type IntakeState,
  type ReceiveDeps,
  type ReceiveSettings,
  type RelayTransaction,
  type Submitted,
} from '../receive/ports.ts';
import { SessionReceiver } from '../receive/receiver.ts';
import { type NewMessage } from '../spool/spool.ts';
import { Calls } from './calls.ts';
import { queueIds } from './ids.ts';
import { type Link } from './link.ts';
import { ListenerSet, type ListenerSetDeps } from './listener-set.ts';
import { type QueueManagerToWorker, type WorkerToQueueManager } from './messages.ts';
import { relayTransaction } from './relay-transaction.ts';
import { type RoutePlan } from './route-plan.ts';
import { type ListenerSettings } from './settings.ts';
import { countLookup, countRejected, countRelayed, type WorkerLoad } from './worker-metrics.ts';

export interface WorkerSettings {
  readonly receive: ReceiveSettings;
  readonly plan: RoutePlan;
  readonly listeners: readonly ListenerSettings[];
  readonly dns: Omit<StubResolverOptions, 'clock' | 'timers'>;
  readonly delivery: Omit<AgentOptions, keyof AgentPorts>;
  readonly maxHosts: number;
  /** One of our own listeners answers there. */
  readonly isOurs: (address: string, port: number) => boolean;
  /** Octets of content in memory. */
  readonly memoryOctets: number;
}

/** What the agent has from the worker and not from the configuration. */
type AgentPorts = Pick<
  AgentOptions,
  'resolver' | 'clock' | 'random' | 'timers' | 'log' | 'onSlotClosed' | 'readContent'
>;

export interface WorkerDeps extends Pick<ListenerSetDeps, 'counts' | 'reusePort'> {
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
}

export class WorkerRuntime {
  readonly #deps: WorkerDeps;
  readonly #submissions = new Calls<Submitted>();
  readonly #leases = new Calls<boolean>();
  readonly #parts = new Calls<Uint8Array | undefined>();
  readonly #listeners: ListenerSet;
  readonly #budget: OctetBudget;
  readonly #receiveDeps: ReceiveDeps;
  #settings: WorkerSettings;
  #resolver: StubResolver;
  #agent: Agent;
  #intake: IntakeState = 'open';
  #receive: ReceiveSettings;
  #deliveries = 0;
  /** Octets of content, at most, that deliveries under way hold. */
  #contentOut = 0;
  /** Of before a reload, with deliveries that have not ended. */
  readonly #leaving = new Set<Agent>();

  constructor(deps: WorkerDeps) {
    this.#deps = deps;
    this.#settings = deps.settings;
    this.#receive = deps.settings.receive;
    this.#budget = new OctetBudget(deps.settings.memoryOctets);
    this.#resolver = this.#newResolver();
    this.#agent = this.#newAgent();
    this.#receiveDeps = this.#makeReceiveDeps();
    const { steadyClock: clock, timers, log, counts, reusePort } = deps;
    this.#listeners = new ListenerSet({
      ...{ clock, timers, log, counts, reusePort },
      makeReceiver: () => new SessionReceiver(this.#receiveDeps),
      tell: (event) => this.#tell(event),
    });
    deps.link.onMessage((message) => this.#take(message));
  }

  /** Opens the listeners; rejects with a text that names the one that cannot be opened. */
  async start(): Promise<void> {
    await this.#listeners.open(this.#settings.listeners);
  }

  get addresses(): readonly { readonly name: string; readonly address: string; readonly port: number }[] {
    return this.#listeners.addresses;
  }

  figures(): { readonly sessions: number; readonly deliveries: number } {
    return { sessions: this.#listeners.sessions, deliveries: this.#deliveries };
  }

  load(): WorkerLoad {
    return { ...this.figures(), contentOctets: this.#budget.used, contentOutOctets: this.#contentOut };
  }

  /** The first half of a reload: opens what is new. Rejects, and leaves everything as it was, when that fails. */
  prepare(settings: WorkerSettings): Promise<void> {
    return this.#listeners.prepare(settings.listeners);
  }

  /** The second half: new sessions and new deliveries take the new settings; what runs, runs to its end. */
  swap(settings: WorkerSettings): void {
    this.#settings = settings;
    // Told by the queue manager, which hears of the reload first.
    this.#receive = { ...settings.receive, softBounce: this.#receive.softBounce };
    const before = { agent: this.#agent, resolver: this.#resolver };
    this.#resolver = this.#newResolver();
    this.#agent = this.#newAgent();
    this.#listeners.swap(settings.listeners);
    void this.#leave(before); // Never rejects.
  }

  /** The reload is off: what `prepare` opened is closed. */
  abandon(): void {
    this.#listeners.abandon();
  }

  /** Answers 421 to those who wait, lets transactions end, and closes. */
  async drainIntake(within: number): Promise<void> {
    this.#intake = 'draining';
    await this.#listeners.drain(within);
  }

  /** Cuts off what has not ended in time; what became of everything is reported before it resolves, as far as possible. */
  async drainDeliveries(within: number): Promise<void> {
    await Promise.all([this.#agent, ...this.#leaving].map((agent) => agent.drain(within)));
    const { timers, steadyClock } = this.#deps;
    const pause = (): Promise<void> => new Promise((resolve) => void timers.after(REPORT_PAUSE, resolve));
    const until = steadyClock.monotonic() + REPORT_TIME;
    while (this.#deliveries > 0 && steadyClock.monotonic() < until) await pause();
    // The link sends what was posted at the end of the turn.
    await new Promise((resolve) => void setImmediate(resolve));
    this.#resolver.close();
  }

  /** Where an address would lead, for `explain`. */
  site(routingDomain: string, route: Route): Promise<SiteAnswer> {
    return this.#findSite(routingDomain, route);
  }

  async #leave({ agent, resolver }: { readonly agent: Agent; readonly resolver: StubResolver }): Promise<void> {
    this.#leaving.add(agent);
    await agent.drain(DRAIN_AFTER_RELOAD);
    this.#leaving.delete(agent);
    resolver.close();
  }

  #take(message: QueueManagerToWorker): void {
    switch (message.kind) {
      case 'submitted':
        return this.#submissions.answered(message.call, message.result);
      case 'contentRead':
        return this.#parts.answered(message.call, message.octets);
      case 'leased':
        return this.#leases.answered(message.call, message.granted);
      case 'dispatch':
        return void this.#deliver(message.dispatch);
      case 'closeSlot':
        for (const agent of [this.#agent, ...this.#leaving]) agent.closeSlot(message.slot);
        return undefined;
      case 'resolve':
        return void this.#resolve(message.routingDomain, message.route);
      case 'intake':
        if (this.#intake !== 'draining') this.#intake = message.state;
        return undefined;
      case 'softBounce':
        this.#receive = { ...this.#receive, softBounce: message.on };
        return undefined;
    }
  }

  /** The agent never rejects. */
  async #deliver(dispatch: Dispatch): Promise<void> {
    const octets = heldOctets(dispatch.content);
    this.#deliveries += 1;
    this.#contentOut += octets;
    const report = await this.#agent.deliver(dispatch);
    this.#deliveries -= 1;
    this.#contentOut -= octets;
    this.#deps.link.post({ kind: 'report', report });
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
    try {
      return await findSite(routingDomain as Domain | AddressLiteral, {
        resolver: this.#resolver,
        helloNames: new Set([delivery.helloName.toLowerCase()]),
        ...{ maxHosts, ownAddresses, random: this.#deps.random, family: delivery.family },
      });
    } catch (error) {
      this.#deps.log.error('looking up a destination failed', { route: route.name, error: String(error) });
      return { kind: 'deferred', status: '4.3.0', diagnostic: 'postrider: internal error in the look-up', ttl: 60_000 };
    }
  }

  #submit(message: NewMessage): Promise<Submitted> {
    const { content } = message;
    const transfer = content.kind === 'octets' ? [content.octets.buffer as ArrayBuffer] : [];
    return this.#submissions.ask((call) => this.#deps.link.post({ kind: 'accept', call, message }, transfer));
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

  #agentOptions(): AgentOptions {
    const { steadyClock: clock, random, timers, log, link } = this.#deps;
    return {
      ...this.#settings.delivery,
      ...{ resolver: this.#resolver, clock, random, timers, log },
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
      ...{ clock, incoming, budget: this.#budget, nextId: queueIds(id, clock, random) },
      settings: () => this.#receive,
      intake: () => this.#intake,
      routeOf: (recipient, facts) => this.#settings.plan.routeOf(recipient, facts),
      entriesOf: (message, recipients) => this.#settings.plan.entriesOf(message, recipients),
      submit: (message) => this.#submit(message),
      formatDate: (at) => formatDate(at),
      eventLine,
      tell: (event) => this.#tell(event),
      openRelay: (route) => this.#openRelay(route),
      hasNullMx: async (domain) => ((await nullMxSender(domain as Domain, this.#resolver)) ? 'yes' : 'no'),
    };
  }
}

/** All of it, or the block that is being sent. */
function heldOctets(content: DispatchContent): number {
  if (content.kind === 'octets') return content.octets.length;
  return Math.min(content.octets, content.kind === 'file' ? BLOCK_OCTETS : ASKED_OCTETS);
}

const SMTP_PORT = 25;
const REPORT_TIME = 500;
const REPORT_PAUSE = 5;
// Deliveries that began before a reload end on their own; this only bounds how long they are remembered.
const DRAIN_AFTER_RELOAD = 10 * 60_000;
