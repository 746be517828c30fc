/** Waiting for something outside to become true, with an end: tests never sleep for a guess. */

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

/** Waits for the port, or says why it will never open. */
export async function started(name: string, running: Running, port: number, log: () => Promise<string>): Promise<void> {
  const died = running.exited.then(async (code) => {
    throw new Error(`${name} ended with ${code}: ${running.output()}\n${await log()}`);
  });
  try {
    await Promise.race([untilListening(port), died]);
  } catch (error) {
    await running.stop('SIGKILL');
    throw error;
  }
  died.catch(() => {});
}
