/** What a delivery agent is given: its ports, its name, its limits. */

import { type Duration, MINUTE, SECOND } from '../lib/time.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Random } from '../ports/random.ts';
import { type Resolver } from '../ports/resolver.ts';
import { type Timers } from '../ports/timers.ts';
import { type SlotId } from '../queue/dispatch.ts';
import { type AddressFamily } from './smtp/addresses.ts';
import { type ResumptionCache } from './smtp/resumption-cache.ts';

export interface AgentOptions {
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly log: Log;
  readonly helloName: string;
  readonly source?: EgressSource;
  readonly timeouts: DeliveryTimeouts;
  /** Addresses dialled in one attempt. */
  readonly maxAddresses: number;
  /** Servers spoken to in one attempt that refuse the session. */
  readonly maxGreetings: number;
  readonly family: AddressFamily;
  readonly tls?: DeliveryTls;
  /**
   * A message that is signed by DKIM and needs conversion for a 7-bit next hop: `convert` (RFC 6152 §3; the
   * signature no longer verifies, the message arrives) or `fail` with 5.6.3.
   */
  readonly convertSigned: 'convert' | 'fail';
  /** Our own listeners and whatever else must never be dialled. */
  readonly prohibited: (address: string, port: number) => boolean;
  /** Hosts that were seen to offer encryption. Absent: nothing is remembered. */
  readonly tlsMemory?: TlsMemory;
  /** Absent: each handshake is a full one. */
  readonly resumptions?: ResumptionCache | undefined;
  /** A part of the content of a message that was dispatched as blocks. Rejects when it is gone. */
  readonly readContent: (message: QueueId, at: number, octets: number) => Promise<Uint8Array>;
  /** An open connection was lost while no dispatch was on its slot. */
  readonly onSlotClosed: (slot: SlotId, reason: string) => void;
}

/** So that whoever strips STARTTLS from a session is noticed. */
export interface TlsMemory {
  /** The host offered encryption before, not too long ago. */
  knows(host: string): boolean;
  /** It does now. */
  seen(host: string): void;
  /** A host that is known and offers none: send in clear and tell it, or wait. */
  readonly withoutTls: 'tell' | 'defer';
}

/** Where we send from. An address family without an address here is left to the system. */
export interface EgressSource {
  readonly address4?: string;
  readonly address6?: string;
  readonly helloName?: string;
}

export interface DeliveryTls {
  /** PEM; in place of the system's. */
  readonly ca?: string | readonly string[];
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** PEM, by the file of the certificate as routes name it. */
  readonly clientCertificates?: ReadonlyMap<string, { readonly cert: string; readonly key: string }>;
}

/** RFC 5321 §4.5.3.2, and what bounds the whole. A clock starts anew at each whole reply, never at single octets. */
export interface DeliveryTimeouts {
  readonly connect: Duration;
  readonly greeting: Duration;
  /** Reply to EHLO, STARTTLS, AUTH, MAIL, RCPT, RSET. */
  readonly command: Duration;
  readonly handshake: Duration;
  readonly data: Duration;
  /** Until a block of content has been taken. */
  readonly block: Duration;
  readonly final: Duration;
  readonly quit: Duration;
  /** One session's opening, and one message, from beginning to end. */
  readonly total: Duration;
}

export const DEFAULT_TIMEOUTS: DeliveryTimeouts = {
  connect: 30 * SECOND,
  greeting: 5 * MINUTE,
  command: 5 * MINUTE,
  handshake: MINUTE,
  data: 2 * MINUTE,
  block: 3 * MINUTE,
  final: 10 * MINUTE,
  quit: 10 * SECOND,
  total: 60 * MINUTE,
};
