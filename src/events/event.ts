/**
 * Everything that can happen, as one typed catalogue. Log lines, the API and the command line are
 * views of it; `docs/reference/events.md` is made from the comments here.
 *
 * An event is one JSON object on one line. Times are milliseconds since 1970; delays are milliseconds.
 * Strings longer than 1,000 characters are cut, and of more than 1,000 recipients the rest is only counted, in a
 * field `moreRecipients`. A line that came from a commit has the fields `seq` and `n` before all others: the
 * same two, with the same `at`, are the same event.
 */

import { type Duration, type Instant } from '../lib/time.ts';

export type Event =
  | AcceptedEvent
  | RejectedEvent
  | AttemptEvent
  | DeliveredEvent
  | DeferredEvent
  | FailedEvent
  | ExpiredEvent
  | SuppressedEvent
  | DroppedEvent
  | HeldEvent
  | ReleasedEvent
  | SuspendedEvent
  | ResumedEvent
  | ReroutedEvent
  | RemovedEvent
  | DsnEvent
  | RelayedEvent
  | DirectoryChangedEvent
  | TlsEvent
  | TlsReportSentEvent
  | TlsReportReceivedEvent;

export type EventKind = Event['kind'];

interface EventBase {
  readonly at: Instant;
}

/** Fields that every event about one message has. */
interface MessageFields extends EventBase {
  readonly queueId: string;
  /** `''` is the null reverse-path. */
  readonly sender: string;
  readonly tenant: string;
  readonly campaign: string;
  /** What its sender calls it, and the sender's own name for it (`X-Postrider-Tags`, `X-Postrider-Tracking-Id`). */
  readonly tags: readonly string[] | undefined;
  readonly trackingId: string | undefined;
}

/** Fields that every event about recipients of one entry has. */
interface EntryFields extends MessageFields {
  readonly entry: string;
  readonly recipients: readonly string[];
  readonly queue: string;
  readonly class: string;
}

/** Fields of what became of recipients in one attempt. */
interface AttemptFields extends EntryFields {
  readonly attempt: number;
  readonly route: string;
  readonly site: string;
  readonly source: string;
  readonly host: string;
  readonly address: string;
  readonly tls: string | undefined;
  /** `resumed`: the handshake resumed an earlier session; absent: it was a full one, or there was none. */
  readonly tlsHandshake: string | undefined;
  /** What decided on encryption: `requiretls`, `dane`, `sts`, `configured` (the route) or `opportunistic`. Absent where nobody was dialled. */
  readonly tlsPolicy: string | undefined;
  /** What came of it, as reports name it (RFC 8460 §4.3): `successful`, `certificate-host-mismatch`, … */
  readonly tlsResult: string | undefined;
  /** What was demanded, and why; absent where nothing was. */
  readonly tlsReason: string | undefined;
  /** The reply on one line, with its enhanced status; our own words begin with `postrider:`. */
  readonly reply: string;
  readonly status: string;
  readonly delays: Delays;
}

export interface Delays {
  /** From the client's MAIL to our commit. */
  readonly beforeQueue: Duration;
  /** From the commit to the dispatch of this attempt. */
  readonly inQueue: Duration;
  readonly connect: Duration;
  readonly transmit: Duration;
}

/** A message was committed and answered with 250. */
export interface AcceptedEvent extends MessageFields {
  readonly kind: 'accepted';
  readonly recipients: readonly string[];
  readonly clientAddress: string;
  readonly clientName: string;
  readonly protocol: string;
  readonly listener: string;
  /** Who the client had logged in as. */
  readonly user: string | undefined;
  readonly tls: string | undefined;
  readonly octets: number;
  readonly messageIdField: string;
  readonly subject: string;
  /** The DKIM signatures that were added: `d=example.com s=2026a, …`. */
  readonly signedBy: string | undefined;
  /** Rules of `submission.repairIf` that it broke, and that it was put right by; absent: none. */
  readonly repaired: readonly string[] | undefined;
  /** When its sender wants it to go; absent: at once. */
  readonly releaseAt: Instant | undefined;
  readonly delays: Pick<Delays, 'beforeQueue'>;
}

/** A connection, a command or a message was refused; nothing was stored. */
export interface RejectedEvent extends EventBase {
  readonly kind: 'rejected';
  readonly stage: 'connect' | 'hello' | 'tls' | 'login' | 'sender' | 'recipient' | 'content';
  readonly clientAddress: string;
  readonly clientName: string;
  readonly listener: string;
  /** Who the client had logged in as, or tried to. */
  readonly user: string | undefined;
  readonly sender: string | undefined;
  readonly recipient: string | undefined;
  readonly reply: string;
}

/** An attempt begins: the entry was handed to a worker. */
export interface AttemptEvent extends EntryFields {
  readonly kind: 'attempt';
  readonly attempt: number;
  readonly route: string;
  readonly site: string;
  readonly source: string;
}

/** The next hop, or a mailbox, took the message for these recipients. */
export interface DeliveredEvent extends AttemptFields {
  readonly kind: 'delivered';
  readonly octets: number;
}

/** Not now: these recipients will be tried again. */
export interface DeferredEvent extends AttemptFields {
  readonly kind: 'deferred';
  readonly reason: string;
  readonly scope: string;
  readonly nextAttemptAt: Instant;
}

/** Never: these recipients are over, and their sender is told if he wants to be. */
export interface FailedEvent extends AttemptFields {
  readonly kind: 'failed';
  readonly scope: string;
}

/** These recipients were tried until their time was up. */
export interface ExpiredEvent extends EntryFields {
  readonly kind: 'expired';
  readonly attempt: number;
  readonly reply: string;
  readonly status: string;
}

/** Not sent, because the recipient is on a suppression list. Kept for later: nothing emits it yet. */
export interface SuppressedEvent extends EntryFields {
  readonly kind: 'suppressed';
  readonly reason: string;
}

/** Thrown away on purpose, by a named rule or route. */
export interface DroppedEvent extends EntryFields {
  readonly kind: 'dropped';
  readonly rule: string;
}

/** Waits until an operator releases it. */
export interface HeldEvent extends EntryFields {
  readonly kind: 'held';
  readonly rule: string;
  readonly reason: string;
}

/** No longer held. */
export interface ReleasedEvent extends EntryFields {
  readonly kind: 'released';
  readonly by: string;
}

/** A rule stops mail from going out, or from coming in. */
export interface SuspendedEvent extends EventBase {
  readonly kind: 'suspended';
  readonly rule: string;
  readonly target: string;
  readonly reason: string;
  readonly by: string;
  readonly until: Instant | undefined;
}

/** A suspension ended. */
export interface ResumedEvent extends EventBase {
  readonly kind: 'resumed';
  readonly rule: string;
  readonly target: string;
  readonly by: string;
}

/** A rule sends waiting mail another way. Kept for later: no call makes such a rule yet. */
export interface ReroutedEvent extends EventBase {
  readonly kind: 'rerouted';
  readonly rule: string;
  readonly target: string;
  readonly route: string;
  readonly by: string;
}

/** An operator removed these recipients from the queue. */
export interface RemovedEvent extends EntryFields {
  readonly kind: 'removed';
  readonly by: string;
  readonly told: boolean;
}

/** A delivery status notification was made from the notices of a message. */
export interface DsnEvent extends EventBase {
  readonly kind: 'dsn';
  /** The notification itself; `''` when it went nowhere (null reverse-path, cap reached). */
  readonly queueId: string;
  /** The message it tells of; `''` in a summary. */
  readonly about: string;
  readonly to: string;
  /** The worst of `failed delayed relayed expanded delivered`; `summary` for reports that a sender's cap withheld. */
  readonly action: string;
  readonly recipients: readonly string[];
}

/** Stateless relay: the next hop's final reply was passed through and nothing was stored. */
export interface RelayedEvent extends EventBase {
  readonly kind: 'relayed';
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly clientAddress: string;
  readonly host: string;
  readonly reply: string;
  readonly octets: number;
}

/** Somebody changed the directory: a tenant, a user, a key for the API, a domain, or a key that signs. Never a secret. */
export interface DirectoryChangedEvent extends EventBase {
  readonly kind: 'directoryChanged';
  /** `added`, `changed`, `removed`; `rotated`: a key made as the successor of those that sign. */
  readonly action: string;
  /** `tenant`, `user`, `apiKey`, `domain`, `signingKey`. */
  readonly what: string;
  /** Of a tenant, a user or a domain; of a signing key the name of its record. */
  readonly name: string;
  /** Whose it is. */
  readonly tenant: string;
  /** `cli:` and the name of a user of this machine; `server`: keys that it moved on by itself. */
  readonly by: string;
  /** `disabled: no → yes`, `messagesPerHour: 100`, `password: a new one`. */
  readonly changes: readonly string[];
}

/**
 * How sessions with a receiver were secured, or were not. Like ones of a minute are one event. Successes are told only
 * where the domain asks for reports.
 */
export interface TlsEvent extends EventBase {
  readonly kind: 'tls';
  /** Whose policy it is. */
  readonly domain: string;
  /** What decided: `requiretls`, `dane`, `sts`, `configured`, `opportunistic`. */
  readonly policy: string;
  /** What the domain publishes: `tlsa`, `sts`, `no-policy-found`. */
  readonly policyType: string;
  /** `''` with `address`: no session was begun. */
  readonly host: string;
  readonly address: string;
  /** Ours, of sessions that failed; absent where nothing was connected. */
  readonly sourceAddress: string | undefined;
  /** `successful`, or what was wrong, in the words of RFC 8460 §4.3. */
  readonly result: string;
  readonly reason: string;
  readonly sessions: number;
}

/** A domain was sent a report on how our sessions with it were secured. */
export interface TlsReportSentEvent extends EventBase {
  readonly kind: 'tlsReportSent';
  readonly domain: string;
  /** The day, in UTC: `2026-11-25`. */
  readonly day: string;
  /** Where to: an address, or a URL. */
  readonly to: string;
  readonly successful: number;
  readonly failed: number;
}

/** Somebody reported on how his sessions with one of our domains were secured. */
export interface TlsReportReceivedEvent extends EventBase {
  readonly kind: 'tlsReportReceived';
  /** The message that it came in. */
  readonly queueId: string;
  readonly organization: string;
  readonly reportId: string;
  readonly domain: string;
  readonly policyType: string;
  /** Of the time that it is about. */
  readonly begin: Instant;
  readonly end: Instant;
  readonly successful: number;
  readonly failed: number;
  /** One for each kind of failure, as `3 certificate-expired at mx.example.com`. */
  readonly failures: readonly string[];
}
