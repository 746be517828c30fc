/**
 * `mailq`: what waits, in the form of Postfix, which people and the programs that watch queues can read.
 *
 *     ----Queue ID-----     --Size-- ---Arrival Time---- --Sender/Recipient------
 *     01mc7fb600zy00001k2m*     1234 Thu Nov 26 01:00:00 ann@example.com
 *                                          (450 4.2.1 Mailbox busy)
 *                                              bob@example.net
 *
 * `*`: it is being tried; `!`: it is held. What lies in the pickup folder and was not taken yet comes last.
 */

import { type EntryView } from '../../api/contract.ts';

/** Something that waits in the pickup folder. */
export interface WaitingFile {
  readonly id: string;
  readonly octets: number;
  readonly at: number;
  readonly sender: string;
  readonly recipients: readonly string[];
}

const ID_WIDTH = 21;
const SIZE_WIDTH = 8;
const DATE_WIDTH = 19;
const REASON_WIDTH = 79;
const RECIPIENT_INDENT = ID_WIDTH + SIZE_WIDTH + DATE_WIDTH + 3;
const KIBI = 1024;

const HEADING = `${'----Queue ID-----'.padEnd(ID_WIDTH)} --Size-- ---Arrival Time---- --Sender/Recipient------\n`;
export const EMPTY = 'Mail queue is empty\n';

/** Writes entries as they come, in the order of their messages. */
export class QueueListing {
  readonly #dateOf: (at: number) => string;
  #message: string | undefined;
  #messages = 0;
  #octets = 0;

  constructor(dateOf: (at: number) => string = localDate) {
    this.#dateOf = dateOf;
  }

  entry({ message, octets, acceptedAt, sender, recipients, lastReply, inFlight, lane }: EntryView): string {
    const mark = inFlight ? '*' : lane === 'held' ? '!' : ' ';
    const head = message === this.#message ? '' : this.#head({ id: message, octets, at: acceptedAt, sender }, mark);
    this.#message = message;
    const reason = lastReply === '' ? '' : `${`(${clean(lastReply)})`.padStart(REASON_WIDTH)}\n`;
    return head + reason + recipientLines(recipients);
  }

  file(file: WaitingFile): string {
    this.#message = file.id;
    const reason = '(waits to be picked up by the server)'.padStart(REASON_WIDTH);
    return `${this.#head(file, ' ')}${reason}\n${recipientLines(file.recipients)}`;
  }

  end(): string {
    if (this.#messages === 0) return EMPTY;
    const kibibytes = Math.ceil(this.#octets / KIBI);
    return `\n-- ${kibibytes} Kbytes in ${this.#messages} Request${this.#messages === 1 ? '' : 's'}.\n`;
  }

  #head({ id, octets, at, sender }: Omit<WaitingFile, 'recipients'>, mark: string): string {
    this.#octets += octets;
    this.#messages += 1;
    const from = sender === '' ? 'MAILER-DAEMON' : clean(sender);
    const line = `${(id + mark).padEnd(ID_WIDTH)} ${String(octets).padStart(SIZE_WIDTH)} ${this.#dateOf(at)} ${from}\n`;
    return this.#messages === 1 ? HEADING + line : `\n${line}`;
  }
}

function recipientLines(recipients: readonly string[]): string {
  return recipients.map((recipient) => `${' '.repeat(RECIPIENT_INDENT)}${clean(recipient)}\n`).join('');
}

/** `Thu Nov 26 01:00:00`, by the clock on the wall. */
function localDate(at: number): string {
  const [day = '', month = '', date = ''] = new Date(at).toDateString().split(' ');
  const time = new Date(at).toTimeString().slice(0, 8);
  return `${day} ${month} ${date.replace(/^0/, ' ')} ${time}`;
}

/** Text of strangers cannot move the cursor or forge a line. */
function clean(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, '?');
}
