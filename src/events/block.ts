/**
 * A block: events that came one after another, as the history stores them together.
 *
 * Its text is the lines of the log, stamps included. A line that is empty was an event that is forgotten: it keeps
 * the places, and so the ids, of those behind it.
 */

import { type Event } from './event.ts';
import { parseEvent } from './format.ts';
import { lineOf, type LogLine, stampedLine } from './log-reader.ts';
import { addTerms, type Term } from './search.ts';

export interface Known {
  readonly line: LogLine;
  readonly event: Event;
}

export interface Span {
  readonly least: number;
  readonly most: number;
}

/** Undefined when the line is no event. */
export function knownOf(line: LogLine): Known | undefined {
  const event = parseEvent(line.line);
  return event.ok && Number.isSafeInteger(event.value.at) ? { line, event: event.value } : undefined;
}

/** Of a line of a block. */
export function storedOf(text: string): Known | undefined {
  return text === '' ? undefined : knownOf(lineOf(text));
}

export function textOf(known: readonly Known[]): string {
  return known.map(({ line }) => stampedLine(line)).join('\n');
}

/** Of the text of a block. */
export function eventsIn(text: string): readonly Known[] {
  return text.split('\n').flatMap((line) => storedOf(line) ?? []);
}

export function termsOf(known: readonly Known[]): ReadonlySet<Term> {
  const terms = new Set<Term>();
  for (const { event } of known) addTerms(event, terms);
  return terms;
}

export function timesOf(known: readonly Known[]): Span | undefined {
  return spanOf(known.map(({ event }) => event.at));
}

export function sequencesOf(known: readonly Known[]): Span | undefined {
  return spanOf(known.flatMap(({ line }) => line.sequence ?? []));
}

function spanOf(numbers: readonly number[]): Span | undefined {
  if (numbers.length === 0) return undefined;
  let [least, most] = [Infinity, -Infinity];
  for (const number of numbers) {
    if (number < least) least = number;
    if (number > most) most = number;
  }
  return { least, most };
}
