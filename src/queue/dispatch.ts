/**
 * An entry handed to a worker to be tried now, and what the worker reports of it.
 *
 * Plain values: they cross threads. A *slot* is one connection that the queue manager has allowed
 * on an egress path; the worker that holds it may have it open or not. Dispatches on one slot run
 * one after the other, so the limits of the path are exact.
 */

import { type PieceUses } from '../lib/octet-pieces.ts';
import { type Instant } from '../lib/time.ts';
import { type SenderParameters } from '../mail/envelope.ts';
import { type Outcome } from '../mail/outcome.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type EntryId, type EntryRecipient } from '../mail/entry.ts';
import { type Route } from '../mail/route.ts';
import { type StsPolicy } from '../mail/sts-policy.ts';
import { type TlsSession } from '../mail/tls-result.ts';

export type SlotId = number;

/**
 * What a worker can read content from: octets, a file that stays until the dispatch is finished, or the queue manager,
 * which is asked for one block after the other. Pieces, which may be many, cross no thread: a worker that has the
 * content of a file in memory puts them in its place.
 */
export type DispatchContent =
  /** `wire`: the same as DATA carries it, with its end; only where that is known already. */
  | { readonly kind: 'octets'; readonly octets: Uint8Array; readonly wire?: Uint8Array }
  | {
      readonly kind: 'pieces';
      readonly pieces: readonly Buffer[];
      readonly uses: PieceUses;
      /** `lines`: every CR and LF in it is of a CRLF. */
      readonly form: 'any' | 'lines';
    }
  | { readonly kind: 'blocks'; readonly octets: number }
  /** `block`: to be read in pieces of that size. */
  | { readonly kind: 'file'; readonly path: string; readonly octets: number; readonly block?: number };

/** A host to try, in order. */
export interface Host {
  /** Host name, or a textual IP address. */
  readonly name: string;
  readonly preference: number;
}

export interface Dispatch {
  readonly id: number;
  readonly slot: SlotId;
  /** `site|source`. */
  readonly path: string;
  readonly site: string;
  readonly route: Route;
  /** Empty for routes that dial nobody. */
  readonly hosts: readonly Host[];
  /** The MTA-STS policy of the domain that the recipients share, if it has one. */
  readonly sts?: StsPolicy | undefined;
  /** DNSSEC vouches for the names of the hosts. */
  readonly secure?: boolean;
  readonly message: QueueId;
  readonly entry: EntryId;
  readonly sender: SenderParameters;
  readonly recipients: readonly EntryRecipient[];
  readonly content: DispatchContent;
  /** Known from its arrival: no octet of the content is above 127. */
  readonly sevenBit?: boolean;
  readonly acceptedAt: Instant;
  /** Beginning at 1. */
  readonly attempt: number;
}

export interface AttemptReport {
  readonly id: number;
  /** One for each recipient of the dispatch, in its order. */
  readonly outcomes: readonly Outcome[];
  /** What the slot is left with. */
  readonly connection: 'open' | 'closed';
  /** Host and address that were spoken to last; `''` when nobody was reached. */
  readonly host: string;
  readonly address: string;
  readonly tls: string | undefined;
  /** Which policy of encryption the last session was held to, and what came of it; absent where nobody was dialled. */
  readonly tlsSession?: TlsSession | undefined;
  /** Every session that was begun for this dispatch, for reports to the receiver. */
  readonly tlsSessions?: readonly TlsSession[];
  /** The connection was there before this dispatch. */
  readonly reused: boolean;
  /** A connection was tried and could not be made or was refused at its greeting. */
  readonly refused: boolean;
  /** Milliseconds. */
  readonly connectTime: number;
  readonly transmitTime: number;
}

/** What a next hop is told of a message: content that has octets above 127 is `8BITMIME`, whatever was declared. */
export function senderOf(message: {
  readonly envelope: SenderParameters;
  readonly eightBit: boolean;
}): SenderParameters {
  const { reversePath, body, smtpUtf8, ret, envid, requireTls, tlsOptional, deliverBy, priority } = message.envelope;
  const sender = { reversePath, body: message.eightBit && body === '7BIT' ? '8BITMIME' : body, smtpUtf8, ret, envid };
  if (requireTls !== true && tlsOptional !== true && deliverBy === undefined && priority === undefined) return sender;
  return {
    ...{ ...sender, requireTls: requireTls === true, tlsOptional: tlsOptional === true },
    ...(deliverBy && { deliverBy }),
    ...(priority !== undefined && { priority }),
  };
}
