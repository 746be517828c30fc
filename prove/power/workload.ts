/**
 * A short life of the product under strace: everything that may happen to a message, and to the files that hold it.
 *
 * Small and large content, several recipients, mailboxes of this machine, deferrals, failures with their notifications, a removal by an operator,
 * a transaction that breaks off within its content, segments of the event log that are followed by others and
 * compressed, then the store compacted and the product started once more.
 */

import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { type PostriderConfig } from '../../src/config/config.ts';
import { FastSink } from '../../test/lib/fast-sink.ts';
import { LineClient } from '../../test/lib/line-client.ts';
import { LONG_SESSIONS, toSink } from '../../test/lib/load-config.ts';
import { freePort, startProcess } from '../../test/lib/processes.ts';
import { environment, MAIN, type Product, startProduct } from '../../test/lib/product.ts';
import { until } from '../../test/lib/wait.ts';
import { plantedEnvironment } from '../plant/plants.ts';
import { type Fault, type Length } from '../suite.ts';
import { BOXES, sha256 } from './opening.ts';
import { type Happening, type Mail, type Recording } from './recording.ts';
import { NO_RINGS, straceInto, terminateParentOf } from './strace.ts';

export interface Ends {
  readonly sink: FastSink;
  readonly sinkPort: number;
  readonly happenings: Happening[];
  /** Recipients that wait end now. */
  letIn(): void;
}

/** Large content stands in a file: above 256 KiB. */
const LARGE = 300_000;
const SESSIONS = 4;
/** Each system call costs several changes between processes: on a busy machine all of it takes its time. */
export const PATIENCE = 120_000;

const ROUNDS: Readonly<Record<Length, number>> = { fault: 1, short: 1, long: 3 };

/** The next hop of everything: what it does with a recipient stands in the recipient's name. */
export async function startEnds(): Promise<Ends> {
  const happenings: Happening[] = [];
  const happened = (kind: Happening['kind'], recipient: string): void =>
    void happenings.push({ kind, recipient, at: Date.now() });
  let isOpen = false;
  const sink = new FastSink({
    contents: true,
    // Asked when the content has come, before the 250 is written.
    delay: (_, recipients) => {
      for (const recipient of recipients) happened('taken', recipient);
      return 0;
    },
    refuse: (recipient) => {
      if (recipient.startsWith('never')) {
        happened('refused', recipient);
        return '550 5.1.1 No such user';
      }
      return recipient.startsWith('later') && !isOpen ? '450 4.2.1 Not now' : undefined;
    },
  });
  const sinkPort = await sink.listen();
  return { sink, sinkPort, happenings, letIn: () => void (isOpen = true) };
}

/** `root` holds the spool, and mailboxes beside it. */
export function configFor(sinkPort: number, root: string): Partial<PostriderConfig> {
  return {
    limits: LONG_SESSIONS,
    routes: [
      { kind: 'maildir', name: 'boxes', path: join(root, BOXES, '{user}'), match: { recipients: ['box.test'] } },
      toSink({ name: 'sink', port: sinkPort }),
    ],
    events: { segmentAge: '1s' },
    queue: { retry: { general: { first: '1s', max: '2s' } } },
  };
}

/** `folder` becomes the root of the recording. Throws when the product does not do its work. */
export async function record(
  folder: string,
  length: Length,
  fault: Fault | undefined,
  ends: Ends,
): Promise<Omit<Recording, 'events'>> {
  const root = join(folder, 'root');
  mkdirSync(root);
  const ports = { smtp: await freePort(), http: await freePort() };
  const traces = [join(folder, 'first.trace')];
  const env = { ...plantedEnvironment(folder, fault?.plants ?? []), ...NO_RINGS };
  const config = configFor(ends.sinkPort, root);
  const start = (trace: string): Promise<Product> =>
    startProduct({ folder: root, ports, config, env, under: straceInto(trace), patience: PATIENCE });
  const mails: Mail[] = [];
  await during(await start(traces[0] as string), (first) => live(first, ends, mails, ROUNDS[length]));
  if (length !== 'fault') {
    traces.push(join(folder, 'compact.trace'), join(folder, 'second.trace'));
    await compact(root, traces[1] as string);
    await during(await start(traces[2] as string), async (second) => {
      await send(second, mails, [mailOf('again', 2000), mailOf('again', LARGE)]);
      await settled(second);
    });
  }
  return { root, smtpPort: ports.smtp, traces, mails, happenings: ends.happenings };
}

/** Ends it in order after that, and at once if that failed. */
async function during(product: Product, act: (product: Product) => Promise<void>): Promise<void> {
  try {
    await act(product);
    await stop(product);
  } catch (error) {
    await product.kill();
    throw new Error(`${String(error)}\n${product.running.output()}`, { cause: error });
  }
}

interface Offered {
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly content: Buffer;
}

let offered = 0;

/** Names and contents are used once in a process. */
function mailOf(kind: string, octets: number, { recipients = 1, domain = '' } = {}): Offered {
  const n = (offered += 1);
  const sender = `sender${n}@home.test`;
  const to = Array.from({ length: recipients }, (_, i) => `${kind}${n}-${i}@${domain || `next${i % 2}.test`}`);
  const header = `From: <${sender}>\r\nTo: <${to[0]}>\r\nSubject: ${kind} ${n}\r\n\r\n`;
  const line = `${n} ${'0123456789abcdef'.repeat(4)}\r\n`;
  const body = line.repeat(Math.ceil(octets / line.length));
  return { sender, recipients: to, content: Buffer.from(header + body) };
}

/** What a round of mail consists of. */
function round(): readonly Offered[] {
  const small = Array.from({ length: 8 }, (_, i) => mailOf('plain', 500 + 700 * i));
  return [
    ...small,
    mailOf('plain', LARGE),
    mailOf('plain', 3000, { recipients: 4 }),
    mailOf('box', 1200, { domain: 'box.test' }),
    mailOf('box', LARGE, { domain: 'box.test' }),
    mailOf('box', 2000, { domain: 'box.test', recipients: 3 }),
    mailOf('never', 1000),
    mailOf('later', 1500),
    mailOf('later', LARGE),
    mailOf('laterremoved', 800),
    mailOf('never', LARGE),
    mailOf('plain', LARGE + 70_000),
  ];
}

async function live(product: Product, ends: Ends, mails: Mail[], rounds: number): Promise<void> {
  for (let i = 0; i < rounds; i += 1) {
    const aborted = abort(product, mailOf('aborted', LARGE));
    await Promise.all([aborted, send(product, mails, round())]);
    const removable = mails.flatMap(({ recipients }) => recipients.filter((one) => one.startsWith('laterremoved')));
    for (const recipient of removable) {
      ends.happenings.push({ kind: 'removed', recipient, at: Date.now() });
      await product.control.remove({ select: { recipient } });
    }
    if (i < rounds - 1) await product.control.flush({ select: {}, all: true });
  }
  ends.letIn();
  await settled(product);
}

/** Several sessions share the messages. Every one must be answered with 250. */
async function send(product: Product, mails: Mail[], offers: readonly Offered[]): Promise<void> {
  const left = [...offers];
  const session = async (): Promise<void> => {
    const client = await LineClient.greeted(product.smtpPort);
    for (let mail = left.shift(); mail !== undefined; mail = left.shift()) {
      const replies = await client.send(mail.sender, mail.recipients, mail.content);
      const last = replies.at(-1);
      const [, id] = /^250 .*Queued as ([0-9a-z]{20})/.exec(last?.text ?? '') ?? [];
      if (id === undefined) throw new Error(`not accepted: ${replies.map(({ text }) => text).join('')}`);
      const { sender, recipients, content } = mail;
      mails.push({ id, sender, recipients, octets: content.length, sha256: sha256(content) });
    }
    client.close();
  };
  await Promise.all(Array.from({ length: SESSIONS }, session));
}

/** A client that goes away when half of its content has been sent. */
async function abort(product: Product, { sender, recipients, content }: Offered): Promise<void> {
  const client = await LineClient.greeted(product.smtpPort);
  for (const command of [`MAIL FROM:<${sender}>`, `RCPT TO:<${recipients[0]}>`, 'DATA']) await client.say(command);
  client.write(content);
  client.socket.end();
  await client.closed();
}

async function settled(product: Product): Promise<void> {
  await until(
    'an empty queue',
    async () => {
      await product.control.flush({ select: {}, all: true });
      return (await product.control.status()).spool.messages === 0;
    },
    PATIENCE,
  );
  // The outbox is emptied behind the log by a commit of its own, a second later; segments are compressed meanwhile.
  await until(
    'a segment that was compressed',
    () => readdirSync(join(product.spool, 'events')).some((name) => name.endsWith('.zst')),
    PATIENCE,
  );
}

async function stop(product: Product): Promise<void> {
  terminateParentOf((await product.control.status()).pid);
  const code = await product.running.exited;
  if (code !== 0) throw new Error(`the product ended with ${code}: ${product.running.output()}`);
}

async function compact(root: string, trace: string): Promise<void> {
  const config = join(root, 'postrider.config.mjs');
  const argv = [...straceInto(trace), process.execPath, MAIN, '--config', config, 'compact'];
  const [file = '', ...args] = argv;
  const running = startProcess({ argv: [file, ...args], env: { ...environment(), ...NO_RINGS }, cwd: root });
  const code = await running.exited;
  if (code !== 0) throw new Error(`compact ended with ${code}: ${running.output()}`);
}
