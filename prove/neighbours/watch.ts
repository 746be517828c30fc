/**
 * Looks at the product from outside while it has bad neighbours: memory, what its threads say of their event loops,
 * and what the machine itself is like meanwhile.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { anonymousMemory } from '../../test/lib/memory.ts';
import { type Product } from '../../test/lib/product.ts';
import { type Delay, delaysOver, type DelayWindow, type Measured, THREADS, type ThreadDelays } from './judge.ts';

const LOOK_EVERY = 100;
/** A thread that is blocked shows it once it runs again. */
const AFTERWARDS = 500;
const ANSWERS_WITHIN = 30_000;

export class Watch {
  readonly #product: Product;
  readonly #pid: number;
  readonly #idle: Worker;
  /** Of memory, before there was anything bad. */
  readonly #before: number;
  #most = 0;
  #watching = false;
  /** Each look at the metrics ends one: the product counts anew from there. */
  #windows: DelayWindow[] = [];
  #windowSince = performance.now();

  private constructor(product: Product, pid: number) {
    this.#product = product;
    this.#pid = pid;
    this.#before = anonymousMemory(pid);
    this.#idle = new Worker(new URL('./idle-thread.ts', import.meta.url));
    this.#idle.unref();
  }

  static async of(product: Product): Promise<Watch> {
    return new Watch(product, (await product.control.status()).pid);
  }

  /** Of the working process, which bears all of its threads. */
  get pid(): number {
    return this.#pid;
  }

  /** What happens while it happens. */
  async during<T>(what: () => Promise<T>): Promise<{ readonly value: T; readonly measured: Measured }> {
    await this.metrics();
    await this.#machine();
    const waitedBefore = this.#waited();
    const begun = performance.now();
    this.#windows = [];
    this.#most = 0;
    const looking = this.#look();
    try {
      const value = await what();
      await pause(AFTERWARDS);
      const text = await this.metrics();
      const machine = await this.#machine();
      const waited = mostWaited(waitedBefore, this.#waited()) / (performance.now() - begun);
      const measured = { grownOctets: this.#most - this.#before, delays: delaysOver(this.#windows), machine, waited };
      return { value, measured: { ...measured, workerDeaths: gaugeIn(text, 'postrider_worker_deaths_total') } };
    } finally {
      this.#watching = false;
      await looking;
    }
  }

  /** 99 of 100 turns are judged from here on: what came before was not what the case is about. The latest of all counts. */
  async beginAnew(): Promise<void> {
    await this.metrics();
    this.#windows = this.#windows.map((window) => ({ ...window, ms: 0 }));
  }

  async metrics(): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.#product.httpPort}/metrics`, {
      signal: AbortSignal.timeout(ANSWERS_WITHIN),
    });
    if (!answer.ok) throw new Error(`no metrics: ${answer.status}`);
    const text = await answer.text();
    const now = performance.now();
    this.#windows.push({ ms: now - this.#windowSince, delays: delaysIn(text) });
    this.#windowSince = now;
    return text;
  }

  async close(): Promise<void> {
    await this.#idle.terminate();
  }

  #machine(): Promise<Delay> {
    return new Promise((resolve) => {
      this.#idle.once('message', resolve);
      this.#idle.postMessage('', []);
    });
  }

  /** Milliseconds for which each thread of the product was ready to run and had no processor, since it began. */
  #waited(): ReadonlyMap<string, number> {
    const folder = `/proc/${this.#pid}/task`;
    const waited = new Map<string, number>();
    for (const thread of readdirSync(folder)) {
      try {
        const [, ns] = readFileSync(join(folder, thread, 'schedstat'), 'utf8').split(' ');
        waited.set(thread, Number(ns ?? 0) / 1e6);
      } catch {
        // It has ended, or this system does not tell.
      }
    }
    return waited;
  }

  async #look(): Promise<void> {
    this.#watching = true;
    while (this.#watching) {
      this.#most = Math.max(this.#most, anonymousMemory(this.#pid));
      await pause(LOOK_EVERY);
    }
  }
}

function mostWaited(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  return Math.max(0, ...[...after].map(([thread, ms]) => ms - (before.get(thread) ?? 0)));
}

function delaysIn(text: string): ThreadDelays {
  const of = (thread: string, quantile: string): number =>
    1000 * gaugeIn(text, `postrider_event_loop_delay_seconds{thread="${thread}",quantile="${quantile}"}`);
  return Object.fromEntries(
    THREADS.map((thread) => [thread, { p99: of(thread, '0.99'), max: of(thread, '1') }]),
  ) as ThreadDelays;
}

/** A number that is not there would be one that is never too high. */
export function gaugeIn(text: string, series: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  if (line === undefined) throw new Error(`no ${series} in the metrics`);
  return Number(line.slice(series.length));
}
