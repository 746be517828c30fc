/** `mailq` and `sendmail -q`: the queue of a running server, or the spool of one that is stopped. */

import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { connectControl, ControlError } from '../../api/control-client.ts';
import { MAX_PAGE, type QueueAdmin, Refusal } from '../../api/contract.ts';
import { type FlushSelection } from '../../wire/sendmail/options.ts';
import { decodeHead, MAX_HEAD_OCTETS } from '../../wire/sendmail/pickup-file.ts';
import { pickupId } from '../../wire/sendmail/pickup-name.ts';
import { type SendmailExit, SendmailFailure } from './failure.ts';
import { QueueListing, type WaitingFile } from './mailq.ts';
import { dropFolder, type PlaceOptions, spoolFolder } from './place.ts';
import { type SendmailIo } from './program.ts';

const CONTROL_EXITS: Readonly<Record<ControlError['kind'], SendmailExit>> = {
  notRunning: 'unavailable',
  notAnswering: 'temporary',
  forbidden: 'permission',
  failed: 'software',
};

export function listQueue(io: SendmailIo, place: PlaceOptions): Promise<void> {
  return inItsTerms(list(io, place));
}

export function flushQueue(select: FlushSelection, place: PlaceOptions): Promise<void> {
  return inItsTerms(flush(select, place));
}

/** What asking for a queue may fail with, as `sendmail` says it. */
async function inItsTerms(done: Promise<void>): Promise<void> {
  try {
    await done;
  } catch (error) {
    if (error instanceof ControlError)
      throw new SendmailFailure(CONTROL_EXITS[error.kind], error.message, { cause: error });
    if (error instanceof Refusal) throw new SendmailFailure('unavailable', error.message, { cause: error });
    throw error;
  }
}

async function list({ terminal, openOffline }: SendmailIo, place: PlaceOptions): Promise<void> {
  const spool = await spoolOf(place);
  const { admin, close } = await adminOf(spool, openOffline);
  try {
    const listing = new QueueListing();
    let after: string | undefined;
    do {
      const page = await admin.list({ limit: MAX_PAGE, ...(after !== undefined && { after }) });
      for (const entry of page.entries) terminal.out(listing.entry(entry));
      after = page.next;
    } while (after !== undefined);
    for (const file of waitingFiles(await dropFolder(place))) terminal.out(listing.file(file));
    terminal.out(listing.end());
  } finally {
    await close();
  }
}

async function flush(select: FlushSelection, place: PlaceOptions): Promise<void> {
  const control = connectControl(await spoolOf(place));
  await control.flush({ select, all: Object.keys(select).length === 0, by: `sendmail:${ownName()}` });
}

function ownName(): string {
  try {
    return userInfo().username;
  } catch {
    // The system knows no name for this user.
    return `uid ${process.getuid?.() ?? ''}`;
  }
}

async function spoolOf(place: PlaceOptions): Promise<string> {
  try {
    return await spoolFolder(place);
  } catch (error) {
    if (!(error instanceof SendmailFailure) || error.exit !== 'unavailable') throw error;
    const why = 'the queue is only for root and the user that runs the server, who may read its configuration';
    throw new SendmailFailure('permission', `${why}; or name it with -C`, { cause: error });
  }
}

async function adminOf(
  spool: string,
  openOffline: SendmailIo['openOffline'],
): Promise<{ readonly admin: QueueAdmin; readonly close: () => Promise<void> }> {
  const control = connectControl(spool);
  try {
    await control.status();
    return { admin: control, close: async () => undefined };
  } catch (error) {
    if (!(error instanceof ControlError) || error.kind !== 'notRunning') throw error;
  }
  const admin = await openOffline(spool);
  return { admin, close: () => admin.close() };
}

/** So many are shown; a folder that holds more is nobody's to read through. */
const MAX_FILES = 10_000;

/** As far as this user may see them. */
function waitingFiles(folder: string): readonly WaitingFile[] {
  try {
    const names = readdirSync(folder).slice(0, MAX_FILES).sort();
    return names.flatMap((name) => waitingFile(folder, name) ?? []);
  } catch {
    // Not there yet, or not for this user: the queue itself was shown.
    return [];
  }
}

function waitingFile(folder: string, name: string): WaitingFile | undefined {
  const id = pickupId(name);
  if (id === undefined) return undefined;
  try {
    return read(join(folder, name), id);
  } catch {
    // Picked up in this moment.
    return undefined;
  }
}

/** Anybody may have put anything there: no link is followed, and nothing is waited for. */
function read(path: string, id: string): WaitingFile | undefined {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const facts = fstatSync(descriptor);
    if (!facts.isFile()) return undefined;
    const octets = Buffer.alloc(Math.min(facts.size, MAX_HEAD_OCTETS));
    const head = decodeHead(octets.subarray(0, readSync(descriptor, octets, 0, octets.length, 0)));
    if (!head.ok) return undefined;
    const { envelope, contentOctets } = head.value;
    const sender = envelope.sender ?? `uid ${facts.uid}`;
    return { id, octets: contentOctets, at: facts.mtimeMs, sender, recipients: envelope.recipients };
  } finally {
    closeSync(descriptor);
  }
}
