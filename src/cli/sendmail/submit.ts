/**
 * `sendmail` as programs use it: a message from standard input, recipients from the command line or the header section.
 *
 * As with Postfix, `-t` adds those of the header section to those of the command line. Bcc does not go out. Addresses
 * without a domain are completed by the server, which knows its own.
 */

import { parseAddressList } from '../../mail/address-list.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import { cutHeader, recipientsIn, withEmptyLine, withoutBcc } from '../../wire/sendmail/header-section.ts';
import { LineEnds } from '../../wire/sendmail/line-ends.ts';
import { type SendmailCommand } from '../../wire/sendmail/options.ts';
import { MAX_PICKUP_RECIPIENTS, type PickupEnvelope } from '../../wire/sendmail/pickup-file.ts';
import { DropFile, type DropOptions } from './drop-file.ts';
import { SendmailFailure } from './failure.ts';

/** Beyond this a header section is none; the server has a limit of its own, which is lower. */
const MAX_HEADER_OCTETS = 8 * 1024 * 1024;

export interface Submission {
  readonly command: SendmailCommand;
  readonly input: AsyncIterable<Buffer>;
  readonly drop: DropOptions;
  /** `NAME` of the environment, as mail programs have it. */
  readonly name: string | undefined;
}

/** Resolves when the message is safe. */
export async function submit({ command, input, drop, name }: Submission): Promise<QueueId> {
  const message = new Message(command, drop, name);
  const lines = new LineEnds(command.loneDot);
  try {
    for await (const chunk of orNoInput(input)) {
      message.push(lines.push(chunk), 'more');
      if (lines.ended) break;
    }
    message.push(lines.end(), 'all');
    return message.finish();
  } catch (error) {
    message.abandon();
    throw error;
  }
}

async function* orNoInput(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* input;
  } catch (error) {
    if (error instanceof SendmailFailure) throw error;
    throw new SendmailFailure('noInput', `standard input cannot be read: ${String(error)}`, { cause: error });
  }
}

class Message {
  readonly #command: SendmailCommand;
  readonly #drop: DropOptions;
  readonly #envelope: PickupEnvelope;
  #head: Buffer = Buffer.alloc(0);
  #file: DropFile | undefined;

  constructor(command: SendmailCommand, drop: DropOptions, name: string | undefined) {
    this.#command = command;
    this.#drop = drop;
    this.#envelope = envelopeOf(command, name);
  }

  push(octets: Buffer, how: 'all' | 'more'): void {
    if (this.#file !== undefined) return this.#file.write(octets);
    this.#head = Buffer.concat([this.#head, octets]);
    const cut = cutHeader(this.#head, how === 'all' || this.#head.length > MAX_HEADER_OCTETS ? 'all' : 'more');
    if (cut === undefined) return undefined;
    if (cut.section.length > MAX_HEADER_OCTETS)
      throw new SendmailFailure('data', `the header section is larger than ${MAX_HEADER_OCTETS} octets`);
    this.#head = Buffer.alloc(0);
    const recipients = this.#recipients(cut.section);
    this.#file = new DropFile(this.#drop, { ...this.#envelope, recipients });
    this.#file.write(withEmptyLine(withoutBcc(cut.section)));
    return this.#file.write(cut.body);
  }

  finish(): QueueId {
    if (this.#file === undefined) throw new Error('a message without an end');
    this.#file.finish();
    return this.#file.id;
  }

  abandon(): void {
    this.#file?.abandon();
  }

  #recipients(section: Buffer): readonly string[] {
    const found = this.#command.extract ? recipientsIn(section, MAX_PICKUP_RECIPIENTS) : undefined;
    if (found?.ok === false) throw new SendmailFailure('data', found.reason);
    const all = [...new Set([...this.#envelope.recipients, ...(found?.value ?? [])])];
    if (all.length === 0) throw new SendmailFailure('usage', 'the header section names no recipients');
    if (all.length <= MAX_PICKUP_RECIPIENTS) return all;
    throw new SendmailFailure(
      'data',
      `a message has at most ${MAX_PICKUP_RECIPIENTS} recipients, and these are ${all.length}`,
    );
  }
}

function envelopeOf(
  { recipients, sender, fullName, notify, ret, envid }: SendmailCommand,
  name: string | undefined,
): PickupEnvelope {
  const shownName = fullName ?? name;
  return {
    ...(sender !== undefined && { sender: senderOf(sender) }),
    ...(shownName !== undefined && { fullName: shownName.slice(0, MAX_NAME) }),
    recipients: recipients.flatMap((text) => addressesIn(text, MAX_PICKUP_RECIPIENTS)),
    ...(notify && { notify }),
    ...(ret && { ret }),
    ...(envid !== undefined && { envid }),
  };
}

const MAX_NAME = 500;

/** `''` and `<>` are the null reverse-path. */
function senderOf(text: string): string {
  if (/^\s*(?:<\s*>)?\s*$/.test(text)) return '';
  const [only, ...others] = addressesIn(text, 2);
  if (only !== undefined && others.length === 0) return only;
  throw new SendmailFailure('usage', `-f ${JSON.stringify(text)}: write one address`);
}

/** An argument may be a list, as it may in a header field. */
function addressesIn(text: string, limit: number): readonly string[] {
  const listed = parseAddressList(text, limit);
  if (listed.ok) return listed.value.map(({ address }) => address);
  throw new SendmailFailure('data', `${JSON.stringify(text.slice(0, 200))} is no address: ${listed.reason}`);
}
