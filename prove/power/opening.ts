/** Opens what a power cut left with the product's own parts, and tells what is in it. */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EventLog } from '../../src/events/event-log.ts';
import { LogReader, type LogLine } from '../../src/events/log-reader.ts';
import { formatMailbox } from '../../src/mail/path.ts';
import { type QueueId } from '../../src/mail/queue-id.ts';
import { type Log } from '../../src/ports/log.ts';
import { SystemClock } from '../../src/runtime/clock.ts';
import { systemTimers } from '../../src/runtime/timers.ts';
import { foldersOf } from '../../src/spool/lmdb/folder.ts';
import { checkSpool } from '../../src/spool/lmdb/maintenance.ts';
import { diskFree, openLmdbSpool, openStore } from '../../src/spool/lmdb/open.ts';
import { openState } from '../../src/spool/lmdb/state.ts';
import { type Spool } from '../../src/spool/spool.ts';
import { withCrlf } from '../../test/lib/arrived.ts';
import { type Image } from './disk.ts';
import { type Found, type FoundLine, type FoundMessage } from './judge.ts';
import { type Mail } from './recording.ts';

/** Shared memory of processes that are gone with the power; sockets are not written by calls that are seen. */
const NOT_ON_DISK = /\/(?:lock\.mdb|control\.sock|[^/]*-shm)$/;
const PAGE = 1000;
/** Beside the spool: a Maildir for each local part of `box.test`. */
export const BOXES = 'mail';

/** Writes what was below `root` into a folder that is there. */
export function writeImage({ files, folders }: Image, root: string, folder: string): void {
  for (const path of folders) mkdirSync(join(folder, path.slice(root.length)), { recursive: true, mode: 0o700 });
  for (const [path, octets] of files)
    if (!NOT_ON_DISK.test(path)) writeFileSync(join(folder, path.slice(root.length)), octets, { mode: 0o600 });
}

/** `folder` is the spool's; it is changed as any start changes it. */
export async function lookInto(folder: string, mails: readonly Mail[]): Promise<Found> {
  const problems: string[] = [];
  const log: Log = {
    error: (what, fields) => void problems.push(`${what} ${JSON.stringify(fields)}`),
    warn: (what, fields) => void problems.push(`${what} ${JSON.stringify(fields)}`),
    info: () => undefined,
  };
  const onBroken = (error: Error): void => void problems.push(String(error));
  const spool = await openLmdbSpool({ folder, log, timers: systemTimers, onBroken });
  const messages = await messagesIn(spool, mails);
  const outbox = await outboxOf(spool);
  await spool.close();
  const sequence = await sequenceOf(folder);
  problems.push(...(await checkSpool(folder)).problems);
  const lines = await readEventLog(join(folder, 'events'), log, sequence);
  const boxes = delivered(join(dirname(folder), BOXES), mails);
  return { messages, outbox, sequence, log: lines, boxes, problems };
}

/** Recipients whose mailbox has their message, whole. */
export function delivered(folder: string, mails: readonly Mail[]): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((user) => [`${user}@box.test`, join(folder, user, 'new')] as const)
    .filter(([recipient, box]) => {
      const mail = mails.find(({ recipients }) => recipients.includes(recipient));
      const names = mail !== undefined && existsSync(box) ? readdirSync(box) : [];
      return names.some((name) => {
        const octets = withCrlf(readFileSync(join(box, name)));
        return sha256(octets.subarray(-(mail?.octets ?? 0))) === mail?.sha256;
      });
    })
    .map(([recipient]) => recipient);
}

async function messagesIn(spool: Spool, mails: readonly Mail[]): Promise<readonly FoundMessage[]> {
  const open = new Map<QueueId, string[]>();
  const notices = new Map<QueueId, string[]>();
  const page = await spool.entries(undefined, PAGE);
  const told = await spool.notices(undefined, PAGE);
  if (page.next !== undefined || told.next !== undefined) throw new Error('there is more in the spool than was sent');
  for (const { message, recipients } of page.rows)
    add(
      open,
      message,
      recipients.map(({ forwardPath }) => formatMailbox(forwardPath)),
    );
  for (const rows of told.rows)
    for (const { message, recipient } of rows) add(notices, message, [formatMailbox(recipient.forwardPath)]);
  const found: FoundMessage[] = [];
  for (const id of new Set([...open.keys(), ...notices.keys()])) {
    const sent = mails.find((mail) => mail.id === id);
    const content = await contentOf(spool, id);
    const start = Math.max(0, content.length - (sent?.octets ?? 0));
    found.push({
      ...{ id, open: open.get(id) ?? [], notices: notices.get(id) ?? [] },
      sender: await senderOf(spool, id),
      octets: content.length,
      sha256: sha256(content.subarray(start)),
      front: content.toString('latin1', 0, start),
    });
  }
  return found;
}

function add(map: Map<QueueId, string[]>, id: QueueId, recipients: readonly string[]): void {
  map.set(id, [...(map.get(id) ?? []), ...recipients]);
}

export function sha256(octets: Uint8Array): string {
  return createHash('sha256').update(octets).digest('hex');
}

async function senderOf(spool: Spool, id: QueueId): Promise<string> {
  const path = (await spool.message(id))?.envelope.reversePath;
  if (path === undefined) throw new Error(`message ${id} has entries or notices and no record`);
  return path === null ? '' : formatMailbox(path);
}

async function contentOf(spool: Spool, id: QueueId): Promise<Buffer> {
  const content = await spool.content(id);
  if (content === undefined) throw new Error(`message ${id} has no content`);
  if (content.kind === 'octets') return Buffer.from(content.octets);
  const octets = await readFile(content.path);
  spool.release(id);
  return octets;
}

async function outboxOf(spool: Spool): Promise<readonly FoundLine[]> {
  const { rows, next } = await spool.outbox(0, PAGE);
  if (next !== undefined) throw new Error('there is more in the outbox than was sent');
  return rows.flatMap(({ sequence, lines }) =>
    lines
      .trimEnd()
      .split('\n')
      .map((line, n) => ({ sequence, n, line })),
  );
}

async function sequenceOf(folder: string): Promise<number> {
  const { store, onClosed } = await openStore(foldersOf(folder), () => diskFree(folder));
  const { sequence } = await openState(store);
  await store.close();
  onClosed();
  return sequence;
}

/** Reads it, goes on with it as the next run would, and reads it again. */
async function readEventLog(folder: string, log: Log, sequence: number): Promise<readonly FoundLine[]> {
  const events = await EventLog.open({ folder, log, clock: new SystemClock() });
  const before = await allLines(folder);
  const next = `{"kind":"next","sequence":${sequence + 1}}`;
  await events.append(sequence + 1, `${next}\n`);
  await events.close();
  const after = await allLines(folder);
  if (stamps(after) !== stamps([...before, { sequence: sequence + 1, n: 0, line: next }]))
    log.error('the event log cannot be gone on with', {
      before: before.length,
      after: after.length,
      folder: dirname(folder),
    });
  return before.flatMap(({ sequence: of, n, line }) => (of === undefined ? [] : [{ sequence: of, n, line }]));
}

function stamps(lines: readonly LogLine[]): string {
  return lines.map((one) => `${one.sequence}/${one.n} ${one.line}`).join('\n');
}

async function allLines(folder: string): Promise<readonly LogLine[]> {
  const reader = new LogReader(folder);
  const lines: LogLine[] = [];
  for (let page = await reader.read(undefined, PAGE); ; page = await reader.read(page.position, PAGE)) {
    lines.push(...page.lines);
    if (page.damaged.length > 0) throw new Error(`segments of the event log cannot be read: ${page.damaged}`);
    if (!page.more) return lines;
  }
}
