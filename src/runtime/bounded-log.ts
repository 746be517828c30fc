/** A log for what strangers can bring about: so many lines a minute, then one that says how many were left out. */

import { type Duration, MINUTE } from '../lib/time.ts';
import { type Log } from '../ports/log.ts';

type Level = 'error' | 'warn';
type Fields = Parameters<Log['error']>[1];

const LINES = 50;
const PERIOD: Duration = MINUTE;

export class BoundedLog {
  readonly #log: Log;
  readonly #now: () => number;
  #since = -Infinity;
  #lines = 0;

  constructor(log: Log, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  say(level: Level, text: string, fields: Fields): void {
    if (this.#now() - this.#since >= PERIOD) this.#begin();
    this.#lines += 1;
    if (this.#lines <= LINES) this.#log[level](text, fields);
  }

  #begin(): void {
    const omitted = this.#lines - LINES;
    if (omitted > 0) this.#log.warn('lines about the pickup folder were left out', { lines: omitted });
    this.#since = this.#now();
    this.#lines = 0;
  }
}
