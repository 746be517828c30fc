/** What the parts of the queue manager share, for their tests: a spool in memory, time moved by hand, a log that is kept. */

import { BUDGET_DEFAULTS } from '../../src/bounce/budget.ts';
import { DSN_DEFAULTS } from '../../src/bounce/compose.ts';
import { type Event } from '../../src/events/event.ts';
import { MINUTE } from '../../src/lib/time.ts';
import { type Domain } from '../../src/mail/domain.ts';
import { type Entry } from '../../src/mail/entry.ts';
import { type Mailbox, type ReversePath } from '../../src/mail/path.ts';
import { type QueueId } from '../../src/mail/queue-id.ts';
import { type Log } from '../../src/ports/log.ts';
import { DEFAULT_RETRY } from '../../src/queue/retry.ts';
import { type QueueManagerContext, type QueueSettings } from '../../src/runtime/queue-manager/ports.ts';
import { Settler } from '../../src/runtime/queue-manager/settler.ts';
import { MemorySpool } from '../../src/spool/memory/memory-spool.ts';
import { type NewMessage, type Spool } from '../../src/spool/spool.ts';
import { HandClock } from './hand-clock.ts';

export interface Parts {
  readonly context: QueueManagerContext;
  readonly spool: Spool;
  readonly clock: HandClock;
  readonly settler: Settler;
  /** Texts of the log, `error: …`. */
  readonly logged: string[];
  readonly told: Event[];
  readonly broken: unknown[];
  settings: QueueSettings;
}

export function queueParts(spool: Spool = new MemorySpool()): Parts {
  const clock = new HandClock();
  const logged: string[] = [];
  const told: Event[] = [];
  const broken: unknown[] = [];
  const log = logInto(logged);
  const settler = new Settler({ spool, timers: clock, log, logged: () => undefined, committed: () => undefined });
  const parts: Parts = {
    ...{ spool, clock, settler, logged, told, broken, settings: SETTINGS },
    context: {
      ...{ spool, settler, clock, timers: clock, random: { next: () => 0.5 }, log },
      settings: () => parts.settings,
      clockState: () => 'steady',
      tell: (event) => void told.push(event),
      broken: (error) => void broken.push(error),
    },
  };
  return parts;
}

export function logInto(lines: string[]): Log {
  const write =
    (level: string) =>
    (text: string): void =>
      void lines.push(`${level}: ${text}`);
  return { error: write('error'), warn: write('warn'), info: write('info') };
}

export function address(text: string): Mailbox {
  const at = text.lastIndexOf('@');
  return { localPart: text.slice(0, at), domain: text.slice(at + 1) as Domain };
}

export const SETTINGS: QueueSettings = {
  hostname: 'us.test',
  postmaster: address('postmaster@us.test'),
  retry: DEFAULT_RETRY,
  softBounce: false,
  minFreeOctets: 1000,
  freeSpaceCheck: MINUTE,
  dsn: DSN_DEFAULTS,
  dsnBudget: BUDGET_DEFAULTS,
  maxLeases: 2,
  recordAhead: 5 * MINUTE,
  entriesOf: () => [],
};

/** A message with these entries, which bear its id. */
export function messageOf(entries: readonly Entry[], parts: Partial<NewMessage> & { from?: string } = {}): NewMessage {
  const { from = 'ann@sender.test', ...changes } = parts;
  const reversePath: ReversePath = from === '' ? null : address(from);
  return {
    id: entries[0]?.message ?? ('m1' as QueueId),
    envelope: {
      ...{ reversePath, body: '7BIT', smtpUtf8: false, ret: undefined, envid: undefined, tenant: '', campaign: '' },
      client: {
        ...{ address: '192.0.2.1', port: 1, helloName: 'c', protocol: 'ESMTP', tls: undefined, listener: 'mx' },
      },
    },
    class: 'normal',
    acceptedAt: 0,
    report: false,
    eightBit: false,
    content: { kind: 'octets', octets: Buffer.from('Subject: one\r\n\r\nbody\r\n') },
    entries,
    events: [],
    ...changes,
  };
}

/** Lets everything happen that is ready to happen. */
export async function turns(count = 6): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => void setImmediate(resolve));
}
