/**
 * A worker's side of the fast path: messages that it took and that the queue manager may send back to it for their
 * first attempt, so that their content does not cross threads again.
 *
 * The queue manager decides, and says when a message is no longer wanted; here the octets are counted.
 */

import { type EntryId } from '../mail/entry.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Dispatch, type DispatchContent, senderOf } from '../queue/dispatch.ts';
import { type OctetBudget } from '../receive/octet-budget.ts';
import { type NewMessage } from '../spool/spool.ts';
import { wireInPlace } from '../wire/smtp/client-content.ts';
import { type KeptDispatch } from './messages.ts';

export class KeptMessages {
  readonly #budget: OctetBudget;
  readonly #limit: number;
  readonly #kept = new Map<QueueId, NewMessage>();
  #octets = 0;

  /** At most `limit` octets of the budget. */
  constructor(budget: OctetBudget, limit: number) {
    this.#budget = budget;
    this.#limit = limit;
  }

  get octets(): number {
    return this.#octets;
  }

  /** Whether it is kept: not what lies in a file, and nothing while memory is tight. */
  keep(message: NewMessage): boolean {
    const { content } = message;
    if (content.kind === 'file' || this.#budget.tight) return false;
    const { length } = content.octets;
    if (this.#octets + length > this.#limit || !this.#budget.take(length)) return false;
    this.#octets += length;
    this.#kept.set(message.id, message);
    return true;
  }

  forget(id: QueueId): void {
    const content = this.#kept.get(id)?.content;
    if (content?.kind !== 'octets') return;
    this.#kept.delete(id);
    this.#octets -= content.octets.length;
    this.#budget.give(content.octets.length);
  }

  /** The dispatch, with what is known here; undefined: the message is not kept. */
  complete(dispatch: KeptDispatch): Dispatch | undefined {
    const message = this.#kept.get(dispatch.message);
    const recipients = recipientsOf(message, dispatch.entry);
    if (message === undefined || recipients === undefined) return undefined;
    return {
      ...dispatch,
      sender: senderOf(message),
      recipients,
      content: contentOf(message),
      sevenBit: !message.eightBit,
      acceptedAt: message.acceptedAt,
    };
  }
}

function recipientsOf(message: NewMessage | undefined, id: EntryId): Dispatch['recipients'] | undefined {
  return message?.entries.find((entry) => entry.id === id)?.recipients;
}

/** What came by SMTP has whole CRLF lines only, unless it is declared binary: anything else was refused. */
function contentOf({ content, envelope }: NewMessage): DispatchContent {
  if (content.kind === 'file') throw new Error('content in a file is never kept');
  const wire = envelope.body === 'BINARYMIME' ? undefined : wireInPlace(content.octets);
  return wire === undefined ? content : { ...content, wire };
}
