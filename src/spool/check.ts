/**
 * What every spool asks of its callers. A breach is a bug of the caller: the call rejects with a plain
 * `Error`, nothing of it is written, and other calls of the same commit are not touched.
 */

import { type Entry } from '../mail/entry.ts';
import { parseQueueId } from '../mail/queue-id.ts';
import { type NewMessage, type Settlement } from './spool.ts';

/** Pages are bounded, so that no read holds a snapshot or the event loop for long. */
export const MAX_PAGE = 1000;

/** Content up to this size lies inside the store; larger content in a file (architecture: measured not to fragment the store). */
export const MAX_STORED_OCTETS = 256 * 1024;

// The store's keys end at 1,978 octets; the rest of a key needs less than a hundred.
const MAX_NAME_OCTETS = 1800;
const PRINTABLE = /^[\x21-\x2e\x30-\x7e]+$/;

export const NOTHING: Settlement = {
  remove: [],
  put: [],
  add: [],
  notices: [],
  told: [],
  rules: { put: [], remove: [] },
  events: [],
  logged: undefined,
};

export function checkPage(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE)
    throw new Error(`page limit ${limit} is not 1 to 1000`);
}

/** What can be said of a settlement without looking into the spool. */
export function checkSettlement(batch: Settlement): void {
  const seen = new Set<string>();
  for (const id of batch.remove) once(seen, id);
  for (const entry of batch.put) {
    checkEntry(entry);
    once(seen, entry.id);
  }
  for (const message of batch.add) {
    once(seen, message.id);
    checkMessage(message);
  }
  for (const rule of [...batch.rules.put.map(({ id }) => id), ...batch.rules.remove]) checkRuleId(rule);
}

function checkMessage({ id, entries }: NewMessage): void {
  if (parseQueueId(id) === undefined) throw new Error(`'${id}' is not a queue id`);
  if (entries.length === 0) throw new Error(`message ${id} has no entry: nobody would ever end it`);
  const seen = new Set<string>();
  for (const entry of entries) {
    if (entry.message !== id) throw new Error(`entry ${entry.id} is not of message ${id}`);
    checkEntry(entry);
    once(seen, entry.id);
  }
}

function checkEntry({ id, message, queue, dueAt }: Entry): void {
  if (!id.startsWith(`${message}/`) || !/^\d{1,9}$/.test(id.slice(message.length + 1)))
    throw new Error(`entry id '${id}' is not '<message>/<n>' of message ${message}`);
  if (queue.length > MAX_NAME_OCTETS || !PRINTABLE.test(queue))
    throw new Error(`queue name of entry ${id} cannot be a key: ${queue.length} characters`);
  if (!Number.isFinite(dueAt)) throw new Error(`entry ${id} is due at ${dueAt}`);
}

function checkRuleId(id: string): void {
  if (id === '' || !id.isWellFormed() || encodeURIComponent(id).length > MAX_NAME_OCTETS)
    throw new Error(`rule id of ${id.length} characters cannot be a key`);
}

function once(seen: Set<string>, id: string): void {
  if (seen.has(id)) throw new Error(`${id} is named twice in one batch`);
  seen.add(id);
}
