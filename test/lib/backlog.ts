/**
 * A backlog as a server would have left it: messages put into the spool of a product that is not running, by the
 * same plan of routes that the product will read from its configuration.
 */

import { join } from 'node:path';
import { type PostriderConfig, readConfig } from '../../src/config/config.ts';
import { type Entry } from '../../src/mail/entry.ts';
import { type Envelope } from '../../src/mail/envelope.ts';
import { parseMailbox } from '../../src/mail/path.ts';
import { type PriorityClass } from '../../src/mail/priority-class.ts';
import { makeQueueId } from '../../src/mail/queue-id.ts';
import { planOf } from '../../src/runtime/settings.ts';
import { type RoutePlan } from '../../src/runtime/route-plan.ts';
import { systemTimers } from '../../src/runtime/timers.ts';
import { openLmdbSpool } from '../../src/spool/lmdb/open.ts';
import { type NewMessage } from '../../src/spool/spool.ts';

export interface BacklogMail {
  readonly to: string;
  readonly tenant?: string;
  readonly campaign?: string;
  readonly class?: PriorityClass;
  /** In what its entry differs from one that was just accepted. */
  readonly entry?: Partial<Entry>;
}

export interface Backlog {
  /** Of the product. */
  readonly folder: string;
  readonly config: Partial<PostriderConfig>;
  readonly count: number;
  readonly mail: (n: number) => BacklogMail;
}

const BATCH = 2000;
const CLIENT: Envelope['client'] = {
  ...{ address: '127.0.0.1', port: 1, helloName: 'backlog.test', protocol: 'ESMTP', tls: undefined },
  listener: 'smtp',
};
const QUIET = { error: console.error, warn: () => undefined, info: () => undefined };

export async function fillSpool({ folder, config, count, mail }: Backlog): Promise<void> {
  const read = readConfig({ hostname: 'mx.product.test', ...config }, folder);
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const plan = planOf(read.value);
  const onBroken = (error: Error): never => {
    throw error;
  };
  const spool = await openLmdbSpool({ folder: join(folder, 'spool'), log: QUIET, timers: systemTimers, onBroken });
  for (let n = 0; n < count; n += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, count - n) }, (_, i) => n + i);
    await spool.accept(
      numbers.map((number) => messageOf(plan, number, mail(number))),
      1,
    );
  }
  await spool.close();
}

function messageOf(plan: RoutePlan, n: number, mail: BacklogMail): NewMessage {
  const { tenant = '', campaign = '', class: priority = 'normal' } = mail;
  const now = Date.now();
  const id = makeQueueId({ now, maker: 1022, counter: n, chance: (n % 1000) / 1000 });
  const recipient = mailbox(mail.to);
  const envelope: Envelope = {
    ...{ reversePath: mailbox('backlog@client.test'), body: '8BITMIME', smtpUtf8: false, ret: undefined },
    ...{ envid: undefined, client: CLIENT, tenant, campaign },
  };
  const octets = Buffer.from(
    `From: <backlog@client.test>\r\nTo: <${mail.to}>\r\nSubject: ${mail.to}\r\n\r\nA body.\r\n`,
  );
  const entries = plan.entriesOf({ id, envelope, acceptedAt: now, octets: octets.length, class: priority }, [
    { forwardPath: recipient, orcpt: undefined, notify: undefined, index: 0 },
  ]);
  return {
    ...{ id, envelope, class: priority, acceptedAt: now, report: false, eightBit: false, events: [] },
    entries: entries.map((entry) => ({ ...entry, ...mail.entry })),
    content: { kind: 'octets', octets },
  };
}

function mailbox(text: string) {
  const parsed = parseMailbox(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.value;
}
