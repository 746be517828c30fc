/**
 * The small parent: starts the one working process, watches it, and starts it again when it dies.
 *
 * It opens neither spool nor sockets and never changes user, so that there is little in it that could
 * fail. Signals are passed on; a clean end of the working process is the parent's end, and a stop that does not end is
 * ended here.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import process from 'node:process';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Timers } from '../ports/timers.ts';
import { EXIT } from './exit-codes.ts';
import { LastResort } from './last-resort.ts';
import { restartDelay } from './restart-delay.ts';
import { systemTimers } from './timers.ts';
import { nodeArguments, workingEnvironment } from './working-environment.ts';

export interface ParentOptions {
  /** Arguments of the command line that make this program the working process. */
  readonly workingArguments: readonly string[];
  /** The program; not given: this one. */
  readonly script?: string;
  readonly log: Log;
  /** For a stop that does not end; not given: the real ones. */
  readonly timers?: Timers;
  readonly clock?: Pick<Clock, 'monotonic'>;
}

/** What the working process tells its parent. */
export type WorkingWord =
  | 'ready'
  /** It stops, whoever asked for it. */
  | 'stopping'
  /** It exits now, and could not do otherwise. */
  | 'ending'
  | { readonly drainTime: number };

const FORWARDED: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];
// A run that lasted this long was no crash loop.
const STEADY_MS = 60_000;
/**
 * For a working process that has said it ends: its exit waits for its threads, and one of those may wait for a disk that
 * does not answer.
 */
const EXIT_WITHIN_MS = 2000;

/** Resolves with the exit code when the working process has ended for good. */
export async function runParent(options: ParentOptions): Promise<number> {
  const parent = new Parent(options);
  const pass = (signal: NodeJS.Signals): void => parent.signal(signal);
  for (const signal of FORWARDED) process.on(signal, pass);
  try {
    return await parent.run();
  } finally {
    for (const signal of FORWARDED) process.off(signal, pass);
  }
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** It had said that it was ready. */
  readonly wasReady: boolean;
  readonly lastedMs: number;
}

class Parent {
  readonly #options: ParentOptions;
  #child: ChildProcess | undefined;
  #stopping = false;
  #everReady = false;
  /** The child, now. */
  #isReady = false;
  #reloadWhenReady = false;
  #wakeUp: (() => void) | undefined;
  readonly #lastResort: LastResort;

  constructor(options: ParentOptions) {
    this.#options = options;
    const { log, timers = systemTimers, clock = { monotonic: () => performance.now() } } = options;
    this.#lastResort = new LastResort({ timers, clock, log, kill: () => void this.#child?.kill('SIGKILL') });
  }

  signal(signal: NodeJS.Signals): void {
    // A process that is still starting would die of a signal that it does not know yet.
    if (signal === 'SIGHUP' && !this.#isReady) {
      this.#reloadWhenReady = true;
      return;
    }
    if (signal !== 'SIGHUP') {
      this.#stopping = true;
      this.#lastResort.asked();
    }
    this.#child?.kill(signal);
    this.#wakeUp?.();
  }

  async run(): Promise<number> {
    let crashes = 0;
    for (;;) {
      const ended = await this.#runOnce();
      const verdict = this.#verdict(ended);
      if (verdict !== undefined) return verdict;
      crashes = ended.lastedMs > STEADY_MS ? 1 : crashes + 1;
      const delay = restartDelay(crashes);
      this.#options.log.error('the working process died, starting it again', {
        ...{ code: ended.code ?? undefined, signal: ended.signal ?? undefined, afterMs: Math.round(ended.lastedMs) },
        inMs: delay,
      });
      if (!this.#stopping) await this.#sleep(delay);
      if (this.#stopping) return EXIT.ok;
    }
  }

  /** The exit code, or undefined to start it again. */
  #verdict({ code, wasReady }: Ended): number | undefined {
    if (this.#lastResort.used) return EXIT.failed;
    if (code === EXIT.ok || this.#stopping) return code ?? EXIT.ok;
    if (code === EXIT.usage) return code;
    // A first start that never came up is for a person to see, not to repeat. What was up comes back as soon as it can: a file
    // may be gone for a moment, and a configuration be half written.
    return wasReady || this.#everReady ? undefined : (code ?? EXIT.failed);
  }

  #runOnce(): Promise<Ended> {
    const startedAt = performance.now();
    const script = this.#options.script ?? process.argv[1];
    if (script === undefined) throw new Error('the program does not know its own script');
    const ofNode = nodeArguments(process.execArgv, process.env['NODE_OPTIONS']);
    const child = spawn(process.execPath, [...ofNode, script, ...this.#options.workingArguments], {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      env: workingEnvironment(process.env),
    });
    this.#child = child;
    let wasReady = false;
    let patience: NodeJS.Timeout | undefined;
    child.on('message', (word) => {
      const message = word as WorkingWord;
      if (typeof message === 'object') this.#lastResort.allow(message.drainTime);
      if (message === 'stopping') this.#lastResort.stopping();
      if (message === 'ending') patience ??= setTimeout(() => void child.kill('SIGKILL'), EXIT_WITHIN_MS);
      if (message !== 'ready') return;
      this.#isReady = this.#everReady = wasReady = true;
      if (this.#reloadWhenReady) this.signal('SIGHUP');
      this.#reloadWhenReady = false;
    });
    return new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        clearTimeout(patience);
        this.#lastResort.ended();
        this.#child = undefined;
        this.#isReady = false;
        resolve({ code, signal, wasReady, lastedMs: performance.now() - startedAt });
      };
      child.once('error', (error) => {
        this.#options.log.error('the working process could not be started', { error: error.message });
        end(EXIT.failed, null);
      });
      child.once('exit', end);
    });
  }

  #sleep(delay: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delay);
      this.#wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
