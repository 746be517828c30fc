/** Waiting for something outside to become true, with an end: tests never sleep for a guess. */

import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { type Running } from './processes.ts';

const POLL = 20;
const PATIENCE = 30_000;

/** Asks until the answer is neither `undefined` nor `false`; fails by name when patience ends. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  patience: number = PATIENCE,
): Promise<T> {
  const end = performance.now() + patience;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > end) throw new Error(`waited ${patience} ms in vain for ${what}`);
    await sleep(POLL);
  }
}

/** Whether somebody accepts connections there. */
export function isListening(port: number, host = '127.0.0.1'): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ port, host });
  socket.once('connect', () => resolve(true));
  socket.once('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

export async function untilListening(port: number, patience: number = PATIENCE): Promise<void> {
  await until(`port ${port}`, () => isListening(port), patience);
}

interface Starting {
  readonly name: string;
  readonly running: Running;
  readonly ports: readonly number[];
  readonly folder: string;
  readonly log: () => Promise<string>;
}

/** Waits for the ports, or cleans up and says why they will never open. */
export async function started({ name, running, ports, folder, log }: Starting): Promise<void> {
  const died = running.exited.then(async (code) => {
    throw new Error(`${name} ended with ${code}: ${running.output()}\n${await log()}`);
  });
  // When it ends later, as it should, nobody is waiting for this.
  died.catch(() => {});
  try {
    for (const port of ports) await Promise.race([untilListening(port), died]);
  } catch (error) {
    await running.stop('SIGKILL');
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
