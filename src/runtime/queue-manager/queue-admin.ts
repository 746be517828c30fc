/**
 * What operators can ask of the queue, on the contract of `api/contract.ts`: the same for a running server
 * (asked by the main thread) and for the spool of a stopped one.
 */

import { open } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { errorText } from '../../lib/error-text.ts';
import {
  type BackedUp,
  type Changed,
  type Checked,
  type MessageStory,
  type QueueAdmin,
  type QueueChange,
  type QueuePage,
  type QueueQuery,
  type QueueRemoval,
  Refusal,
  type Resumed,
  type ResumeRequest,
  type Suspended,
  type SuspendRequest,
} from '../../api/contract.ts';
import { MAX_PAGE } from '../../api/contract.ts';
import { type EntryId } from '../../mail/entry.ts';
import { parseQueueId, type QueueId } from '../../mail/queue-id.ts';
import { type Rule } from '../../mail/rule.ts';
import { type Content, type Spool } from '../../spool/spool.ts';
import { type EntryLocks } from './entry-locks.ts';
import { type QueueChanges, targetText } from './queue-changes.ts';
import { entryView, messageView } from './queue-views.ts';

export interface QueueAdminDeps {
  readonly spool: Spool;
  readonly changes: QueueChanges;
  readonly locks: EntryLocks;
  /** What holds back the sites is forgotten. */
  readonly forgetBackOffs: () => void;
  readonly maintenance: Maintenance;
  /** Events of a message from the history, oldest first. */
  readonly story: (id: QueueId) => Promise<MessageStory['events']>;
}

/** What only a spool on disk has. */
export interface Maintenance {
  check(): Promise<Checked>;
  backup(folder: string): Promise<BackedUp>;
}

const DEFAULT_PAGE = 100;
// A console or a terminal shows it; whoever wants more reads the file.
const MAX_SHOWN_OCTETS = 64 * 1024 * 1024;

export class QueueOperations implements QueueAdmin {
  readonly #deps: QueueAdminDeps;

  constructor(deps: QueueAdminDeps) {
    this.#deps = deps;
  }

  async list({ after, limit = DEFAULT_PAGE, ...filter }: QueueQuery): Promise<QueuePage> {
    const page = await this.#deps.changes.list(filter, after as EntryId | undefined, Math.min(limit, MAX_PAGE));
    return { entries: page.rows.map((entry) => entryView(entry, this.#deps.locks.has(entry.id))), next: page.next };
  }

  retry(change: QueueChange): Promise<Changed> {
    return this.#deps.changes.retry(selected(change));
  }

  hold(change: QueueChange): Promise<Changed> {
    return this.#deps.changes.hold(selected(change), { by: byOf(change), reason: change.reason ?? '' });
  }

  release(change: QueueChange): Promise<Changed> {
    return this.#deps.changes.release(selected(change), byOf(change));
  }

  remove(change: QueueRemoval): Promise<Changed> {
    const how = { by: byOf(change), tell: change.tellSender === true };
    return this.#deps.changes.remove(selected(change), how);
  }

  async flush(change: QueueChange): Promise<Changed> {
    const changed = await this.#deps.changes.retry(selected({ ...change, all: true }));
    this.#deps.forgetBackOffs();
    return changed;
  }

  async message({ id }: { readonly id: string }): Promise<MessageStory> {
    const queueId = idOf(id);
    const [message, entries, events] = await Promise.all([
      this.#deps.spool.message(queueId),
      this.#deps.spool.entriesOf(queueId),
      this.#deps.story(queueId),
    ]);
    if (message === undefined && events.length === 0) throw notFound(id);
    return {
      id,
      message: message === undefined ? undefined : messageView(message),
      entries: entries.map((entry) => entryView(entry, this.#deps.locks.has(entry.id))),
      events,
    };
  }

  async content({ id }: { readonly id: string }): Promise<Uint8Array> {
    const queueId = idOf(id);
    const content = await this.#deps.spool.content(queueId);
    if (content === undefined) throw notFound(id);
    try {
      return await octetsOf(content);
    } finally {
      this.#deps.spool.release(queueId);
    }
  }

  async rules(): Promise<{ readonly rules: readonly Rule[] }> {
    return { rules: this.#deps.changes.rules };
  }

  check(): Promise<Checked> {
    return this.#deps.maintenance.check();
  }

  async backup({ folder }: { readonly folder: string }): Promise<BackedUp> {
    // Relative to what? The server's own folder is nobody's meaning.
    if (!isAbsolute(folder)) throw new Refusal('invalid', 'name the folder with its whole path, from the root on');
    try {
      return await this.#deps.maintenance.backup(folder);
    } catch (error) {
      // A folder that is not empty, or may not be written, is for the operator to mend.
      throw new Refusal('conflict', `the backup failed: ${errorText(error)}`);
    }
  }

  suspend({ target, reason = '', by, until }: SuspendRequest): Promise<Suspended> {
    const setBy = by ?? 'operator';
    return this.#deps.changes.addRule({
      ...{ kind: 'suspend', target, reason, setBy },
      ...(until === undefined ? {} : { until }),
    });
  }

  async resume({ id, target, by }: ResumeRequest): Promise<Resumed> {
    if (id === undefined && target === undefined) throw new Refusal('invalid', 'name the rule or its target');
    const wanted = target === undefined ? undefined : targetText(target);
    const rules = await this.#deps.changes.removeRules(
      (rule) => (id === undefined || rule.id === id) && (wanted === undefined || targetText(rule.target) === wanted),
      by ?? 'operator',
    );
    if (rules.length === 0) throw new Refusal('notFound', 'no such rule; `postrider queue rules` lists them');
    return { rules };
  }
}

function selected({ select, all }: QueueChange): QueueChange['select'] {
  if (Object.values(select).every((part) => part === undefined) && all !== true)
    throw new Refusal(
      'invalid',
      'this would change the whole queue: name an id, a sender, a recipient, a domain or a queue, or say --all',
    );
  return select;
}

function byOf({ by }: QueueChange): string {
  return by ?? 'operator';
}

function idOf(text: string): QueueId {
  const id = parseQueueId(text);
  if (id === undefined) throw new Refusal('invalid', `"${text}" is not a queue id: they have 20 letters and digits`);
  return id;
}

function notFound(id: string): Refusal {
  return new Refusal('notFound', `nothing is known of a message ${id}`);
}

async function octetsOf(content: Content): Promise<Uint8Array> {
  if (content.kind === 'octets') return content.octets;
  if (content.octets > MAX_SHOWN_OCTETS)
    throw new Refusal('invalid', `the content is too large to show: ${content.path}`);
  const file = await open(content.path, 'r');
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}
