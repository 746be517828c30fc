/**
 * CPU of the spool's fast path: accept a message of one entry, settle it a few milliseconds later, log its events.
 *
 *     node bench/micro/spool.ts [messages a second] [seconds] [content octets] [folder]
 *
 * States the machine, the rate reached, CPU-µs a message (all threads of the process), and how long a commit took.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Entry } from '../../src/mail/entry.ts';
import { type Mailbox } from '../../src/mail/path.ts';
import { makeQueueId } from '../../src/mail/queue-id.ts';
import { queueName } from '../../src/mail/queue-name.ts';
import { NOTHING } from '../../src/spool/check.ts';
import { openLmdbSpool } from '../../src/spool/lmdb/open.ts';
import { type NewMessage, type Spool } from '../../src/spool/spool.ts';

const [rate = 3000, seconds = 5, octets = 4096] = process.argv.slice(2, 5).map(Number);
const parent = process.argv[5] ?? tmpdir();
const DOMAINS = 100;
const EVENT = JSON.stringify({
  event: 'accepted',
  id: 'x'.repeat(20),
  envelope: 'a@example.com',
  text: 'y'.repeat(250),
});

const folder = mkdtempSync(join(parent, 'spool-bench-'));
const spool = await openLmdbSpool({
  folder,
  log: { error: console.error, warn: console.warn, info: () => {} },
  timers: {
    after(delay, wake) {
      const timer = setTimeout(wake, delay);
      return { cancel: () => clearTimeout(timer) };
    },
  },
  onBroken: (error) => {
    throw error;
  },
});

let target: Pick<Spool, 'accept' | 'settle' | 'outbox'> = spool;
const content = Buffer.alloc(octets, 'x');
const commits: number[] = [];
let accepted = 0;
let done = 0;
let counter = 0;

async function one(): Promise<void> {
  const made = newMessage();
  const begin = performance.now();
  await target.accept([made], 1);
  commits.push(performance.now() - begin);
  accepted++;
  await new Promise((resolve) => setTimeout(resolve, 3));
  for (const { id } of made.entries) ended.push(id);
}

const ended: Entry['id'][] = [];

/** Outcomes of a few milliseconds in one call, as the queue manager sends them. */
async function settle(): Promise<void> {
  const remove = ended.splice(0);
  if (remove.length === 0) return;
  const { rows } = await target.outbox(0, 1000);
  await target.settle({ ...NOTHING, remove, events: remove.map(() => EVENT), logged: rows.at(-1)?.sequence }, 1);
  done += remove.length;
}

function newMessage(): NewMessage {
  const now = Date.now();
  const id = makeQueueId({ now, maker: 1, counter: counter++, chance: Math.random() });
  const domain = `domain-${counter % DOMAINS}.example`;
  const mailbox = { localPart: 'somebody', domain } as Mailbox;
  return {
    id,
    envelope: {
      reversePath: mailbox,
      body: '7BIT',
      smtpUtf8: false,
      ret: undefined,
      envid: undefined,
      client: {
        address: '192.0.2.1',
        port: 4711,
        helloName: 'client.example',
        protocol: 'ESMTP',
        tls: undefined,
        listener: 'in',
      },
      tenant: '',
      campaign: '',
    },
    class: 'normal',
    acceptedAt: now,
    report: false,
    eightBit: false,
    content: { kind: 'octets', octets: content },
    entries: [
      {
        id: `${id}/0`,
        message: id,
        queue: queueName({ campaign: '', tenant: '', domain }),
        routingDomain: domain,
        route: 'default',
        class: 'normal',
        lane: 'fresh',
        dueAt: now + 60_000,
        acceptedAt: now,
        expiresAt: now + 432_000_000,
        attempts: 0,
        recipients: [{ forwardPath: mailbox, orcpt: undefined, notify: undefined, index: 0 }],
        reason: 'new',
        lastReply: '',
        lastAttemptAt: undefined,
        warned: false,
        crashes: 0,
        octets,
      },
    ],
    events: [EVENT],
  };
}

async function run(length: number): Promise<void> {
  const begin = performance.now();
  let sent = 0;
  const working = new Set<Promise<void>>();
  while (performance.now() - begin < length * 1000) {
    const wanted = ((performance.now() - begin) / 1000) * rate;
    for (; sent < wanted; sent++) {
      const work = one().finally(() => working.delete(work));
      working.add(work);
    }
    await settle();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(working);
  await settle();
}

/** What this program itself costs: the same loop before a spool that does nothing. */
async function ownCost(): Promise<number> {
  const real = target;
  target = {
    accept: async () => ({ kind: 'committed' }),
    settle: async () => ({ kind: 'committed' }),
    outbox: async () => ({ rows: [{ sequence: 1, lines: '' }], next: undefined }),
  };
  const start = process.cpuUsage();
  const from = done;
  await run(seconds);
  const { user, system } = process.cpuUsage(start);
  target = real;
  return (user + system) / (done - from);
}

await run(1);
const own = await ownCost();
commits.length = 0;
const before = { accepted, done, cpu: process.cpuUsage(), at: performance.now() };
await run(seconds);
const cpu = process.cpuUsage(before.cpu);
const elapsed = (performance.now() - before.at) / 1000;
const messages = done - before.done;
commits.sort((a, b) => a - b);
const at = (share: number): string => (commits[Math.floor(commits.length * share)] ?? 0).toFixed(2);
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
console.log(
  `${cpus()[0]?.model} × ${cpus().length}, Node ${process.version}, commit ${commit}, ${octets} octets a message`,
);
console.log(
  `${(messages / elapsed).toFixed(0)} messages/s, ${((cpu.user + cpu.system) / messages).toFixed(1)} CPU-µs a message ` +
    `(user ${(cpu.user / messages).toFixed(1)}, system ${(cpu.system / messages).toFixed(1)}; ${own.toFixed(1)} of it this program's own), accept p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
);
console.log(await spool.figures());
await spool.close();
rmSync(folder, { recursive: true });
