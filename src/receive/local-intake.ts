/**
 * Takes in a message that a local program put into the pickup folder: the same way as mail from a client, with what is
 * different for one's own users.
 *
 * Nobody waits for the reply. So recipients that a client would be refused are recorded as failed, and where the whole
 * message would be refused it is recorded without its content; either way the sender is told what a client would read.
 */

import { type FileHandle } from 'node:fs/promises';
import { type Entry, type EntryRecipient } from '../mail/entry.ts';
import { type Recipient, type SenderParameters } from '../mail/envelope.ts';
import { headerEnd, headerFields } from '../mail/header.ts';
import { HeaderSection } from '../mail/header-section.ts';
import { formatMailbox, type Mailbox, needsSmtpUtf8 } from '../mail/path.ts';
import { type Reply, reply, replyText } from '../mail/reply.ts';
import { type Event } from '../events/event.ts';
import { cutHeader, withEmptyLine } from '../wire/sendmail/header-section.ts';
import { LineEnds } from '../wire/sendmail/line-ends.ts';
import { type PickupHead } from '../wire/sendmail/pickup-file.ts';
import { completeHeader } from './header-completion.ts';
import { type LocalMessage, type MessageDeps, type PickupFile, type TakenIn, withMessage } from './local-message.ts';
import { type PlannedMessage, type ReceiveDeps } from './ports.ts';
import { SessionReceiver } from './receiver.ts';
import { type Peer } from './transaction.ts';

/** Recipients, and what a client would have read of them. */
export interface Refused {
  readonly recipients: readonly EntryRecipient[];
  readonly why: Reply;
}

export interface LocalIntakeDeps extends Pick<MessageDeps, 'settings' | 'userOf'> {
  readonly receive: ReceiveDeps;
  /** Entries of recipients that are refused: they fail, and their sender is told. They come after `first` others. */
  readonly refusedEntries: (message: PlannedMessage, refused: Refused, first: number) => readonly Entry[];
}

export function takeIn(file: PickupFile, deps: LocalIntakeDeps): Promise<TakenIn> {
  return withMessage(file.path, deps, (message) => new LocalIntake(file, deps, message).take());
}

/** Of a message that was refused, and set aside as `file`: its sender is told with `why`. */
export function tellRefused(file: PickupFile, why: Reply, deps: LocalIntakeDeps): Promise<TakenIn> {
  return withMessage(file.path, deps, (message) => new LocalIntake(file, deps, message).refuse(why));
}

// Large enough that reading costs little next to what is done with it.
const READ_OCTETS = 65_536;

class LocalIntake {
  readonly #file: PickupFile;
  readonly #deps: LocalIntakeDeps;
  readonly #message: LocalMessage;
  readonly #refused: { readonly recipient: Recipient; readonly why: Reply }[] = [];
  readonly #rejections: Event[] = [];

  constructor(file: PickupFile, deps: LocalIntakeDeps, message: LocalMessage) {
    this.#file = file;
    this.#deps = deps;
    this.#message = message;
  }

  async take(): Promise<TakenIn> {
    const { head, handle, recipients } = this.#message;
    const { maxOctets } = this.#deps.receive.settings();
    if (head.contentOctets > maxOctets)
      return outcomeOf(reply(552, '5.3.4', `Message larger than ${maxOctets} octets (limits.messageOctets)`));
    const receiver = this.#receiver(this.#file.path);
    const answer = await this.#begin(receiver);
    if (answer.code >= 300) return outcomeOf(answer);
    for (const forwardPath of recipients) {
      const recipient = this.#recipient(forwardPath);
      const why = await receiver.recipient(recipient);
      if (why.code >= 300) this.#refused.push({ recipient, why });
    }
    const outcome = await this.#pour(receiver, contentOf(handle, head));
    // Of a message that is tried again the refusals will come again.
    if (outcome.kind !== 'later') for (const event of this.#rejections) this.#deps.receive.tell(event);
    return outcome;
  }

  /** Every recipient fails; of the content only what says which message it was is kept. */
  async refuse(why: Reply): Promise<TakenIn> {
    const { handle, head, recipients } = this.#message;
    const receiver = this.#receiver(undefined);
    const answer = await this.#begin(receiver);
    if (answer.code >= 300) return outcomeOf(answer);
    for (const forwardPath of recipients) this.#refused.push({ recipient: this.#recipient(forwardPath), why });
    return this.#pour(receiver, [await shortened(handle, head)]);
  }

  async #begin(receiver: SessionReceiver): Promise<Reply> {
    const { reversePath, recipients, head } = this.#message;
    const { ret, envid } = head.envelope;
    const peer = this.#peer();
    await receiver.connect(peer);
    const smtpUtf8 = needsSmtpUtf8(reversePath) || recipients.some((path) => needsSmtpUtf8(path));
    const sender: SenderParameters = { reversePath, body: '8BITMIME', smtpUtf8, ret, envid };
    return receiver.sender(peer, sender, { declaredOctets: head.contentOctets });
  }

  #recipient(forwardPath: Mailbox): Recipient {
    return { forwardPath, orcpt: undefined, notify: this.#message.head.envelope.notify };
  }

  async #pour(receiver: SessionReceiver, content: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<TakenIn> {
    const sink = await receiver.content();
    if ('code' in sink) return outcomeOf(sink);
    try {
      for await (const chunk of this.#completed(content)) await sink.write(chunk);
    } catch (error) {
      sink.abort();
      throw error;
    }
    const replies = await sink.finish();
    const [last] = 'code' in replies ? [replies] : replies;
    return last === undefined ? { kind: 'later', reason: 'no reply' } : outcomeOf(last);
  }

  /** The content, its header section completed. */
  async *#completed(content: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
    const { maxHeaderOctets } = this.#deps.receive.settings();
    let gathered: Buffer | undefined = Buffer.alloc(0);
    for await (const chunk of content) {
      if (gathered === undefined) {
        yield chunk;
        continue;
      }
      gathered = Buffer.concat([gathered, chunk]);
      const isLong = gathered.length > maxHeaderOctets;
      // Longer than it may be, and not at its end: it is refused as it is, since a field that is cut would be half a text.
      const begun = isLong && endsInHeader(gathered) ? gathered : this.#beginning(gathered, isLong ? 'all' : 'more');
      if (begun === undefined) continue;
      gathered = undefined;
      yield begun;
    }
    if (gathered !== undefined) yield this.#beginning(gathered, 'all') ?? gathered;
  }

  /** The header section, completed, and what came of the body with it. */
  #beginning(gathered: Buffer, all: 'all' | 'more'): Buffer | undefined {
    const cut = cutHeader(gathered, all);
    if (cut === undefined) return undefined;
    const { own, reversePath, head, user } = this.#message;
    const { clock, formatDate, settings } = this.#deps.receive;
    const section = completeHeader(new HeaderSection(cut.section), {
      address: formatMailbox(reversePath ?? own),
      fullName: head.envelope.fullName ?? user.fullName,
      date: formatDate(clock.now()),
      id: this.#file.id,
      hostname: settings().hostname,
      domain: this.#deps.settings().domain,
    });
    return Buffer.concat([withEmptyLine(section), cut.body]);
  }

  #peer(): Peer {
    const { uid, user } = this.#message;
    return {
      ...{ address: '', port: 0, listener: 'pickup', protocol: 'LOCAL', tls: undefined },
      helloName: `uid ${uid} (${user.name})`,
    };
  }

  /** Who may not name another reverse-path is not signed as another author either: the domain would answer for it. */
  #mayBe(author: string): boolean {
    const { user, own } = this.#message;
    return this.#deps.settings().mayNameSender(user.name) || author.toLowerCase() === formatMailbox(own).toLowerCase();
  }

  /** `keep`: the file, until whose end the message is known. */
  #receiver(keep: string | undefined): SessionReceiver {
    const { receive } = this.#deps;
    const { settings } = receive;
    return new SessionReceiver({
      ...receive,
      settings: () => ({
        ...settings(),
        refuseNullMxSenders: false,
        relay: { ...settings().relay, isTrusted: () => true },
        optionsFrom: () => this.#deps.settings().mayGiveOptions(this.#message.user.name),
      }),
      nextId: () => this.#file.id,
      signsOnlyOf: (author) => this.#mayBe(author),
      // Nobody waits for the reply of a stateless relay, or of a route that refuses: the message is kept, and goes there.
      routeOf: (recipient, facts) => {
        const route = receive.routeOf(recipient, facts);
        const kept = route?.kind === 'relay' || route?.kind === 'fail';
        return kept ? { name: route.name, match: {}, kind: 'discard' } : route;
      },
      entriesOf: (message, recipients) => this.#entries(message, recipients),
      submit: (message) => receive.submit(keep === undefined ? message : { ...message, keep }),
      tell: (event) => void this.#rejections.push(event),
    });
  }

  #entries(message: PlannedMessage, recipients: readonly EntryRecipient[]): readonly Entry[] {
    const { receive, refusedEntries } = this.#deps;
    const entries = [...receive.entriesOf(message, recipients)];
    const byReply = Map.groupBy(
      this.#refused.map(({ recipient, why }, i) => ({
        why,
        recipient: { ...recipient, index: recipients.length + i },
      })),
      ({ why }) => replyText(why),
    );
    for (const [first, ...others] of byReply.values()) {
      if (first === undefined) continue;
      const refused = { why: first.why, recipients: [first, ...others].map(({ recipient }) => recipient) };
      entries.push(...refusedEntries(message, refused, entries.length));
    }
    return entries;
  }
}

/** The content, with CRLF line ends and no others. */
async function* contentOf(handle: FileHandle, { headOctets, contentOctets }: PickupHead): AsyncGenerator<Buffer> {
  const lines = new LineEnds('stays');
  const end = headOctets + contentOctets;
  for (let at = headOctets; at < end;) {
    const chunk = Buffer.allocUnsafe(Math.min(READ_OCTETS, end - at));
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) break; // Its owner made it shorter.
    at += bytesRead;
    yield lines.push(chunk.subarray(0, bytesRead));
  }
  yield lines.end();
}

/** Whether the last field that has come may go on. */
function endsInHeader(octets: Buffer): boolean {
  return headerEnd(octets) === -1 && cutHeader(octets, 'all')?.body.length === 0;
}

const TELLING_FIELDS = new Set(['from', 'to', 'cc', 'subject', 'date', 'message-id']);
const MAX_TELLING_FIELD = 998;

/** Of what was refused: a few fields that say which message it was. */
async function shortened(handle: FileHandle, head: PickupHead): Promise<Buffer> {
  const contentOctets = Math.min(head.contentOctets, READ_OCTETS);
  let octets: Buffer = Buffer.alloc(0);
  for await (const chunk of contentOf(handle, { ...head, contentOctets })) octets = Buffer.concat([octets, chunk]);
  const section = cutHeader(octets, 'all')?.section ?? octets;
  const telling = headerFields(section).filter(
    ({ name, start, end }) => TELLING_FIELDS.has(name) && end - start <= MAX_TELLING_FIELD,
  );
  return withEmptyLine(Buffer.concat(telling.map(({ start, end }) => section.subarray(start, end))));
}

function outcomeOf(given: Reply): TakenIn {
  if (given.code < 300) return { kind: 'accepted' };
  const reason = replyText(given);
  return given.code < 500 ? { kind: 'later', reason } : { kind: 'refused', reason, reply: given };
}
