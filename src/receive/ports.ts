/** What receiving needs from the rest of the product. `runtime/worker.ts` wires it. */

import { type Duration, type Instant } from '../lib/time.ts';
import { type Entry, type EntryRecipient } from '../mail/entry.ts';
import { type Envelope, type Recipient, type SenderParameters } from '../mail/envelope.ts';
import { type Mailbox, type ReversePath } from '../mail/path.ts';
import { type PriorityClass } from '../mail/priority-class.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Reply } from '../mail/reply.ts';
import { type RelayRoute, type Route } from '../mail/route.ts';
import { type Event } from '../events/event.ts';
import { type RelayRules } from '../policy/relay.ts';
import { type Clock } from '../ports/clock.ts';
import { type NewMessage } from '../spool/spool.ts';
import { type Aliases } from './aliases.ts';
import { type FormRules } from './form-rule-names.ts';
import { type ClientUsers } from './client-users.ts';
import { type Logins } from './logins.ts';
import { type KeptContents } from './kept-contents.ts';
import { type OctetBudget } from './octet-budget.ts';
import { type Signer } from './signer.ts';

/** The configuration of receiving, compiled. Replaced whole at a reload; a transaction keeps the one it began with. */
export interface ReceiveSettings {
  readonly hostname: string;
  readonly aliases: Aliases;
  readonly relay: RelayRules;
  /** Whether a client's option header fields are obeyed. */
  readonly optionsFrom: (clientAddress: string) => boolean;
  /** Permanent refusals become temporary ones, for the first days of a new configuration. */
  readonly softBounce: boolean;
  /** Whether a local address without an alias has a mailbox. */
  readonly mailboxExists: (mailbox: Mailbox) => boolean;
  readonly defaultClass: PriorityClass;
  /** How far ahead of its time a message may be handed in; 0: not at all. */
  readonly longestHold: Duration;
  /** Whether a route is for mail that names this pool. */
  readonly isPool: (name: string) => boolean;
  readonly maxOctets: number;
  readonly maxHeaderOctets: number;
  /** Recipients of one message, aliases expanded. */
  readonly maxTargets: number;
  readonly maxHops: number;
  readonly memoryOctets: number;
  readonly tightOctets: number;
  readonly submission: SubmissionSettings;
  /** Whom clients' certificates log in; absent: nobody. */
  readonly clientUsers?: ClientUsers | undefined;
  /** Whether senders in domains with a null MX are refused (RFC 7505 §4.2). */
  readonly refuseNullMxSenders: boolean;
}

/** Of mail from our own users. */
export interface SubmissionSettings {
  readonly rules: FormRules;
  /** The rules hold for clients in `relay.networks` too. */
  readonly networks: boolean;
  /** The trace field does not say where it came from. */
  readonly hideClient: boolean;
}

/** Whether new mail is taken at all, and if not, why. */
export type IntakeState = 'open' | 'paused' | 'full' | 'draining';

export interface RouteFacts {
  readonly sender: ReversePath;
  readonly tenant: string;
  readonly clientAddress: string;
}

export interface PlannedMessage {
  readonly id: QueueId;
  readonly envelope: Envelope;
  readonly class: PriorityClass;
  readonly acceptedAt: number;
  readonly octets: number;
  /** Milliseconds from MAIL to the commit; absent for mail made here. */
  readonly beforeQueue?: number;
  /** Not to be tried before. */
  readonly releaseAt?: Instant;
  /** Of no use from then on. */
  readonly uselessAt?: Instant;
  /** Routes may be for it. */
  readonly pool?: string;
}

export type Submitted =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'full' }
  /** `of`: `user app`, `tenant acme`; `limit` is the name of the limit. */
  | { readonly kind: 'tooMuch'; readonly of: string; readonly limit: string }
  | { readonly kind: 'unavailable'; readonly reason: string };

/** A transaction that is passed through to a next hop while it happens (stateless relay). */
export interface RelayTransaction {
  sender(sender: SenderParameters, declaredOctets: number | undefined): Promise<Reply>;
  recipient(recipient: Recipient): Promise<Reply>;
  /** 354 of the next hop. */
  begin(): Promise<Reply>;
  write(chunk: Buffer): void | Promise<void>;
  finish(): Promise<Reply>;
  /** Ends the transaction without a message; the connection is given up. */
  abort(): void;
  readonly host: string;
}

export interface ReceiveDeps {
  readonly settings: () => ReceiveSettings;
  readonly intake: () => IntakeState;
  readonly clock: Clock;
  readonly nextId: () => QueueId;
  readonly budget: OctetBudget;
  readonly kept: KeptContents;
  readonly incoming: string;
  /** Undefined: nobody's mail is signed. */
  readonly signer: () => Signer | undefined;
  /** Authors whose mail is signed; that of others goes out as it is. Absent: everybody's. */
  readonly signsOnlyOf?: (author: string) => boolean;
  /** The way a recipient would go; undefined when no route matches. */
  readonly routeOf: (recipient: Mailbox, facts: RouteFacts) => Route | undefined;
  readonly entriesOf: (message: PlannedMessage, recipients: readonly EntryRecipient[]) => readonly Entry[];
  /** Hands the message to the queue manager; resolves after the commit. */
  readonly submit: (message: NewMessage) => Promise<Submitted>;
  readonly formatDate: (at: number) => string;
  readonly eventLine: (event: Event) => string;
  /** Events that belong to no commit. */
  readonly tell: (event: Event) => void;
  /** Asks for a place among the connections to the next hop, and dials it. A reply instead: refused for now. */
  readonly openRelay: (route: RelayRoute) => Promise<RelayTransaction | Reply>;
  /** Absent: nobody can log in. */
  readonly logins?: Logins | undefined;
  /** Whether the domain says that it sends and receives no mail (null MX); `unknown` when DNS does not answer. */
  readonly hasNullMx: (domain: string) => Promise<'yes' | 'no' | 'unknown'>;
}
