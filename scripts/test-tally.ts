/** Counts what a test run told: passed, failed and skipped of each part, with the reason of every skip. */

import { relative } from 'node:path';
import process from 'node:process';

export const PART_NAMES = ['checks', 'unit', 'build', 'scenario', 'interop'] as const;
export type PartName = (typeof PART_NAMES)[number];

/** What is read of an event of `node:test`. */
export interface TestEvent {
  readonly name: string;
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly skip?: string | boolean | undefined;
  readonly details: { readonly type?: string | undefined; readonly error?: unknown };
}

interface Counts {
  passed: number;
  readonly failures: string[];
  skipped: number;
  /** Reason → the tests that name it. */
  readonly reasons: Map<string, string[]>;
  seconds: number | undefined;
}

const SHOWN_FAILURES = 50;
/** Of what a failed test threw: so much stands below its name. */
const REASON_LINES = 12;
const REASON_WIDTH = 240;

export class Tally {
  readonly #parts = new Map<PartName, Counts>();

  get ok(): boolean {
    return this.#parts.size > 0 && this.#sum(({ failures }) => failures.length) === 0;
  }

  passed(part: PartName): void {
    this.#of(part).passed++;
  }

  failed(part: PartName, what: string): void {
    this.#of(part).failures.push(what);
  }

  take(part: PartName, kind: 'passed' | 'failed', event: TestEvent): void {
    if (isSkipped(event)) return this.#skip(part, event);
    if (kind === 'failed') return this.#fail(part, event);
    // A file that ran well and is itself the test has none.
    if (isFileItself(event)) return this.failed(part, `${place(event)} has no test in it`);
    return event.details.type === 'suite' ? undefined : this.passed(part);
  }

  /** A part in which nothing was even skipped is broken. */
  ended(part: PartName, seconds?: number): void {
    const counts = this.#of(part);
    counts.seconds = seconds;
    if (counts.passed + counts.failures.length + counts.skipped === 0) this.failed(part, 'no test was executed');
  }

  /** What to print in the end; its last line is the sum. */
  summary(): string {
    const parts = PART_NAMES.filter((part) => this.#parts.has(part));
    const rows = parts.map((part) => {
      const { passed, failures, skipped, seconds } = this.#of(part);
      const time = seconds === undefined ? '' : ` in ${Math.round(seconds)} s`;
      return `${part.padEnd(9)} ${counted(passed, failures.length, skipped)}${time}`;
    });
    const sum = counted(
      this.#sum(({ passed }) => passed),
      this.#sum(({ failures }) => failures.length),
      this.#sum(({ skipped }) => skipped),
    );
    const lines = parts.flatMap((part) => this.#failureLines(part).concat(this.#skipLines(part)));
    return ['', '── summary ──', ...lines, ...rows, sum].join('\n');
  }

  #failureLines(part: PartName): string[] {
    const { failures } = this.#of(part);
    const lines = failures.slice(0, SHOWN_FAILURES).map((what) => `FAILED ${part}: ${what}`);
    const more = failures.length - lines.length;
    return more > 0 ? [...lines, `FAILED ${part}: and ${more} more`] : lines;
  }

  #skipLines(part: PartName): string[] {
    return [...this.#of(part).reasons].map(([reason, names]) => {
      const [first] = names;
      return `SKIPPED ${part}: ${reason} (${names.length === 1 ? first : `${first} and ${names.length - 1} more`})`;
    });
  }

  #fail(part: PartName, event: TestEvent): void {
    const type = failureType(event);
    // Merely because of tests inside it, which are counted themselves.
    if (type === 'subtestsFailed') return;
    const ended = isFileItself(event) && type === 'testAborted' ? ' was ended: nothing happened in it any more' : '';
    this.failed(part, `${place(event)}${ended}${reasonOf(event)}`);
  }

  #skip(part: PartName, event: TestEvent): void {
    const counts = this.#of(part);
    counts.skipped++;
    const reason = typeof event.skip === 'string' && event.skip !== '' ? event.skip : 'no reason is given';
    counts.reasons.set(reason, [...(counts.reasons.get(reason) ?? []), place(event)]);
  }

  #of(part: PartName): Counts {
    const known = this.#parts.get(part) ?? {
      passed: 0,
      failures: [],
      skipped: 0,
      reasons: new Map(),
      seconds: undefined,
    };
    this.#parts.set(part, known);
    return known;
  }

  #sum(of: (counts: Counts) => number): number {
    return [...this.#parts.values()].reduce((sum, counts) => sum + of(counts), 0);
  }
}

function counted(passed: number, failed: number, skipped: number): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

function isSkipped({ skip }: TestEvent): boolean {
  return skip !== undefined && skip !== false;
}

function failureType({ details: { error } }: TestEvent): unknown {
  return error instanceof Error && 'failureType' in error ? error.failureType : undefined;
}

/** Its message, indented: who sees only the end of a long run reads there what was wrong. */
function reasonOf({ details: { error } }: TestEvent): string {
  const thrown = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const text = thrown instanceof Error ? thrown.message : String(thrown ?? '');
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const shown = lines.slice(0, REASON_LINES).map((line) => line.slice(0, REASON_WIDTH));
  return [...shown, ...(lines.length > REASON_LINES ? ['…'] : [])].map((line) => `\n    ${line}`).join('');
}

/** What a file that could not be loaded, or that registers nothing, is told as. */
export function isFileItself({ name, file }: TestEvent): boolean {
  return file !== undefined && (name === file || name === relative(process.cwd(), file));
}

function place(event: TestEvent): string {
  const { name, file, line } = event;
  if (file === undefined) return name;
  const path = relative(process.cwd(), file);
  return isFileItself(event) ? path : `${name} (${path}${line === undefined ? '' : `:${line}`})`;
}
