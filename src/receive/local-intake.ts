/**
 * Takes in a message that a local program put into the pickup folder.
 *
 * The file is somebody else's, who may be hostile: it is opened without following links or waiting, must be a plain
 * file with one name that only its owner can write, and whatever is in it goes the same way as mail from a client.
 * Who sends is said by the owner of the file, and the trace field tells it.
 *
 * What cannot be delivered is not refused any more, since nobody waits for the reply: recipients that would be refused
 * are recorded as failed, and their sender is told.
 */

import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type Entry, type EntryRecipient } from '../mail/entry.ts';
import { type Recipient } from '../mail/envelope.ts';
import { formatMailbox, type Mailbox, needsSmtpUtf8, parseMailbox, type ReversePath } from '../mail/path.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Reply, replyText } from '../mail/reply.ts';
import { type Event } from '../events/event.ts';
import { cutHeader, withEmptyLine } from '../wire/sendmail/header-section.ts';
import { LineEnds } from '../wire/sendmail/line-ends.ts';
import { decodeHead, MAX_HEAD_OCTETS, type PickupEnvelope, type PickupHead } from '../wire/sendmail/pickup-file.ts';
import { completeHeader } from './local-header.ts';
import { type PlannedMessage, type ReceiveDeps } from './ports.ts';
import { SessionReceiver } from './receiver.ts';
import { type ContentSink, type Peer } from './transaction.ts';

export interface PickupFile {
  readonly path: string;
  /** The id that the message gets. */
  readonly id: QueueId;
}

export type TakenIn =
  | { readonly kind: 'accepted' }
  /** Not now: it stays where it is. */
  | { readonly kind: 'later'; readonly reason: string }
  /** Never: a person must look at it. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Nobody can say what became of it but whoever removed it. */
  | { readonly kind: 'gone' };

export interface LocalSettings {
  /** Completes an address without a domain. */
  readonly domain: string;
  /** Whose `-f` is obeyed: that of everybody, or of these users. */
  readonly mayNameSender: (user: string) => boolean;
}

export interface LocalUser {
  readonly name: string;
  readonly fullName: string;
}

export interface LocalIntakeDeps {
  readonly receive: ReceiveDeps;
  readonly settings: () => LocalSettings;
  /** Undefined: the system knows no such user. */
  readonly userOf: (uid: number) => Promise<LocalUser | undefined>;
  /** Entries of recipients that are refused: they fail, and their sender is told. */
  readonly refusedEntries: (
    message: PlannedMessage,
    recipients: readonly EntryRecipient[],
    firstEntry: number,
  ) => readonly Entry[];
}

export async function takeIn(file: PickupFile, deps: LocalIntakeDeps): Promise<TakenIn> {
  try {
    const handle = await open(file.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      return await takeOpen(handle, file, deps);
    } finally {
      await handle.close();
    }
  } catch (error) {
    return failureOf(error);
  }
}

function failureOf(error: unknown): TakenIn {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  if (code === undefined) throw error;
  if (code === 'ENOENT') return { kind: 'gone' };
  if (code === 'ELOOP' || code === 'EMLINK') return { kind: 'refused', reason: 'it is a symbolic link' };
  if (code === 'EACCES' || code === 'EPERM') return { kind: 'refused', reason: 'the server may not read it' };
  if (code === 'ENXIO' || code === 'ENODEV') return { kind: 'refused', reason: 'it is no plain file' };
  return { kind: 'later', reason: `it cannot be read: ${code}` };
}

const WRITABLE_BY_OTHERS = 0o022;

/** Why a file is not taken, whatever is in it. */
export function whyUnfit(facts: Pick<Stats, 'nlink' | 'mode' | 'isFile'>): string | undefined {
  if (!facts.isFile()) return 'it is no plain file';
  // A second name may be of a file that somebody else wrote for something else.
  if (facts.nlink !== 1) return 'it has more than one name';
  if ((facts.mode & WRITABLE_BY_OTHERS) !== 0) return 'others than its owner can write it';
  return undefined;
}

async function takeOpen(handle: FileHandle, file: PickupFile, deps: LocalIntakeDeps): Promise<TakenIn> {
  const facts = await handle.stat();
  const unfit = whyUnfit(facts);
  if (unfit !== undefined) return { kind: 'refused', reason: unfit };
  const beginning = Buffer.alloc(Math.min(facts.size, MAX_HEAD_OCTETS));
  const { bytesRead } = await handle.read(beginning, 0, beginning.length, 0);
  const head = decodeHead(beginning.subarray(0, bytesRead));
  if (!head.ok) return { kind: 'refused', reason: head.reason };
  const { contentOctets, headOctets } = head.value;
  if (facts.size !== headOctets + contentOctets)
    return {
      kind: 'refused',
      reason: `${facts.size - headOctets} octets of content stand where ${contentOctets} should`,
    };
  const { maxOctets } = deps.receive.settings();
  if (contentOctets > maxOctets)
    return { kind: 'refused', reason: `it is larger than limits.messageOctets (${maxOctets})` };
  const user = (await deps.userOf(facts.uid)) ?? { name: `uid-${facts.uid}`, fullName: '' };
  const message = readEnvelope(head.value, { user, settings: deps.settings() });
  if ('reason' in message) return { kind: 'refused', reason: message.reason };
  return new LocalIntake(file, deps, { ...message, uid: facts.uid, user }).take(handle, head.value);
}

interface LocalMessage {
  readonly envelope: PickupEnvelope;
  readonly reversePath: ReversePath;
  /** Of the user: for From. */
  readonly own: Mailbox;
  readonly recipients: readonly Mailbox[];
}

interface Sending {
  readonly user: LocalUser;
  readonly settings: LocalSettings;
}

function readEnvelope(
  { envelope }: PickupHead,
  { user, settings }: Sending,
): LocalMessage | { readonly reason: string } {
  const own = completed(user.name, settings);
  if (own === undefined) return { reason: `no address can be made of the user name "${user.name}"` };
  const recipients: Mailbox[] = [];
  for (const text of envelope.recipients) {
    const recipient = completed(text, settings);
    if (recipient === undefined) return { reason: `"${text}" is no address` };
    recipients.push(recipient);
  }
  const { sender } = envelope;
  if (sender === undefined || !settings.mayNameSender(user.name))
    return { envelope, own, recipients, reversePath: own };
  if (sender === '') return { envelope, own, recipients, reversePath: null };
  const reversePath = completed(sender, settings);
  return reversePath === undefined
    ? { reason: `"${sender}" is no address` }
    : { envelope, own, recipients, reversePath };
}

function completed(address: string, { domain }: LocalSettings): Mailbox | undefined {
  const whole = parseMailbox(address);
  if (whole.ok) return whole.value;
  const local = parseMailbox(`${address}@${domain}`);
  return local.ok ? local.value : undefined;
}

// Large enough that reading costs little next to what is done with it.
const READ_OCTETS = 65_536;

class LocalIntake {
  readonly #file: PickupFile;
  readonly #deps: LocalIntakeDeps;
  readonly #message: LocalMessage & { readonly uid: number; readonly user: LocalUser };
  readonly #refused: Recipient[] = [];
  readonly #rejections: Event[] = [];

  constructor(
    file: PickupFile,
    deps: LocalIntakeDeps,
    message: LocalMessage & { readonly uid: number; readonly user: LocalUser },
  ) {
    this.#file = file;
    this.#deps = deps;
    this.#message = message;
  }

  async take(handle: FileHandle, head: PickupHead): Promise<TakenIn> {
    const receiver = new SessionReceiver(this.#receiveDeps());
    const { reversePath, recipients, envelope } = this.#message;
    const { notify, ret, envid } = envelope;
    const peer = this.#peer();
    await receiver.connect(peer);
    const smtpUtf8 = needsSmtpUtf8(reversePath) || recipients.some((path) => needsSmtpUtf8(path));
    const sender = { reversePath, body: '8BITMIME', smtpUtf8, ret, envid } as const;
    const answer = await receiver.sender(peer, sender, head.contentOctets);
    if (answer.code >= 300) return outcomeOf(answer);
    for (const forwardPath of recipients) {
      const recipient = { forwardPath, orcpt: undefined, notify };
      const verdict = await receiver.recipient(recipient);
      if (verdict.code >= 300) this.#refused.push(recipient);
    }
    const sink = await receiver.content();
    if ('code' in sink) return outcomeOf(sink);
    return this.#pour(handle, head, sink);
  }

  async #pour(handle: FileHandle, head: PickupHead, sink: ContentSink): Promise<TakenIn> {
    try {
      for await (const chunk of this.#content(handle, head)) await sink.write(chunk);
    } catch (error) {
      sink.abort();
      throw error;
    }
    const replies = await sink.finish();
    const [reply] = 'code' in replies ? [replies] : replies;
    const outcome = reply === undefined ? ({ kind: 'later', reason: 'no reply' } as const) : outcomeOf(reply);
    // Of a message that is tried again the refusals will come again.
    if (outcome.kind !== 'later') for (const event of this.#rejections) this.#deps.receive.tell(event);
    return outcome;
  }

  async *#content(handle: FileHandle, head: PickupHead): AsyncGenerator<Buffer> {
    const { maxHeaderOctets } = this.#deps.receive.settings();
    let gathered: Buffer | undefined = Buffer.alloc(0);
    for await (const chunk of linesOf(handle, head)) {
      if (gathered === undefined) {
        yield chunk;
        continue;
      }
      gathered = Buffer.concat([gathered, chunk]);
      const begun = this.#begin(gathered, gathered.length > maxHeaderOctets ? 'all' : 'more');
      if (begun === undefined) continue;
      gathered = undefined;
      yield begun;
    }
    if (gathered !== undefined) yield this.#begin(gathered, 'all') ?? gathered;
  }

  /** The header section, completed, and what came of the body with it. */
  #begin(gathered: Buffer, all: 'all' | 'more'): Buffer | undefined {
    const cut = cutHeader(gathered, all);
    if (cut === undefined) return undefined;
    const { own, reversePath, envelope, user } = this.#message;
    const { clock, formatDate, settings } = this.#deps.receive;
    const section = completeHeader(cut.section, {
      address: formatMailbox(reversePath ?? own),
      fullName: envelope.fullName ?? user.fullName,
      date: formatDate(clock.now()),
      id: this.#file.id,
      hostname: settings().hostname,
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

  /** Of the worker, but for what is different with one's own users. */
  #receiveDeps(): ReceiveDeps {
    const { receive, refusedEntries } = this.#deps;
    const { settings } = receive;
    return {
      ...receive,
      settings: () => ({
        ...settings(),
        refuseNullMxSenders: false,
        relay: { ...settings().relay, isTrusted: () => true },
      }),
      nextId: () => this.#file.id,
      // Nobody waits for the reply of a stateless relay, or of a route that refuses: the message is kept, and goes there.
      routeOf: (recipient, facts) => {
        const route = receive.routeOf(recipient, facts);
        const kept = route?.kind === 'relay' || route?.kind === 'fail';
        return kept ? { name: route.name, match: {}, kind: 'discard' } : route;
      },
      entriesOf: (message, recipients) => {
        const entries = receive.entriesOf(message, recipients);
        const refused = this.#refused.map((recipient, i) => ({ ...recipient, index: recipients.length + i }));
        return [...entries, ...refusedEntries(message, refused, entries.length)];
      },
      submit: (message) => receive.submit({ ...message, keep: this.#file.path }),
      tell: (event) => void this.#rejections.push(event),
    };
  }
}

/** The content, with CRLF line ends and no others. */
async function* linesOf(handle: FileHandle, { headOctets, contentOctets }: PickupHead): AsyncGenerator<Buffer> {
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

function outcomeOf(reply: Reply): TakenIn {
  if (reply.code < 300) return { kind: 'accepted' };
  return { kind: reply.code < 500 ? 'later' : 'refused', reason: replyText(reply) };
}
