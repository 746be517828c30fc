/**
 * A file of the pickup folder, opened and read as far as its envelope.
 *
 * The file is somebody else's, who may be hostile: it is opened without following links or waiting, and must be a plain
 * file with one name that only its owner can write. Who sends is said by the owner of the file.
 */

import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type Parsed, unparsed } from '../lib/parsed.ts';
import { type Mailbox, parseMailbox, type ReversePath } from '../mail/path.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Reply } from '../mail/reply.ts';
import { decodeHead, MAX_HEAD_OCTETS, type PickupEnvelope, type PickupHead } from '../wire/sendmail/pickup-file.ts';

export interface PickupFile {
  readonly path: string;
  /** The id that the message gets. */
  readonly id: QueueId;
}

export type TakenIn =
  | { readonly kind: 'accepted' }
  /** Not now: it stays where it is. */
  | { readonly kind: 'later'; readonly reason: string }
  /** Never: a person must look at it. `reply`: what a client would have read, of which its sender can be told. */
  | { readonly kind: 'refused'; readonly reason: string; readonly reply?: Reply }
  /** Nobody can say what became of it but whoever removed it. */
  | { readonly kind: 'gone' };

export interface LocalSettings {
  /** Completes an address without a domain. */
  readonly domain: string;
  /** Whether this user's `-f` is obeyed. */
  readonly mayNameSender: (user: string) => boolean;
  /** Whether this user's option fields are obeyed. */
  readonly mayGiveOptions: (user: string) => boolean;
}

export interface LocalUser {
  readonly name: string;
  readonly fullName: string;
}

export interface LocalMessage {
  readonly handle: FileHandle;
  readonly head: PickupHead;
  readonly uid: number;
  readonly user: LocalUser;
  readonly reversePath: ReversePath;
  /** Of the user: for From. */
  readonly own: Mailbox;
  readonly recipients: readonly Mailbox[];
}

export interface MessageDeps {
  readonly settings: () => LocalSettings;
  /** Undefined: the system knows no such user. */
  readonly userOf: (uid: number) => Promise<LocalUser | undefined>;
}

/** Closes the file when `use` is over. */
export async function withMessage(
  path: string,
  deps: MessageDeps,
  use: (message: LocalMessage) => Promise<TakenIn>,
): Promise<TakenIn> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const message = await readMessage(handle, deps);
      return 'kind' in message ? message : await use(message);
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
  if (code === 'ELOOP' || code === 'EMLINK') return refused('it is a symbolic link');
  if (code === 'EACCES' || code === 'EPERM') return refused('the server may not read it');
  if (code === 'ENXIO' || code === 'ENODEV') return refused('it is no plain file');
  return { kind: 'later', reason: `it cannot be read: ${code}` };
}

function refused(reason: string): TakenIn {
  return { kind: 'refused', reason };
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

async function readMessage(handle: FileHandle, deps: MessageDeps): Promise<LocalMessage | TakenIn> {
  const facts = await handle.stat();
  const unfit = whyUnfit(facts);
  if (unfit !== undefined) return refused(unfit);
  const head = await readHead(handle, facts.size);
  if (!head.ok) return refused(head.reason);
  const { contentOctets, headOctets } = head.value;
  const there = facts.size - headOctets;
  if (there !== contentOctets) return refused(`${there} octets of content stand where ${contentOctets} should`);
  const user = (await deps.userOf(facts.uid)) ?? { name: `uid-${facts.uid}`, fullName: '' };
  const addresses = addressesOf(head.value.envelope, { user, settings: deps.settings() });
  if ('reason' in addresses) return refused(addresses.reason);
  return { handle, head: head.value, uid: facts.uid, user, ...addresses };
}

/** Nearly every envelope is short; one of a thousand recipients is not. */
const USUAL_HEAD = 16_384;

async function readHead(handle: FileHandle, size: number): Promise<Parsed<PickupHead>> {
  for (const most of [USUAL_HEAD, MAX_HEAD_OCTETS]) {
    const beginning = Buffer.allocUnsafe(Math.min(size, most));
    const { bytesRead } = await handle.read(beginning, 0, beginning.length, 0);
    const head = decodeHead(beginning.subarray(0, bytesRead));
    if (head.ok || most === MAX_HEAD_OCTETS || size <= most) return head;
  }
  return unparsed('its envelope has no end');
}

interface Sending {
  readonly user: LocalUser;
  readonly settings: LocalSettings;
}

type Addresses = Pick<LocalMessage, 'own' | 'recipients' | 'reversePath'>;

function addressesOf(envelope: PickupEnvelope, { user, settings }: Sending): Addresses | { readonly reason: string } {
  const own = completed(user.name, settings);
  if (own === undefined) return { reason: `no address can be made of the user name "${user.name}"` };
  const recipients: Mailbox[] = [];
  for (const text of envelope.recipients) {
    const recipient = completed(text, settings);
    if (recipient === undefined) return { reason: `"${text}" is no address` };
    recipients.push(recipient);
  }
  const { sender } = envelope;
  if (sender === undefined || !settings.mayNameSender(user.name)) return { own, recipients, reversePath: own };
  if (sender === '') return { own, recipients, reversePath: null };
  const reversePath = completed(sender, settings);
  return reversePath === undefined ? { reason: `"${sender}" is no address` } : { own, recipients, reversePath };
}

function completed(address: string, { domain }: LocalSettings): Mailbox | undefined {
  const whole = parseMailbox(address);
  if (whole.ok) return whole.value;
  const local = parseMailbox(`${address}@${domain}`);
  return local.ok ? local.value : undefined;
}
