/**
 * What can be asked of a running server, and of a stopped one: the contract between the faces (HTTP API,
 * control socket, command line, console) and the runtime, which implements it in `runtime/control.ts` and,
 * for a stopped server, in `runtime/offline.ts`.
 *
 * Every call takes at most one plain object and answers with plain values, so that the same call can cross
 * a socket. What the caller did wrong rejects with a `Refusal`; anything else that rejects is a bug.
 */

import { type Event, type EventKind } from '../events/event.ts';
import { type Duration, type Instant } from '../lib/time.ts';
import { type Lane } from '../mail/entry.ts';
import { type HoldReason } from '../mail/hold-reason.ts';
import { type PriorityClass } from '../mail/priority-class.ts';
import { type Rule, type RuleTarget } from '../mail/rule.ts';
import { type Explanation } from '../queue/scheduling.ts';
import { type CertificatesView } from './certificate-view.ts';
import { type DirectoryAdmin, type DirectoryChecks } from './directory-contract.ts';

/** Reads are pages of at most this many entries. */
export const MAX_PAGE = 1000;

/** Which entries. All the parts given must match; none given: all entries. */
export interface QueueFilter {
  /** A queue id, or an entry id (`<queue id>/<n>`). */
  readonly id?: string;
  /** `*` patterns allowed: `*@example.com`; `<>` is the null reverse-path. */
  readonly sender?: string;
  readonly recipient?: string;
  /** Routing domain. */
  readonly domain?: string;
  /** A queue name, `campaign:tenant@domain`. */
  readonly queue?: string;
  readonly lane?: Lane;
  readonly reason?: HoldReason;
}

export interface QueueQuery extends QueueFilter {
  /** `next` of the page before. */
  readonly after?: string;
  /** At most `MAX_PAGE`. */
  readonly limit?: number;
}

export interface EntryView {
  readonly id: string;
  readonly message: string;
  readonly queue: string;
  /** `''` is the null reverse-path. */
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly routingDomain: string;
  readonly route: string;
  readonly class: PriorityClass;
  readonly lane: Lane;
  readonly reason: HoldReason;
  readonly lastReply: string;
  readonly attempts: number;
  readonly acceptedAt: Instant;
  readonly dueAt: Instant;
  readonly expiresAt: Instant;
  readonly lastAttemptAt: Instant | undefined;
  readonly octets: number;
  /** It is being tried right now. */
  readonly inFlight: boolean;
}

export interface QueuePage {
  readonly entries: readonly EntryView[];
  /** Pass it as `after` for the next page; absent when there is none. */
  readonly next: string | undefined;
}

/** A change of many entries. `select` without any part needs `all`. */
export interface QueueChange {
  readonly select: QueueFilter;
  readonly all?: boolean;
  /** Who asks, for the record. */
  readonly by?: string;
  readonly reason?: string;
}

export interface QueueRemoval extends QueueChange {
  /** Whether the sender gets a failure notification. */
  readonly tellSender?: boolean;
}

export interface Changed {
  readonly entries: number;
  /** Entries that matched and were left as they are, because they are being tried right now. */
  readonly inFlight: number;
}

export interface MessageView {
  readonly id: string;
  readonly sender: string;
  readonly tenant: string;
  readonly campaign: string;
  readonly class: PriorityClass;
  readonly acceptedAt: Instant;
  readonly octets: number;
  readonly clientAddress: string;
  readonly clientName: string;
  readonly protocol: string;
  readonly listener: string;
  readonly tls: string | undefined;
}

/** What became of a message so far. */
export interface MessageStory {
  readonly id: string;
  /** Absent when the message has left the queue. */
  readonly message: MessageView | undefined;
  readonly entries: readonly EntryView[];
  /** Events about it, oldest first, as the event log has them. */
  readonly events: readonly Readonly<Record<string, unknown>>[];
}

/** One way that recipients take, and what stands in it. */
export interface WayView {
  readonly recipients: readonly string[];
  readonly routingDomain: string;
  /** Name and kind of the route; absent when none matches. */
  readonly route: { readonly name: string; readonly kind: string } | undefined;
  /** The site's name; `''` when it is not known. */
  readonly site: string;
  readonly hosts: readonly { readonly name: string; readonly preference: number }[];
  /** Absent when the question was about an address. */
  readonly entry: EntryView | undefined;
  readonly explanations: readonly Explanation[];
}

export interface ExplanationView {
  readonly about: string;
  readonly ways: readonly WayView[];
}

export interface SuspendRequest {
  readonly target: RuleTarget;
  readonly reason?: string;
  readonly by?: string;
  readonly until?: Instant;
}

/** By the id of the rule, or every suspension of exactly this target. */
export interface ResumeRequest {
  readonly id?: string;
  readonly target?: RuleTarget;
  readonly by?: string;
}

export interface Suspended {
  readonly rule: Rule;
  /** Entries still being tried that the rule would have stopped. */
  readonly inFlight: number;
}

export interface Resumed {
  readonly rules: readonly Rule[];
}

export type Pausable = 'intake' | 'delivery' | 'all';

export interface PauseRequest {
  readonly what: Pausable;
  readonly by?: string;
}

export interface Status {
  readonly version: string;
  readonly hostname: string;
  readonly pid: number;
  readonly now: Instant;
  readonly startedAt: Instant;
  readonly state: 'running' | 'draining';
  readonly intake: 'open' | 'paused' | 'full' | 'draining';
  readonly delivery: 'running' | 'paused';
  readonly softBounce: boolean;
  readonly configFile: string;
  readonly listeners: readonly { readonly name: string; readonly address: string; readonly protocol: string }[];
  readonly spool: {
    readonly messages: number;
    readonly entries: number;
    readonly freeOctets: number;
    readonly usedOctets: number;
  };
  readonly workers: readonly { readonly slot: number; readonly sessions: number; readonly deliveries: number }[];
  readonly inFlight: number;
}

/** One egress path to a site: what it may do now, and why. */
export interface SiteView {
  readonly site: string;
  readonly path: string;
  readonly ready: number;
  readonly connections: number;
  readonly window: number;
  readonly inFlight: number;
  readonly explanations: readonly Explanation[];
}

export interface SitesPage {
  readonly sites: readonly SiteView[];
  readonly next: string | undefined;
}

export interface PageQuery {
  readonly after?: string;
  readonly limit?: number;
}

export interface TlsReportsQuery {
  /** `received`: what others reported on our domains; also when not given. */
  readonly kind?: 'received' | 'sent';
  readonly domain?: string;
  readonly limit?: number;
  /** `next` of the page before. */
  readonly after?: string;
}

export interface TlsReportsPage {
  /** Newest first. Of the kind `tlsReportReceived` or `tlsReportSent`. */
  readonly reports: readonly Event[];
  readonly next: string | undefined;
}

export interface EventsQuery {
  readonly kind?: EventKind;
  /** An address, or `@example.com` for all of a domain; `<>` is the null reverse-path. */
  readonly sender?: string;
  readonly recipient?: string;
  /** Not before. */
  readonly since?: Instant;
  /** Before. */
  readonly until?: Instant;
  readonly limit?: number;
  /** `next` of the page before. */
  readonly after?: string;
}

export interface EventsPage {
  /** Newest first. */
  readonly events: readonly Event[];
  readonly next: string | undefined;
}

export interface Reloaded {
  /** `kept`: the new configuration is not valid, the old one stays. */
  readonly result: 'swapped' | 'kept';
  /** One line for each problem, with path, value and fix. */
  readonly problems: readonly string[];
  /** What a reload cannot change and needs a restart. */
  readonly needsRestart: readonly string[];
}

export interface BackedUp {
  readonly messages: number;
  /** Content files copied next to the store. */
  readonly files: number;
}

export interface Checked {
  readonly messages: number;
  readonly entries: number;
  readonly problems: readonly string[];
}

/** What also works on the spool of a stopped server. */
export interface QueueAdmin {
  list(query: QueueQuery): Promise<QueuePage>;
  /** Due now. */
  retry(change: QueueChange): Promise<Changed>;
  /** To lane `held`, until released. */
  hold(change: QueueChange): Promise<Changed>;
  release(change: QueueChange): Promise<Changed>;
  remove(change: QueueRemoval): Promise<Changed>;
  /** Due now, and what holds back their sites is forgotten. */
  flush(change: QueueChange): Promise<Changed>;
  message(query: { readonly id: string }): Promise<MessageStory>;
  /** The message as it will be sent. */
  content(query: { readonly id: string }): Promise<Uint8Array>;
  rules(): Promise<{ readonly rules: readonly Rule[] }>;
  check(): Promise<Checked>;
  /** Copies the spool into a folder that does not exist yet, while it is in use. */
  backup(request: { readonly folder: string }): Promise<BackedUp>;
}

/** What has happened, of a running server and of a stopped one. */
export interface EventsAdmin {
  events(query: EventsQuery): Promise<EventsPage>;
}

/** What only a running server can do. */
export interface Admin extends QueueAdmin, EventsAdmin, DirectoryAdmin, DirectoryChecks {
  /** About a queue id, or about an address to which nothing was sent yet. */
  explain(query: { readonly target: string }): Promise<ExplanationView>;
  suspend(request: SuspendRequest): Promise<Suspended>;
  resume(request: ResumeRequest): Promise<Resumed>;
  pause(request: PauseRequest): Promise<Status>;
  unpause(request: PauseRequest): Promise<Status>;
  softBounce(request: { readonly on: boolean; readonly by?: string }): Promise<Status>;
  reload(): Promise<Reloaded>;
  /** Begins to drain and to stop; answers at once. */
  drain(): Promise<Status>;
  status(): Promise<Status>;
  sites(query: PageQuery): Promise<SitesPage>;
  tlsReports(query: TlsReportsQuery): Promise<TlsReportsPage>;
  /** The certificates in use, and what ACME is about. */
  certificates(): Promise<CertificatesView>;
  /** Orders a certificate by ACME now; answers when the order has begun. */
  renewCertificate(): Promise<CertificatesView>;
}

/** The caller asked for something that cannot be done; the text says why and what to do instead. */
export class Refusal extends Error {
  readonly kind: 'invalid' | 'notFound' | 'conflict';
  constructor(kind: 'invalid' | 'notFound' | 'conflict', message: string) {
    super(message);
    this.kind = kind;
  }
}

/** What the sandbox shows and lets be moved. */
export interface SandboxPort {
  /** Newest first. */
  messages(query: { readonly recipient?: string; readonly limit?: number }): Promise<readonly SandboxMessage[]>;
  raw(id: string): Promise<Uint8Array | undefined>;
  /** Moves time ahead; never back. Answers with the time it is then. */
  moveClock(step: { readonly by: Duration } | { readonly to: Instant }): Promise<Instant>;
}

/** A message that one of the sandbox's receivers took. */
export interface SandboxMessage {
  readonly id: string;
  readonly recipients: readonly string[];
  readonly reversePath: string;
  readonly subject: string;
  readonly receivedAt: Instant;
  readonly octets: number;
  /** Which of the simulated servers. */
  readonly server: string;
}
