/** Values that the spool's tests store, and small readers over its pages. */

import { readFile } from 'node:fs/promises';
import { type Entry, type EntryId } from '../mail/entry.ts';
import { type Envelope } from '../mail/envelope.ts';
import { type Notice } from '../mail/notice.ts';
import { PARTITIONS, partitionOf } from '../mail/partition.ts';
import { type Mailbox } from '../mail/path.ts';
import { makeQueueId, type QueueId } from '../mail/queue-id.ts';
import { type QueueName, queueName } from '../mail/queue-name.ts';
import { type Rule } from '../mail/rule.ts';
import { NOTHING } from './check.ts';
import {
  type AgendaKey,
  type AgendaRow,
  type DueKey,
  type Kept,
  type LaneKey,
  type NewMessage,
  type Page,
  type Settlement,
  type Spool,
} from './spool.ts';

export const EPOCH = 7;
export const OLDER = 6;

/** The n-th id: they sort as they are numbered. */
export function idOf(n: number): QueueId {
  return makeQueueId({ now: 1_800_000_000_000 + n, maker: 1, counter: n, chance: 0 });
}

export const ENVELOPE: Envelope = {
  reversePath: { localPart: 'ann', domain: 'client.test' as Mailbox['domain'] },
  body: '8BITMIME',
  smtpUtf8: true,
  ret: 'HDRS',
  envid: 'QQ+3D1',
  client: {
    address: '2001:db8::1',
    port: 4711,
    helloName: 'client.test',
    protocol: 'ESMTP',
    tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
    listener: 'in',
  },
  tenant: 'shop',
  campaign: 'spring',
};

export function entry(id: EntryId, changes: Partial<Entry> = {}): Entry {
  const message = id.slice(0, id.indexOf('/')) as QueueId;
  const domain = changes.routingDomain ?? 'example.com';
  return {
    id,
    message,
    queue: queueName({ campaign: '', tenant: 'shop', domain }),
    routingDomain: domain,
    route: 'default',
    class: 'normal',
    lane: 'fresh',
    dueAt: 60_000,
    acceptedAt: 0,
    expiresAt: 432_000_000,
    attempts: 0,
    recipients: [
      {
        forwardPath: { localPart: 'bob ü', domain: domain as Mailbox['domain'] },
        orcpt: undefined,
        notify: undefined,
        index: 0,
      },
      {
        forwardPath: { localPart: 'Eve', domain: '[192.0.2.1]' },
        orcpt: 'rfc822;eve@example.com',
        notify: ['SUCCESS', 'DELAY'],
        index: 1,
      },
    ],
    reason: 'new',
    lastReply: '',
    lastAttemptAt: undefined,
    warned: false,
    crashes: 0,
    octets: 4,
    ...changes,
  };
}

export interface MessageChanges extends Partial<Omit<NewMessage, 'content' | 'entries'>> {
  readonly content?: Uint8Array;
  readonly entries?: readonly Partial<Entry>[];
}

/** Message n with its entries, of which there is one unless said otherwise. */
export function message(n: number, { content, entries = [{}], ...changes }: MessageChanges = {}): NewMessage {
  const id = idOf(n);
  return {
    id,
    envelope: ENVELOPE,
    class: 'normal',
    acceptedAt: 5,
    report: false,
    eightBit: true,
    content: { kind: 'octets', octets: content ?? Buffer.from(`content ${n}`) },
    entries: entries.map((entryChanges, i) => entry(`${id}/${i}`, entryChanges)),
    events: [],
    ...changes,
  };
}

export function settlement(changes: Partial<Settlement>): Settlement {
  return { ...NOTHING, ...changes };
}

export function notice(n: number, recipientIndex: number, changes: Partial<Notice> = {}): Notice {
  return {
    message: idOf(n),
    recipientIndex,
    recipient: {
      forwardPath: { localPart: 'bob', domain: 'example.com' as Mailbox['domain'] },
      orcpt: undefined,
      notify: undefined,
    },
    action: 'failed',
    status: '5.1.1',
    diagnostic: '550 5.1.1 No such user',
    remoteMta: 'mx.example.com',
    at: 99,
    willRetryUntil: undefined,
    ...changes,
  };
}

export function rule(id: string, changes: Partial<Rule> = {}): Rule {
  return {
    id,
    epoch: 1,
    kind: 'suspend',
    target: { domain: 'example.com' },
    route: undefined,
    reason: 'they asked',
    setBy: 'operator',
    setAt: 1,
    until: undefined,
    ...changes,
  };
}

export function laneOf({ routingDomain, queue, class: priority, lane }: Entry): LaneKey {
  return { partition: partitionOf(routingDomain), queue, class: priority, lane };
}

/** Reads a spool to the end, page by page. */
export class Reader {
  readonly #spool: () => Spool;
  readonly #limit: number;

  constructor(spool: () => Spool, limit: number) {
    this.#spool = spool;
    this.#limit = limit;
  }

  entries(): Promise<Entry[]> {
    return all((after: EntryId | undefined) => this.#spool().entries(after, this.#limit));
  }

  due(lane: LaneKey): Promise<Entry[]> {
    return all((after: DueKey | undefined) => this.#spool().due(lane, after, this.#limit));
  }

  agendaOf(partition: number): Promise<AgendaRow[]> {
    return all((after: AgendaKey | undefined) => this.#spool().agenda(partition, after, this.#limit));
  }

  async agenda(): Promise<AgendaRow[]> {
    const rows: AgendaRow[] = [];
    for (let partition = 0; partition < PARTITIONS; partition++) rows.push(...(await this.agendaOf(partition)));
    return rows;
  }

  async agendaQueues(): Promise<QueueName[]> {
    return [...new Set((await this.agenda()).map(({ queue }) => queue))];
  }

  notices(): Promise<(readonly [Notice, ...Notice[]])[]> {
    return all((after: QueueId | undefined) => this.#spool().notices(after, this.#limit));
  }

  kept(): Promise<Kept[]> {
    return all((after: QueueId | undefined) => this.#spool().kept(after, this.#limit));
  }

  async outbox(after = 0): Promise<{ sequences: number[]; lines: string }> {
    const records = await all((behind: number | undefined) => this.#spool().outbox(behind ?? after, this.#limit));
    return { sequences: records.map(({ sequence }) => sequence), lines: records.map(({ lines }) => lines).join('') };
  }

  /** The content octet for octet, or undefined when the message is gone. */
  async octets(id: QueueId): Promise<Buffer | undefined> {
    const content = await this.#spool().content(id);
    if (content === undefined) return undefined;
    if (content.kind === 'octets') return Buffer.from(content.octets);
    const octets = await readFile(content.path);
    this.#spool().release(id);
    return octets;
  }
}

async function all<T, K>(read: (after: K | undefined) => Promise<Page<T, K>>): Promise<T[]> {
  const rows: T[] = [];
  let after: K | undefined;
  do {
    const page = await read(after);
    rows.push(...page.rows);
    after = page.next;
  } while (after !== undefined);
  return rows;
}
