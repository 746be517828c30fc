/**
 * CPU of the archivist: reads an event log as a busy server writes it and makes a searchable history of it.
 *
 *     node bench/micro/history.ts [messages] [messages a step] [folder]
 *
 * Each message is accepted, tried and delivered: three events. They are appended to the log by the step, as many as
 * a server takes in the time between two looks of the archivist; only the archivist's steps are measured, all threads
 * of the process. States the machine, CPU-µs an event and a message, the size of the file, and what searches take.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Archivist } from '../../src/events/archivist.ts';
import { type Event } from '../../src/events/event.ts';
import { EventLog } from '../../src/events/event-log.ts';
import { eventLine } from '../../src/events/format.ts';
import { type EventSearch } from '../../src/events/search.ts';
import { EVENTS } from '../../src/events/samples.ts';
import { makeQueueId } from '../../src/mail/queue-id.ts';

const [messages = 30_000, together = 1000] = process.argv.slice(2, 4).map(Number);
const parent = process.argv[4] ?? tmpdir();
const SENDERS = 200;
const DOMAINS = 100;
/** Messages between the acceptance of one and its delivery, and messages of one commit. */
const IN_FLIGHT = 40;
const COMMIT = 10;

const start = Date.now();
const folder = mkdtempSync(join(parent, 'history-bench-'));
const clock = { now: () => start, monotonic: () => performance.now() };
const log = { error: console.error, warn: console.warn, info: () => {} };
const events = await EventLog.open({ folder: join(folder, 'events'), clock, log, maxSegmentOctets: 2 ** 40 });
const archivist = await Archivist.open({
  ...{ folder: join(folder, 'events'), historyFile: join(folder, 'history.db'), clock, log, retentionDays: 30 },
});

const idOf = (i: number) => makeQueueId({ now: start + Math.floor(i / 2), maker: 1, counter: i % 1000, chance: 0.5 });

function fieldsOf(i: number) {
  return {
    at: start + Math.floor(i / 2),
    queueId: idOf(i),
    sender: `sender${i % SENDERS}@from${i % 7}.example`,
    recipients: [`recipient${i}@domain${(i * i) % DOMAINS}.example`],
  };
}

/** The events of one commit: messages that came, and those that were delivered meanwhile. */
function record(from: number): readonly Event[] {
  const numbers = Array.from({ length: COMMIT }, (_, i) => from + i);
  const known = numbers.map((i) => i - IN_FLIGHT).filter((i) => i >= 0);
  return [
    ...numbers.map((i) => ({ ...EVENTS.accepted, ...fieldsOf(i) })),
    ...numbers.map((i) => ({ ...EVENTS.attempt, ...fieldsOf(i), entry: `${idOf(i)}/0` })),
    ...known.map((i) => ({
      ...EVENTS.delivered,
      ...fieldsOf(i),
      entry: `${idOf(i)}/0`,
      at: start + Math.floor(i / 2),
    })),
  ];
}

async function catchUp(): Promise<void> {
  while ((await archivist.step()) === 'more') continue;
}

let told = 0;
const cpu = { user: 0, system: 0 };
for (let from = 0, sequence = 1; from < messages; from += together) {
  for (let i = from; i < Math.min(messages, from + together); i += COMMIT) {
    const lines = record(i).map((event) => `${eventLine(event)}\n`);
    told += lines.length;
    await events.append(sequence++, lines.join(''));
  }
  const before = process.cpuUsage();
  await catchUp();
  const { user, system } = process.cpuUsage(before);
  cpu.user += user;
  cpu.system += system;
}

const all = cpu.user + cpu.system;
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
const octets = readdirSync(folder)
  .filter((name) => name.startsWith('history.db'))
  .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
console.log(`${cpus()[0]?.model} × ${cpus().length}, Node ${process.version}, commit ${commit}`);
console.log(
  `${messages} messages, ${told} events, ${together} messages a step: ${(all / told).toFixed(2)} CPU-µs an event, ` +
    `${(all / messages).toFixed(1)} a message (user ${(cpu.user / messages).toFixed(1)}, ` +
    `system ${(cpu.system / messages).toFixed(1)}), ${(octets / told).toFixed(0)} octets an event`,
);

const middle = Math.floor(messages / 2);
const recipient = fieldsOf(middle).recipients[0] ?? '';
const SEARCHES: Readonly<Record<string, EventSearch>> = {
  'the newest': {},
  'a recipient': { recipient },
  'a recipient that is not there': { recipient: 'nobody@nowhere.example' },
  'a sender': { sender: 'sender3@from3.example' },
  'a domain of recipients': { recipient: '@domain4.example' },
  'a domain of senders, one kind': { sender: '@from3.example', kind: 'accepted' },
  'a kind that is not there': { kind: 'failed' },
  'two seconds in the middle': { since: start + middle / 2, until: start + middle / 2 + 2000 },
};
const times = Object.entries(SEARCHES).map(([name, wanted]) => `${name} ${spent(() => archivist.search(wanted))}`);
console.log(`CPU-ms of a search for ${times.join(', ')}; of a story ${spent(() => archivist.story(idOf(middle)))}`);
archivist.close();
await events.close();
rmSync(folder, { recursive: true });

function spent(work: () => unknown): string {
  const runs = 5;
  const before = process.cpuUsage();
  for (let i = 0; i < runs; i++) work();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) / 1000 / runs).toFixed(2);
}
