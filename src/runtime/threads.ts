/**
 * The threads of the working process: one queue manager, the workers, one archivist.
 *
 * A worker that dies, or gives no sign of life for ten seconds, is started again in its slot; the queue
 * manager hears of both. The queue manager's death is the process's death.
 */

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { SECOND } from '../lib/time.ts';
import { type Log } from '../ports/log.ts';
import { timeTable } from '../receive/shared-times.ts';
import { connectionCounts } from '../receive/limits.ts';
import { type Boot, type Certificates, type Joining, type WorkerBoot } from './boot.ts';
import { restartDelay } from './restart-delay.ts';
import { Thread, type ThreadEvents } from './thread.ts';
import { LOOK_EVERY, Watchdog } from './watchdog.ts';

export interface ThreadsOptions {
  readonly boot: Boot;
  readonly workers: number;
  readonly reusePort: boolean;
  /** Asked once the spool is open: a certificate made here is kept with it. */
  readonly certificates: () => Promise<Certificates>;
  readonly log: Log;
  readonly events: (lines: string) => void;
  /** The process must end, with this reason. */
  readonly fatal: (reason: string) => void;
}

export interface ListeningAddress {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

interface Slot {
  readonly id: number;
  thread: Thread | undefined;
  crashes: number;
}

// A worker that lived this long was no crash loop.
const STEADY_MS = 60 * SECOND;
/** Dispatches a worker is given at once. What bounds them is `queue.connections`, over all workers. */
const WORKER_CAPACITY = 100_000;

export class Threads {
  readonly #options: ThreadsOptions;
  readonly #slots: Slot[];
  readonly #watchdog = new Watchdog<Slot>();
  #boot: Boot;
  #certificates: Certificates = { certificate: '', key: '' };
  #incoming = '';
  #queueManager: Thread | undefined;
  #archivist: Thread | undefined;
  readonly #counts: SharedArrayBuffer;
  readonly #failures = timeTable();
  readonly #known = timeTable();
  #stopping = false;

  constructor(options: ThreadsOptions) {
    this.#options = options;
    this.#boot = options.boot;
    this.#counts = connectionCounts(options.workers);
    this.#slots = Array.from({ length: options.workers }, (_, id) => ({
      ...{ id, thread: undefined, crashes: 0 },
    }));
  }

  get queueManager(): Thread {
    if (this.#queueManager === undefined) throw new Error('the queue manager has not started');
    return this.#queueManager;
  }

  get archivist(): Thread {
    if (this.#archivist === undefined) throw new Error('the archivist has not started');
    return this.#archivist;
  }

  /** The workers that are there now. */
  get workers(): readonly { readonly id: number; readonly thread: Thread }[] {
    return this.#slots.flatMap(({ id, thread }) => (thread === undefined ? [] : [{ id, thread }]));
  }

  /** Rejects with a text for people when any of them cannot start. */
  async start(): Promise<readonly ListeningAddress[]> {
    this.#queueManager = this.#makeQueueManager();
    const { incoming } = (await this.#queueManager.ask('start')) as { readonly incoming: string };
    this.#incoming = incoming;
    this.#certificates = await this.#options.certificates();
    this.#archivist = this.#makeArchivist();
    await this.#archivist.ask('start');
    let addresses: readonly ListeningAddress[] = [];
    // One after the other: ports that the system chooses are the same for all, chosen by the first.
    for (const slot of this.#slots) addresses = await this.#startWorker(slot);
    setInterval(() => this.#watch(), LOOK_EVERY).unref();
    return addresses;
  }

  /** What threads started from now on begin with. */
  reloaded(boot: Boot, certificates: Certificates): void {
    this.#boot = boot;
    this.#certificates = certificates;
  }

  stopping(): void {
    this.#stopping = true;
  }

  #makeQueueManager(): Thread {
    return new Thread(
      'queue-manager',
      { data: this.#boot, transfer: [] },
      {
        ...this.#silent(),
        gone: (error) => {
          if (!this.#stopping) this.#options.fatal(`the queue manager died: ${error?.stack ?? 'without a word'}`);
        },
      },
    );
  }

  #makeArchivist(): Thread {
    return new Thread(
      'archivist',
      { data: this.#boot, transfer: [] },
      {
        ...this.#silent(),
        gone: (error) => {
          if (this.#stopping) return;
          this.#options.log.error('the archivist died, starting it again', { error: error?.message });
          setTimeout(() => {
            this.#archivist = this.#makeArchivist();
            this.#archivist.ask('start').catch((reason: unknown) => {
              this.#options.log.error('the archivist does not start', { error: String(reason) });
            });
          }, SECOND).unref();
        },
      },
    );
  }

  /** Also joins it to the queue manager. */
  async #startWorker(slot: Slot): Promise<readonly ListeningAddress[]> {
    const { port1, port2 } = new MessageChannel();
    const thread = this.#makeWorker(slot, port1);
    slot.thread = thread;
    this.#watchdog.heard(slot, performance.now());
    const addresses = (await thread.ask('start')) as readonly ListeningAddress[];
    const joining: Joining = { id: slot.id, port: port2, capacity: WORKER_CAPACITY };
    await this.queueManager.ask('join', joining, [port2]);
    return addresses;
  }

  #makeWorker(slot: Slot, port: MessagePort): Thread {
    const { reusePort } = this.#options;
    const startedAt = performance.now();
    const data: WorkerBoot = {
      ...{
        ...this.#boot,
        id: slot.id,
        counts: this.#counts,
        failures: this.#failures,
        known: this.#known,
        reusePort,
        port,
      },
      ...{ incoming: this.#incoming, certificates: this.#certificates },
    };
    return new Thread(
      'worker',
      { data, transfer: [port] },
      {
        ...this.#silent(),
        alive: () => this.#watchdog.heard(slot, performance.now()),
        gone: (error) => this.#workerGone(slot, error, performance.now() - startedAt),
      },
    );
  }

  #workerGone(slot: Slot, error: Error | undefined, lastedMs: number): void {
    slot.thread = undefined;
    this.#watchdog.gone(slot);
    if (this.#stopping) return;
    slot.crashes = lastedMs > STEADY_MS ? 1 : slot.crashes + 1;
    const delay = restartDelay(slot.crashes);
    this.#options.log.error('a worker died, starting it again', {
      ...{ worker: slot.id, inMs: delay, error: error?.stack ?? 'without a word' },
    });
    const left = this.queueManager.ask('left', slot.id);
    left.catch((reason: unknown) => this.#options.fatal(String(reason)));
    // Its successor joins under the same number: not before the queue manager has let it go.
    setTimeout(() => void left.then(() => this.#restart(slot)), delay).unref();
  }

  async #restart(slot: Slot): Promise<void> {
    if (this.#stopping) return;
    try {
      await this.#startWorker(slot);
    } catch (error) {
      this.#options.log.error('a worker does not start', { worker: slot.id, error: String(error) });
      await slot.thread?.terminate(); // Its end starts it again, later.
    }
  }

  #watch(): void {
    for (const { id, thread } of this.#watchdog.silent(performance.now())) {
      this.#options.log.error('a worker gave no sign of life, ending it', { worker: id });
      void thread?.terminate(); // Its end is reported like any other.
    }
  }

  #silent(): ThreadEvents {
    return {
      alive: () => undefined,
      events: this.#options.events,
      broken: this.#options.fatal,
      gone: () => undefined,
    };
  }
}
