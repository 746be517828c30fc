/** Whether everything in a store belongs to something: what `postrider check` tells. Reads only. */

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type EntryId, messageOf } from '../../mail/entry.ts';
import { parseQueueId, type QueueId } from '../../mail/queue-id.ts';
import { CorruptRecord, decodeEntry, decodeMessage, decodeNotice, decodeRule } from '../codec.ts';
import { isCode } from './files.ts';
import { fileOf } from './content-files.ts';
import { type SpoolFolders } from './folder.ts';
import {
  afterWord,
  agendaPrefix,
  contentKey,
  dueKey,
  entriesPrefix,
  entryKey,
  keepKey,
  messageKey,
  noticesPrefix,
  parseAgendaKey,
  partitionDigits,
  under,
} from './keys.ts';
import { PARTITIONS } from '../../mail/partition.ts';
import { earliestDue } from './agenda.ts';
import { type SpoolState } from './state.ts';
import { type Store } from './store.ts';
import { walk } from './walk.ts';

export interface CheckReport {
  /** In words, one line each; at most a thousand. */
  readonly problems: readonly string[];
  readonly figures: {
    readonly messages: number;
    readonly entries: number;
    readonly notices: number;
    readonly files: number;
    readonly fileOctets: number;
    /** All problems, also those that are not listed. */
    readonly problems: number;
  };
}

const MAX_PROBLEMS = 1000;

interface Checking {
  readonly store: Store;
  readonly folders: SpoolFolders;
  readonly problem: (text: string) => void;
}

export async function checkStore(store: Store, folders: SpoolFolders, state: SpoolState): Promise<CheckReport> {
  const problems: string[] = [];
  let count = 0;
  const problem = (text: string): void => {
    count++;
    if (problems.length < MAX_PROBLEMS) problems.push(text);
  };
  const checking: Checking = { store, folders, problem };
  const { messages, files, fileOctets } = await checkMessages(checking);
  const entries = await checkEntries(checking);
  await checkDue(checking);
  await checkAgenda(checking);
  const notices = await checkNotices(checking);
  for await (const key of walk(store, 'rule/')) read(checking, key, decodeRule);
  for await (const key of walk(store, 'content/'))
    if (!store.has(messageKey(afterWord(key) as QueueId))) problem(`${key} has no message`);
  await checkFiles(checking);
  if (state.messages !== messages) problem(`the state counts ${state.messages} messages, there are ${messages}`);
  if (state.entries !== entries) problem(`the state counts ${state.entries} entries, there are ${entries}`);
  if (state.fileOctets !== fileOctets)
    problem(`the state counts ${state.fileOctets} octets in files, there are ${fileOctets}`);
  return { problems, figures: { messages, entries, notices, files, fileOctets, problems: count } };
}

async function checkMessages(checking: Checking): Promise<{ messages: number; files: number; fileOctets: number }> {
  const { store, problem } = checking;
  let messages = 0;
  let files = 0;
  let fileOctets = 0;
  for await (const key of walk(store, 'message/')) {
    messages++;
    const id = afterWord(key) as QueueId;
    const message = read(checking, key, decodeMessage);
    if (!isNeeded(store, id)) problem(`${key} has neither an entry nor a notice`);
    if (message === undefined) continue;
    const { octets, file } = message.content;
    const found = file === undefined ? store.get(contentKey(id))?.length : await sizeOf(checking, file);
    if (found !== octets) problem(`${key}: content should have ${octets} octets and has ${found ?? 'none'}`);
    if (file === undefined) continue;
    files++;
    fileOctets += octets;
  }
  return { messages, files, fileOctets };
}

async function checkEntries(checking: Checking): Promise<number> {
  const { store, problem } = checking;
  let entries = 0;
  for await (const key of walk(store, 'entry/')) {
    entries++;
    const id = afterWord(key) as EntryId;
    const entry = read(checking, key, decodeEntry);
    if (!store.has(messageKey(messageOf(id)))) problem(`${key} has no message`);
    if (entry === undefined) continue;
    if (entry.id !== id) problem(`${key} holds entry ${entry.id}`);
    if (!store.has(dueKey(entry))) problem(`${key} has no due row`);
  }
  return entries;
}

async function checkDue(checking: Checking): Promise<void> {
  const { store, problem } = checking;
  for await (const key of walk(store, 'due/')) {
    const id = key.split('/').slice(-2).join('/') as EntryId;
    const json = store.text(entryKey(id));
    if (json === undefined) problem(`${key} leads to no entry`);
    // An entry that cannot be read was told of before.
    else if (entryDueKey(json) !== key) problem(`${key} is not where entry ${id} is due`);
  }
}

/** Every queue with an entry outside lane `held` has a row that is not late. */
async function checkAgenda({ store, problem }: Checking): Promise<void> {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const digits = partitionDigits(partition);
    const rows = new Map<string, number>();
    for await (const key of walk(store, agendaPrefix(digits))) {
      const { queue, dueAt } = parseAgendaKey(key);
      // Rows come in the order of time: the first is the earliest.
      if (!rows.has(queue)) rows.set(queue, dueAt);
    }
    for (const queue of queuesOf(store, digits)) {
      const earliest = earliestDue(store, digits, queue);
      const row = rows.get(queue);
      if (earliest === undefined) continue;
      if (row === undefined) problem(`queue ${queue} is not in the agenda of partition ${digits}`);
      else if (row > earliest) problem(`queue ${queue} is later in the agenda than its earliest entry`);
    }
  }
}

function* queuesOf(store: Store, partition: string): Iterable<string> {
  const { start, end } = under(`due/${partition}/`);
  let key = store.first({ start, end });
  while (key !== undefined) {
    const queue = key.split('/')[2] ?? '';
    yield queue;
    key = store.first({ start: under(`due/${partition}/${queue}/`).end, end });
  }
}

async function checkNotices(checking: Checking): Promise<number> {
  let notices = 0;
  for await (const key of walk(checking.store, 'notice/')) {
    notices++;
    const notice = read(checking, key, decodeNotice);
    if (notice !== undefined && !checking.store.has(messageKey(notice.message)))
      checking.problem(`${key} has no message`);
  }
  return notices;
}

async function checkFiles({ store, folders, problem }: Checking): Promise<void> {
  for (const folder of await readdir(folders.content))
    for (const name of await readdir(join(folders.content, folder))) {
      const id = parseQueueId(name);
      const isOurs = id !== undefined && join(folder, name) === fileOf(id) && store.has(messageKey(id));
      if (!isOurs) problem(`content file ${folder}/${name} belongs to no message`);
    }
}

function isNeeded(store: Store, id: QueueId): boolean {
  const prefixes = [entriesPrefix(id), noticesPrefix(id)];
  return store.has(keepKey(id)) || prefixes.some((prefix) => store.first(under(prefix)) !== undefined);
}

function read<T>({ store, problem }: Checking, key: string, decode: (json: string) => T): T | undefined {
  const json = store.text(key);
  if (json === undefined) return undefined;
  try {
    return decode(json);
  } catch (error) {
    if (!(error instanceof CorruptRecord)) throw error;
    problem(`${key} cannot be read: ${error.message}`);
    return undefined;
  }
}

function entryDueKey(json: string): string | undefined {
  try {
    return dueKey(decodeEntry(json));
  } catch (error) {
    if (error instanceof CorruptRecord) return undefined;
    throw error;
  }
}

async function sizeOf({ folders }: Checking, file: string): Promise<number | undefined> {
  try {
    return (await stat(join(folders.content, file))).size;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
