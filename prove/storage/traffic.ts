/**
 * The product with mail flowing in and out while its storage fails: what went in, what came out, how it lives.
 */

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type PostriderConfig } from '../../src/config/config.ts';
import { type Event } from '../../src/events/event.ts';
import { parseEvent } from '../../src/events/format.ts';
import { type LogPosition, LogReader } from '../../src/events/log-reader.ts';
import { FastSink } from '../../test/lib/fast-sink.ts';
import { FastSource } from '../../test/lib/fast-source.ts';
import { listener, LONG_SESSIONS, toSink } from '../../test/lib/load-config.ts';
import { freePort, removeFolder, testFolder } from '../../test/lib/processes.ts';
import { type Product, startProduct } from '../../test/lib/product.ts';
import { until } from '../../test/lib/wait.ts';
import { type Plant, type SuiteContext } from '../suite.ts';
import { type FaultyCall, FaultyCalls } from './faulty-calls.ts';
import { judge, type Span } from './judge.ts';
import { lastWords } from './last-words.ts';
import { Mails } from './mails.ts';

export interface TrafficOptions {
  readonly context: SuiteContext;
  readonly plants?: readonly Plant[];
  readonly config?: Partial<PostriderConfig>;
  readonly sessions?: number;
  readonly gap?: number;
  /** One message in so many is large; 0: none. */
  readonly largeEvery?: number;
  /** Milliseconds that the next hop takes for a message. */
  readonly delay?: number;
  readonly under?: readonly string[];
  /** The spool's folder, before anything is in it. */
  readonly prepare?: (spool: string) => Promise<void>;
  /** After the product, before its folder goes. */
  readonly cleanUp?: (spool: string) => Promise<void>;
}

const SITES = 3;
const SESSIONS = 8;
const GAP = 40;
const DELAY = 10;
const PATIENCE = { short: 60_000, long: 60_000, fault: 15_000 } as const;
const TO_STOP = 20_000;
/** Messages that must pass each way for mail to be called flowing. */
const FLOWING = 15;
/** A sink may answer before it hears that nobody is there. */
const AFTER_DEATH = 1000;
/** Outcomes are recorded so much later at most, on a machine that is busy. */
const UNRECORDED = 100;
const LOG_PAGE = 5000;

export class Traffic {
  readonly product: Product;
  readonly source: FastSource;
  readonly sink: FastSink;
  readonly mails: Mails;
  readonly #faulty: FaultyCalls;
  readonly #folder: string;
  readonly #options: TrafficOptions;
  readonly #deaths: Span[] = [];
  readonly #running: Promise<void>;
  /** For what must happen sooner or later. */
  readonly patience: number;

  static async start(options: TrafficOptions): Promise<Traffic> {
    const folder = await testFolder('storage');
    await options.prepare?.(join(folder, 'spool'));
    const sink = new FastSink({ delay: () => options.delay ?? DELAY, contents: true });
    const names = Array.from({ length: SITES }, (_, i) => `site${i}`);
    const routes: ReturnType<typeof toSink>[] = [];
    for (const name of names) routes.push(toSink({ name, port: await sink.listen(), domains: [`${name}.test`] }));
    const ports = { smtp: await freePort(), http: await freePort() };
    const faulty = new FaultyCalls(folder);
    const plants = [...(options.plants ?? []), ...(options.context.fault?.plants ?? [])];
    const config: Partial<PostriderConfig> = {
      ...{ listeners: [listener('smtp', ports.smtp)], limits: LONG_SESSIONS, routes },
      queue: { pace: { defaults: { startWindow: 10 } } },
      ...options.config,
    };
    try {
      const product = await startProduct({
        ...{ folder, ports, config, env: faulty.environment(folder, plants) },
        ...(options.under !== undefined && { under: options.under }),
      });
      return new Traffic(options, { product, sink, faulty, folder, domains: names.map((name) => `${name}.test`) });
    } catch (error) {
      await sink.close();
      await options.cleanUp?.(join(folder, 'spool'));
      await removeFolder(folder);
      throw error;
    }
  }

  private constructor(
    options: TrafficOptions,
    parts: Pick<Traffic, 'product' | 'sink'> & {
      readonly faulty: FaultyCalls;
      readonly folder: string;
      readonly domains: readonly string[];
    },
  ) {
    const { context, sessions = SESSIONS, gap = GAP, largeEvery } = options;
    this.#options = options;
    this.patience = PATIENCE[context.length];
    this.product = parts.product;
    this.sink = parts.sink;
    this.#faulty = parts.faulty;
    this.#folder = parts.folder;
    const { domains } = parts;
    this.mails = new Mails({ seed: context.seed, domains, ...(largeEvery !== undefined && { largeEvery }) });
    const { mails } = this;
    const port = this.product.smtpPort;
    this.source = new FastSource({ port, sessions, gap, reconnect: true, next: () => mails.next() });
    this.#running = this.source.run();
  }

  /** Calls of the product that have failed so far. */
  get hits(): number {
    return this.#faulty.hits;
  }

  fail(...calls: readonly FaultyCall[]): Promise<void> {
    return this.#faulty.set(calls);
  }

  heal(): Promise<void> {
    return this.#faulty.set([]);
  }

  async pid(other?: number): Promise<number> {
    return until('the working process', async () => {
      const pid = await this.product.control.status().then(
        (status) => status.pid,
        () => undefined,
      );
      return pid !== other && pid;
    });
  }

  /** Mail comes in and goes out, from now on. */
  async flows(what: string): Promise<void> {
    const { source, sink, mails } = this;
    const [before, delivered] = [mails.made, sink.copies.length];
    await until(`mail to flow ${what}`, () => sink.copies.length >= delivered + FLOWING, this.patience);
    const isNew = (to: string, large: boolean): boolean =>
      Number(/\d+/.exec(to)?.[0]) > before && this.mails.isLarge(to) === large;
    const accepts = (large: boolean): boolean => source.accepted.some((to) => isNew(to, large));
    const { largeEvery } = this.#options;
    await until(
      `mail to be accepted ${what}`,
      () => accepts(false) && (largeEvery === 0 || accepts(true)),
      this.patience,
    );
  }

  /** The working process must end by what fails from `from` on, say so once, and be started again; `ended` in between. Gives its words. */
  async diesAndReturns(from: number, old: number, why: RegExp, ended?: () => Promise<void>): Promise<string> {
    const said = (): number => lastWords(this.product.running.output()).length;
    const before = this.#deaths.length;
    await until('the end of the working process', () => said() > before, this.patience);
    this.#deaths.push({ from: from - UNRECORDED, to: performance.now() + AFTER_DEATH });
    await ended?.();
    await this.pid(old);
    const words = lastWords(this.product.running.output()).slice(before);
    const [last = '', ...more] = words;
    if (more.length > 0) throw new Error(`it said more than once that it ends: ${words.join(' | ')}`);
    if (!why.test(last)) throw new Error(`it ended with other words than ${String(why)}: ${last}`);
    return last;
  }

  /** How often sessions have been lost so far, the connection being there already. */
  get lost(): number {
    return this.source.endings.filter(({ how }) => how === 'lost').length;
  }

  /** Lets everything go that still waits, and gives the promises that were broken. */
  async reckon(): Promise<readonly string[]> {
    const failures: string[] = [];
    this.source.stop();
    const ended = await Promise.race([this.#running.then(() => true), pause(TO_STOP, false, { ref: false })]);
    if (!ended) failures.push('sessions hang');
    const { control } = this.product;
    const isEmpty = async (): Promise<boolean> => {
      await control.release({ select: { lane: 'held' }, all: true });
      await control.flush({ select: {}, all: true });
      return (await control.status()).spool.messages === 0;
    };
    await until('an empty queue', isEmpty, this.patience).catch((error: unknown) => failures.push(String(error)));
    const { entries } = await control.list({ limit: 1000 });
    const waiting = new Set(entries.flatMap(({ recipients }) => recipients));
    const evidence = async (): Promise<readonly string[]> =>
      judge({
        ...{ fates: this.source.fates, sent: (to: string) => this.mails.sent(to), copies: this.sink.byRecipient },
        ...{ waiting, deaths: this.#deaths, events: await this.#logged() },
      });
    // The log follows the queue by a moment.
    await until('a log that tells all', async () =>
      (await evidence()).every((one) => !one.includes('the log does not')),
    ).catch(() => undefined);
    return [...failures, ...(await evidence())];
  }

  /** A record that was appended again after a failure counts once, as for whoever keeps what he reads. */
  async #logged(): Promise<readonly Event[]> {
    const reader = new LogReader(join(this.product.spool, 'events'));
    const events = new Map<string, Event>();
    let position: LogPosition | undefined;
    for (;;) {
      const page = await reader.read(position, LOG_PAGE);
      for (const { sequence, n, line } of page.lines) {
        const event = parseEvent(line);
        if (event.ok) events.set(`${sequence ?? ''} ${n} ${line}`, event.value);
      }
      position = page.position;
      if (!page.more) return [...events.values()];
    }
  }

  async close(): Promise<void> {
    this.source.stop();
    // The whole group: what it may be wrapped in does not pass signals on.
    await this.product.running.stop('SIGTERM');
    await this.sink.close();
    await this.#options.cleanUp?.(join(this.#folder, 'spool'));
    await removeFolder(this.#folder);
  }
}
