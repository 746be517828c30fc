/**
 * Delivery into a Maildir: `tmp/`, fsync, `new/`, fsync of the folder. A message is in the mailbox whole or not at all,
 * and once it is reported as delivered it survives a crash.
 *
 * The name is `<seconds>.M<microseconds>P<process>Q<count>.<host>,S=<size>`: never used twice.
 *
 * `{user}` and `{domain}` of the route's path are filled with one path element each; a recipient whose address cannot
 * be one fails. Links below the fixed part of the path are not followed: who may write into one mailbox
 * must not choose where the mail of others goes.
 */

import { constants, mkdir, lstat, open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { Lru } from '../lib/lru.ts';
import { maildirParts } from '../mail/maildir-path.ts';
import { type EntryRecipient } from '../mail/entry.ts';
import { type Outcome } from '../mail/outcome.ts';
import { type MaildirRoute } from '../mail/route.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Dispatch } from '../queue/dispatch.ts';
import { type OutgoingContent } from './content.ts';
import { deliverEach, deliveryFields, filledIn } from './final-delivery.ts';
import { LocalLines } from './local-lines.ts';
import { deliveredHere, ourOutcome } from './report.ts';

export interface MaildirDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly helloName: string;
  readonly pid: number;
}

/** Of folders. One that is forgotten is synced once more. */
const SYNCED_NAMES = 10_000;
const syncedNames = new Lru<string, 'new' | 'old'>(SYNCED_NAMES);

let count = 0;

export async function deliverToMaildir(
  dispatch: Dispatch & { readonly route: MaildirRoute },
  content: OutgoingContent,
  deps: MaildirDeps,
): Promise<readonly Outcome[]> {
  return deliverEach(dispatch, content, async (recipient) => {
    const folder = maildirOf(dispatch.route.path, recipient);
    if (folder === undefined)
      return ourOutcome('5.1.3', 'the address cannot be the name of a mailbox', {
        scope: 'recipient',
        cause: 'policy',
      });
    const fields = deliveryFields(dispatch.sender.reversePath, recipient.forwardPath);
    try {
      await makeFolders(folder);
      await deliverInto(folder.path, uniqueName(deps), { fields, content });
      return deliveredHere('delivered to the mailbox');
    } catch (error) {
      return refusedBy(error, deps.log);
    }
  });
}

interface Folder {
  readonly path: string;
  /** The part of the path that no recipient decides. */
  readonly base: string;
}

/** Undefined: the recipient's address does not make a path of one element for each placeholder. */
export function maildirOf(template: string, { forwardPath }: Pick<EntryRecipient, 'forwardPath'>): Folder | undefined {
  const values = maildirParts(template, forwardPath);
  if (values === undefined) return undefined;
  const fixed = template.slice(0, (template.indexOf('{') + 1 || template.length + 1) - 1);
  const base = fixed.includes(sep) ? fixed.slice(0, fixed.lastIndexOf(sep)) || sep : sep;
  return { path: filledIn(template, values), base: template.includes('{') ? base : dirname(template) };
}

/** Makes what is missing below the base, and refuses to pass through a link. */
async function makeFolders({ path, base }: Folder): Promise<void> {
  await makeBase(base);
  let at = base;
  for (const element of path
    .slice(base.length)
    .split(sep)
    .filter((each) => each !== '')) {
    at = join(at, element);
    await makeFolder(at);
  }
  for (const part of ['tmp', 'new', 'cur']) await makeFolder(join(path, part));
}

async function makeBase(base: string): Promise<void> {
  const made = await mkdir(base, { recursive: true, mode: 0o700 });
  const first = resolve(made ?? base);
  for (let at = resolve(base); ; at = dirname(at)) {
    await syncName(at, made === undefined ? 'old' : 'new');
    if (at === first || at === dirname(at)) return;
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
    await syncName(path, 'new');
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    const found = await lstat(path);
    if (!found.isDirectory()) throw new NoFolder(`${path} is no folder`);
    await syncName(path, 'old');
  }
}

/**
 * A folder that is there was made by another thread a moment ago, maybe, or by a run that ended before it had synced the
 * name: each thread makes sure of it once.
 */
async function syncName(path: string, age: 'new' | 'old'): Promise<void> {
  if (age === 'old' && syncedNames.get(path) !== undefined) return;
  try {
    await syncFolder(dirname(path), 'any');
  } catch (error) {
    // What we may not even look into was not made by us.
    if (age === 'new' || codeOf(error) !== 'EACCES') throw error;
  }
  syncedNames.set(path, age);
}

class NoFolder extends Error {}

interface Parts {
  readonly fields: Buffer;
  readonly content: OutgoingContent;
}

async function deliverInto(folder: string, name: (size: number) => string, parts: Parts): Promise<void> {
  const temporary = join(folder, 'tmp', name(0));
  const file = await open(
    temporary,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    const size = await writeLocal(file, parts).finally(() => file.close());
    await rename(temporary, join(folder, 'new', name(size)));
  } catch (error) {
    // What is left in tmp is nobody's message; that it cannot be removed changes nothing about the failure.
    await unlink(temporary).catch(() => {});
    throw error;
  }
  await syncFolder(join(folder, 'new'), 'noLink');
}

async function writeLocal(file: FileHandle, { fields, content }: Parts): Promise<number> {
  const lines = new LocalLines();
  let size = 0;
  const write = async (octets: Buffer): Promise<void> => {
    size += octets.length;
    await file.writeFile(octets);
  };
  await write(lines.push(fields));
  for await (const block of content.blocks()) await write(lines.push(block));
  await write(lines.end());
  await file.sync();
  return size;
}

async function syncFolder(path: string, what: 'noLink' | 'any'): Promise<void> {
  const noFollow = what === 'noLink' ? constants.O_NOFOLLOW : 0;
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | noFollow);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** With the size when it is known: a reader may believe it. */
function uniqueName({ clock, helloName, pid }: MaildirDeps): (size: number) => string {
  const now = clock.now();
  const seconds = Math.floor(now / 1000);
  const micros = Math.floor((now % 1000) * 1000);
  count += 1;
  const host = helloName.replaceAll('/', '\\057').replaceAll(':', '\\072');
  const name = `${seconds}.M${micros}P${pid}Q${count}.${host}`;
  return (size) => (size === 0 ? name : `${name},S=${size}`);
}

function refusedBy(error: unknown, log: Log): Outcome {
  const code = codeOf(error);
  if (code === 'EDQUOT') return ourOutcome('4.2.2', 'the mailbox is over its quota', { scope: 'recipient' });
  if (code === 'ENOSPC') return ourOutcome('4.3.1', 'no space left for the mailbox');
  log.error('maildir delivery failed', { error: String(error) });
  if (error instanceof NoFolder)
    return ourOutcome('4.3.5', 'the mailbox is not a plain folder', { scope: 'recipient' });
  return ourOutcome('4.3.0', `the mailbox cannot be written (${code})`, { scope: 'recipient' });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
