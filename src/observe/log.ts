/**
 * The operator's log as lines of text or JSON; where they go is the caller's business.
 *
 * One line an entry whatever is in it: text from outside may stand in a fact (a reason, a path), so controls
 * are made visible and length is bounded. A log that cannot be written must not stop the mail: what `write`
 * throws is counted and dropped.
 */

import { type Instant } from '../lib/time.ts';
import { type Log, type LogFacts } from '../ports/log.ts';
import { counter } from './metrics.ts';

export interface LogOptions {
  readonly format: 'text' | 'json';
  /** Takes one line with its line end. */
  readonly write: (line: string) => void;
  readonly now: () => Instant;
  /** Lines below it are not written; `info` is the lowest. */
  readonly level?: LogLevel;
  /** Stand in every line: the thread, the process. */
  readonly facts?: LogFacts;
}

export type LogLevel = 'error' | 'warn' | 'info';

const LEVELS: readonly LogLevel[] = ['error', 'warn', 'info'];

const entries = counter('postrider_log_entries_total', "Lines of the operator's log, by level.", { level: LEVELS });
const lost = counter('postrider_log_lost_total', "Lines of the operator's log that could not be written.");

const MAX_TEXT = 2000;
const MAX_FACTS = 30;

export function createLog(options: LogOptions): Log {
  const lowest = LEVELS.indexOf(options.level ?? 'info');
  const entry = (level: LogLevel) => (text: string, facts?: LogFacts) => {
    entries.add(1, { level });
    if (LEVELS.indexOf(level) > lowest) return;
    const at = new Date(options.now()).toISOString();
    const all = factsOf({ ...options.facts, ...facts });
    const line = options.format === 'json' ? jsonLine({ at, level, text, all }) : textLine({ at, level, text, all });
    try {
      options.write(line);
    } catch {
      // The place where a person would be told is the one that failed.
      lost.add(1);
    }
  };
  return { error: entry('error'), warn: entry('warn'), info: entry('info') };
}

interface LogEntry {
  readonly at: string;
  readonly level: LogLevel;
  readonly text: string;
  readonly all: readonly (readonly [string, string | number | boolean])[];
}

function factsOf(facts: LogFacts): LogEntry['all'] {
  const known = Object.entries(facts).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  return known.slice(0, MAX_FACTS).map(([name, value]) => [name, typeof value === 'string' ? bounded(value) : value]);
}

function jsonLine({ at, level, text, all }: LogEntry): string {
  return `${visible(JSON.stringify({ ...Object.fromEntries(all), at, level, text: bounded(text) }))}\n`;
}

/** `2026-11-23T21:26:24.123Z warn  the disk is nearly full free=1048576 path="/var/spool/x y"`. */
function textLine({ at, level, text, all }: LogEntry): string {
  const facts = all.map(([name, value]) => ` ${name}=${factText(value)}`).join('');
  return `${at} ${level.padEnd(5)} ${visible(bounded(text))}${facts}\n`;
}

function factText(value: string | number | boolean): string {
  if (typeof value === 'string' && !/^[\w.:/+@[\]-]+$/.test(value)) return visible(JSON.stringify(value));
  return String(value);
}

function bounded(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT).toWellFormed()}…`;
}

/** Controls, line separators and marks that turn the direction of text as `\u001b`. */
function visible(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
