/**
 * One spool and the many lives of a product on it, between a source and a sink that never rest: each life is ended by
 * an attack, while at least ten transactions are open on either side.
 */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { type PostriderConfig } from '../../src/config/config.ts';
import { listener, LONG_SESSIONS, toSink } from '../../test/lib/load-config.ts';
import { freePort, removeFolder, testFolder } from '../../test/lib/processes.ts';
import { type Product, type ProductPorts, startProduct } from '../../test/lib/product.ts';
import { until } from '../../test/lib/wait.ts';
import { type Plant } from '../suite.ts';
import { type Attack, nameOf } from './attacks.ts';
import { type Chance } from '../chance.ts';
import { killInCommit } from './commit-kill.ts';
import { monotonic } from './intervals.ts';
import { type Evidence, type Kill, type Recorded, type Stall } from './judge.ts';
import { type Bodies, HOME, Letters, SITES } from './letters.ts';
import { isOfReload, isOfStart, isOfWorker, Points } from './points.ts';
import { Sink } from './sink.ts';
import { Source } from './source.ts';

export interface WorldOptions {
  readonly chance: Chance;
  readonly bodies: Bodies;
  /** Laid over the product besides the points. */
  readonly plants: readonly Plant[];
  /** Milliseconds without any progress after which the queue is taken not to empty. */
  readonly patience: number;
}

/**
 * `counted`: killed with at least ten transactions open on each side. `idle`: with fewer. `starting`: where none can
 * be. `refused`: a server too many. `missed`: the point was not come by.
 */
export type Outcome = 'counted' | 'idle' | 'starting' | 'refused' | 'missed';

export const TRANSACTIONS = 10;
const SESSIONS = 30;
/** On a machine that does ten things at once. */
const LOAD_PATIENCE = 120_000;
const POINT_PATIENCE = 8000;
/** What is tried again before this is over was not told to. */
const UNTOUCHED = 150;
/**
 * A first attempt is dispatched at least 30 s before its entry is due again; on a slow machine half of that may go by
 * before the next hop hears of it.
 */
const ALONE = 15_000;
const RANDOM_PAUSE = 200;
const DRAIN_PAUSE = 150;

export class World {
  readonly kills: Kill[] = [];
  readonly failures: string[] = [];
  readonly startTimes: number[] = [];
  readonly #stalls: Stall[] = [];
  readonly #recorded: Recorded[] = [];
  readonly #options: WorldOptions;
  readonly #folder: string;
  readonly #ports: ProductPorts;
  readonly #config: Partial<PostriderConfig>;
  readonly #points: Points;
  readonly #source: Source;
  readonly #sink: Sink;
  readonly #sending: Promise<void>;
  #product: Product | undefined;
  #process: 'alone' | 'watched' = 'alone';
  #hitsSeen = 0;
  /** In the present life. */
  #workerDied = false;
  /** With whom the product was when it was killed, and since when: it must not be again soon, unless it is told to. */
  #interrupted = new Map<string, number>();

  static async open(options: WorldOptions): Promise<World> {
    const folder = await testFolder('kill');
    const ports = { smtp: await freePort(), http: await freePort() };
    const sink = new Sink(options.chance);
    const routes = [toSink({ name: 'home', port: await sink.listen(), domains: [HOME] })];
    for (let i = 0; i < SITES; i++)
      routes.push(toSink({ name: `site${i}`, port: await sink.listen(), domains: [`site${i}.test`] }));
    return new World(options, { folder, ports, sink, routes });
  }

  private constructor(
    options: WorldOptions,
    {
      folder,
      ports,
      sink,
      routes,
    }: { folder: string; ports: ProductPorts; sink: Sink; routes: PostriderConfig['routes'] },
  ) {
    this.#options = options;
    this.#folder = folder;
    this.#ports = ports;
    this.#sink = sink;
    this.#config = configOf(ports, routes);
    this.#points = new Points(folder, options.plants);
    const { chance, bodies } = options;
    this.#source = new Source({ port: ports.smtp, sessions: SESSIONS, letters: new Letters(chance, bodies), chance });
    this.#sink.heard = (recipient) => this.#heard(recipient);
    this.#sending = this.#source.run();
  }

  get letters(): Source['sent'] {
    return this.#source.sent;
  }

  async attack(attack: Attack): Promise<Outcome> {
    if (attack.kind === 'second server') return this.#second();
    if (attack.kind === 'point' && isOfStart(attack.point)) return this.#attackStart(attack.point);
    const product = await this.#alive(
      attack.kind === 'parent' || attack.kind === 'working process' ? 'watched' : 'alone',
    );
    await this.#load();
    if (this.#interrupted.size > 0) await pause(UNTOUCHED);
    this.#interrupted.clear();
    await stir(product);
    await this.#load();
    const kill = await this.#strike(product, attack);
    if (kill === undefined) return 'missed';
    this.#died(kill);
    if (attack.kind === 'point' && isOfWorker(attack.point)) this.#workerDied = true;
    else await this.#bury(product, attack, kill);
    const isBusy =
      this.#source.openAt(kill.at) >= TRANSACTIONS && this.#sink.transactions.openAt(kill.at) >= TRANSACTIONS;
    return isBusy ? 'counted' : 'idle';
  }

  async #second(): Promise<Outcome> {
    await this.#alive('alone');
    const folder = await testFolder('kill-second');
    const config = { ...this.#config, spool: { folder: join(this.#folder, 'spool'), minFree: '1MiB' } } as const;
    const ports = { smtp: await freePort(), http: await freePort() };
    const listeners = [listener('smtp', ports.smtp)];
    const second = await startProduct({
      folder,
      ports,
      config: { ...config, listeners },
      process: 'alone',
      expected: 'failing',
      env: this.#points.environment,
    });
    let ended: number | NodeJS.Signals | undefined;
    void second.running.exited.then((code) => (ended = code));
    const isUp = (): boolean => /info +running /.test(second.running.output());
    await until('the second server to end', () => ended !== undefined || isUp(), LOAD_PATIENCE);
    const isRefused = ended !== undefined && second.running.output().includes('another server has the spool');
    if (!isRefused) this.failures.push(`lets a second server into its spool: ${second.running.output().slice(-200)}`);
    await second.kill();
    await removeFolder(folder);
    return isRefused ? 'refused' : 'missed';
  }

  /** Lets everything go that still waits, and ends the product in order. */
  async finish(): Promise<Evidence> {
    this.#points.disarm();
    const product = await this.#alive('alone');
    this.#interrupted.clear();
    this.#source.stop();
    await this.#sending;
    await this.#drain(product);
    product.running.signal('SIGTERM');
    const code = await product.running.exited;
    this.#product = undefined;
    if (code !== 0) this.failures.push(`did not end in order (${code}): ${product.running.output().slice(-500)}`);
    // What a worker that died was about to write stays until the next start.
    if (this.#workerDied) {
      const next = await this.#alive('alone');
      next.running.signal('SIGTERM');
      await next.running.exited;
    }
    const left = readdirSync(join(product.spool, 'content'), { recursive: true }).filter(
      (path) => String(path).length > 3,
    );
    if (left.length > 0) this.failures.push(`leaves ${left.length} content files without a message: ${left[0]}`);
    const events = await product.events();
    return {
      ...{ sent: this.#source.sent, copies: this.#sink.copies, kills: this.kills, events },
      ...{ stalls: this.#stalls, recorded: this.#recorded },
    };
  }

  async close(): Promise<void> {
    this.#source.stop();
    await this.#product?.kill();
    await this.#sink.close();
    await this.#sending;
    await removeFolder(this.#folder);
  }

  #heard(recipient: string): void {
    const from = this.#interrupted.get(recipient);
    this.#interrupted.delete(recipient);
    if (from === undefined || monotonic() > from + ALONE) return;
    const after = Math.round(monotonic() - from);
    const kill = this.kills.at(-1);
    const dead = kill === undefined ? 0 : Math.round(kill.at - from);
    this.failures.push(
      `was tried again ${after} ms after an attempt that a kill (${kill?.what}) ended after ${dead} ms, so not recorded: ${recipient}`,
    );
  }

  async #alive(how: 'alone' | 'watched'): Promise<Product> {
    if (this.#product !== undefined && this.#process === how) return this.#product;
    await this.#end();
    const begun = monotonic();
    this.#process = how;
    this.#workerDied = false;
    this.#product = await startProduct(this.#starting(how));
    this.startTimes.push(monotonic() - begun);
    return this.#product;
  }

  #died(kill: Kill): void {
    this.kills.push(kill);
    const { stalls, recorded } = this.#points.lifeUntil(kill.at);
    this.#stalls.push(...stalls);
    this.#recorded.push(...recorded);
  }

  /** So that it can be started in another way: one kill more, whatever is open. */
  async #end(): Promise<void> {
    if (this.#product === undefined) return;
    const ending = this.#product.kill();
    // SIGKILL is sent before the first wait.
    const kill = { at: monotonic(), what: 'another start' };
    await ending;
    this.#died(kill);
    await this.#bury(this.#product, { kind: 'instant' }, kill);
  }

  #starting(process: 'alone' | 'watched') {
    const { environment: env } = this.#points;
    return { folder: this.#folder, ports: this.#ports, config: this.#config, process, env, patience: LOAD_PATIENCE };
  }

  async #load(): Promise<void> {
    await until(
      'load on both sides',
      () => this.#source.open >= TRANSACTIONS && this.#sink.transactions.open >= TRANSACTIONS,
      LOAD_PATIENCE,
    );
  }

  async #attackStart(point: string): Promise<Outcome> {
    await this.#end();
    this.#points.arm(point, 1);
    const product = await startProduct({ ...this.#starting('alone'), expected: 'failing' });
    await until(`a death at ${point}`, () => this.#hit() !== undefined, LOAD_PATIENCE);
    this.#hitsSeen += 1;
    await product.kill();
    return 'starting';
  }

  #strike(product: Product, attack: Attack): Promise<Kill | undefined> {
    switch (attack.kind) {
      case 'point':
        return this.#strikeAt(product, attack.point);
      case 'commit':
        return this.#strikeInCommit(product, attack.call);
      default:
        return this.#strikeAnytime(product, attack);
    }
  }

  async #strikeAt({ control }: Product, point: string): Promise<Kill | undefined> {
    this.#points.arm(point, passesOf(point, this.#options.chance));
    // A reload that is killed gives no answer.
    if (isOfReload(point)) control.reload().catch(() => undefined);
    try {
      const { at } = await until(point, () => this.#hit(), POINT_PATIENCE);
      this.#hitsSeen += 1;
      return { at, what: point };
    } catch {
      this.#points.disarm();
      return undefined;
    }
  }

  #hit() {
    return this.#points.hits[this.#hitsSeen];
  }

  async #strikeInCommit(
    product: Product,
    call: Extract<Attack, { kind: 'commit' }>['call'],
  ): Promise<Kill | undefined> {
    const { chance } = this.#options;
    const { pid } = product.running;
    const kill = await killInCommit({
      pid,
      spool: product.spool,
      folder: this.#folder,
      call,
      when: chance.whole(1, 4),
    });
    return kill === undefined ? undefined : { at: kill.at, what: kill.point };
  }

  async #strikeAnytime(product: Product, attack: Attack): Promise<Kill> {
    const pid = attack.kind === 'working process' ? (await product.control.status()).pid : product.running.pid;
    await pause(this.#options.chance.whole(0, RANDOM_PAUSE));
    await this.#load();
    process.kill(pid, 'SIGKILL');
    return { at: monotonic(), what: nameOf(attack) };
  }

  /** Until nothing of the dead is left, and what it was at is known. */
  async #bury(product: Product, attack: Attack, { at }: Kill): Promise<void> {
    const { unanswered } = this.#source;
    if (attack.kind === 'working process')
      await until('the working process to be started again', () => isUp(product), LOAD_PATIENCE);
    else {
      // Without its parent the working process ends by itself, in order; nothing else can begin before.
      await product.running.exited;
      this.#product = undefined;
      await until('the sink to hear of it', () => this.#sink.connections === 0);
    }
    if (attack.kind === 'parent' && this.#source.unanswered > unanswered)
      this.failures.push(`left ${this.#source.unanswered - unanswered} senders without an answer when its parent died`);
    const interrupted = this.#sink.brokenOff.filter(({ from, to }) => from <= at && to >= at);
    const isOrderly = attack.kind === 'parent';
    this.#interrupted = new Map(
      isOrderly ? [] : interrupted.flatMap(({ recipients, from }) => recipients.map((one) => [one, from] as const)),
    );
    this.#sink.brokenOff = [];
  }

  async #drain(product: Product): Promise<void> {
    let seen = '';
    let since = monotonic();
    for (;;) {
      await stir(product);
      const { spool } = await product.control.status();
      if (spool.messages === 0) return;
      const now = `${spool.messages} ${this.#sink.copies.length}`;
      if (now !== seen) since = monotonic();
      seen = now;
      if (monotonic() - since > this.#options.patience || (await hasLostContent(product))) break;
      await pause(DRAIN_PAUSE);
    }
    const { entries } = await product.control.list({ limit: 1 });
    this.failures.push(`does not become empty: ${seen.split(' ')[0]} messages stay, as ${JSON.stringify(entries[0])}`);
  }
}

/** What an earlier life had in flight goes on now, and not in a minute: so there are retries in each life. */
async function stir({ control }: Product): Promise<void> {
  await control.release({ select: { lane: 'held' } });
  await control.flush({ select: {}, all: true });
}

/** No patience helps then. */
async function hasLostContent({ control }: Product): Promise<boolean> {
  const { entries } = await control.list({ limit: 100 });
  return entries.some(({ lastReply }) => lastReply.includes('the content cannot be read'));
}

async function isUp({ control }: Product): Promise<boolean> {
  return control.status().then(
    () => true,
    () => false,
  );
}

/** Points that mail comes by many times a second are hit at any of several passes. */
const OFTEN = /^(?:commit:(?:before|after)|accept|removal|retry|outbox)/;

function passesOf(point: string, chance: Chance): number {
  return OFTEN.test(point) ? chance.whole(1, 12) : 1;
}

function configOf(ports: ProductPorts, routes: PostriderConfig['routes']): Partial<PostriderConfig> {
  const soon = { first: '1s', factor: 1, max: '1s' } as const;
  return {
    // Fewer threads, and nobody who asks by HTTP: a start is what a kill costs.
    workers: 1,
    http: { enabled: false },
    listeners: [listener('smtp', ports.smtp)],
    limits: LONG_SESSIONS,
    drainTime: '60s',
    ...(routes !== undefined && { routes }),
    queue: {
      pace: { defaults: { startWindow: 10, backoff: '100ms', maxBackoff: '1s' } },
      retry: { general: soon, schedules: { local: soon, connection: soon, protocol: soon } },
    },
  };
}
