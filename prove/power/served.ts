/**
 * What a power cut left, started as an operator would start it again: everything that was answered and not yet over
 * arrives, whole, and the history knows what the log knows.
 */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Archivist } from '../../src/events/archivist.ts';
import { type Event } from '../../src/events/event.ts';
import { SystemClock } from '../../src/runtime/clock.ts';
import { FastSink } from '../../test/lib/fast-sink.ts';
import { type Product, startProduct } from '../../test/lib/product.ts';
import { until } from '../../test/lib/wait.ts';
import { Disk, type Step } from './disk.ts';
import { chanceOf, type Draw, wordsFor } from './draw.ts';
import { BOXES, delivered, sha256, writeImage } from './opening.ts';
import { type Happening, type Mail, type Recording } from './recording.ts';
import { configFor, PATIENCE } from './workload.ts';

export interface Serving {
  readonly recording: Recording;
  readonly steps: readonly Step[];
  /** Queue ids in the order of their 250. */
  readonly answers: readonly string[];
  /** Where it is served; made and removed. */
  readonly folder: string;
}

/** Gives what was broken, in words. */
export async function serve(serving: Serving, draw: Draw): Promise<readonly string[]> {
  const { recording, steps, folder } = serving;
  const disk = new Disk(recording.root);
  for (const step of steps.slice(0, draw.cut.steps)) disk.step(step);
  mkdirSync(folder);
  writeImage(disk.image(chanceOf(draw)), recording.root, folder);
  const sink = new FastSink({ contents: true });
  try {
    const product = await startProduct({ folder, config: configFor(await sink.listen(), folder), patience: PATIENCE });
    const broken = await drained(product);
    const missing = broken ?? [...notArrived(serving, draw, sink), ...strangers(recording, sink)];
    return [...missing, ...(await historyLacks(product))].map((text) => `served, ${wordsFor(draw)}: ${text}`);
  } catch (error) {
    return [`served, ${wordsFor(draw)}: ${String(error)}`];
  } finally {
    await sink.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Ends with an empty queue and a stopped product; or says why not. */
async function drained(product: Product): Promise<readonly string[] | undefined> {
  try {
    await until(
      'an empty queue',
      async () => {
        await product.control.release({ select: { lane: 'held' } });
        await product.control.flush({ select: {}, all: true });
        return (await product.control.status()).spool.messages === 0;
      },
      PATIENCE,
    );
    const code = await product.stop();
    return code === 0 ? undefined : [`it ended with ${code}: ${product.running.output()}`];
  } catch (error) {
    await product.kill();
    return [`${String(error)}\n${product.running.output()}`];
  }
}

function notArrived({ recording, answers, folder }: Serving, { cut }: Draw, sink: FastSink): readonly string[] {
  const before = recording.happenings.filter(({ at }) => at <= cut.at);
  const had = (kind: Happening['kind'], recipient: string): boolean =>
    before.some((happening) => happening.kind === kind && happening.recipient === recipient);
  const boxes = delivered(join(folder, BOXES), recording.mails);
  const arrived = (recipient: string): boolean =>
    had('taken', recipient) || sink.byRecipient.has(recipient) || boxes.includes(recipient);
  const isOver = (mail: Mail, recipient: string): boolean =>
    arrived(recipient) || had('removed', recipient) || (had('refused', recipient) && arrived(mail.sender));
  const answered = new Set(answers.slice(0, cut.answered));
  return recording.mails
    .filter(({ id }) => answered.has(id))
    .flatMap((mail) => mail.recipients.filter((recipient) => !isOver(mail, recipient)))
    .map((recipient) => `what was answered with 250 never arrives for ${recipient}`);
}

/** Copies for nobody, and copies that are not what was sent. */
function strangers({ mails }: Recording, sink: FastSink): readonly string[] {
  return sink.copies.flatMap(({ recipients, sender, content }) => {
    if (sender === '' && mails.some((mail) => recipients.includes(mail.sender))) return [];
    const mail = mails.find((one) => recipients.every((recipient) => one.recipients.includes(recipient)));
    const octets = Buffer.from(content.replaceAll(/^\./gm, ''), 'latin1');
    const isWhole = mail !== undefined && sha256(octets.subarray(-mail.octets)) === mail.sha256;
    return isWhole ? [] : [`what arrives for ${recipients} is not what was sent`];
  });
}

/** The history may lag behind the log; it may not pass over lines that were written where lost ones had been. */
async function historyLacks({ spool, events }: Product): Promise<readonly string[]> {
  const folder = join(spool, 'events');
  const problems: string[] = [];
  const log = { error: (text: string) => void problems.push(text), warn: () => undefined, info: () => undefined };
  const archivist = await Archivist.open({
    ...{ folder, historyFile: join(folder, 'history.db'), clock: new SystemClock(), log, retentionDays: 30 },
  });
  try {
    for (let i = 0; i < 100 && (await archivist.step()) === 'more'; i += 1);
    const known = new Map<string, Set<string>>();
    for (const event of await events()) {
      const { queueId } = event as Event & { readonly queueId?: string };
      if (queueId === undefined || queueId === '') continue;
      known.set(queueId, (known.get(queueId) ?? new Set()).add(JSON.stringify(event)));
    }
    for (const [id, lines] of known) {
      const { length } = archivist.story(id);
      if (length < lines.size) problems.push(`the history has ${length} of ${lines.size} events of message ${id}`);
    }
    return problems;
  } finally {
    archivist.close();
  }
}
