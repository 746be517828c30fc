/**
 * Events as JSON lines, and back.
 *
 * A line has no line end, is bounded whatever the event holds, and has no octet that a terminal would obey:
 * addresses and replies in it come from strangers.
 */

import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { type Event } from './event.ts';
import { EVENT_FIELDS, type FieldType } from './event-fields.ts';

/** Longer strings are cut; the cut shows as `…` at the end. */
export const MAX_STRING = 1000;
/** Further recipients of a message are counted, in a field `moreRecipients`, and not named. */
export const MAX_RECIPIENTS = 1000;

// C1 controls, DEL, line and paragraph separators, and the marks that turn the direction of text.
const UNSAFE = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;
const EVERY_UNSAFE = new RegExp(UNSAFE, 'g');

const FIELDS = new Map(Object.entries(EVENT_FIELDS).map(([kind, fields]) => [kind, fieldsOf(fields)]));

/** One event on one line of JSON, without a line end. */
export function eventLine(event: Event): string {
  const line = JSON.stringify(event);
  // A line that is shorter than the longest string allowed has nothing in it to cut.
  const bounded = line.length <= MAX_STRING ? line : JSON.stringify(boundedEvent(event));
  // Outside its strings JSON is ASCII, so an escape is in order wherever one of these stands.
  return UNSAFE.test(bounded) ? bounded.replaceAll(EVERY_UNSAFE, escapeOf) : bounded;
}

/** The event of a line; fields that the catalogue does not know are kept. */
export function parseEvent(line: string): Parsed<Event> {
  const value = parseObject(line);
  if (value === undefined) return unparsed('not a JSON object');
  const kind = value['kind'];
  const fields = typeof kind === 'string' ? FIELDS.get(kind) : undefined;
  if (fields === undefined) return unparsed('no event of a known kind');
  for (const [field, type] of fields) {
    if (!fits(value[field], type)) return unparsed(`field ${field} of ${String(kind)} is not ${type}`);
  }
  return parsed(value as unknown as Event);
}

function fieldsOf(fields: Readonly<Record<string, FieldType>>): readonly (readonly [string, FieldType])[] {
  return Object.entries(fields);
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    // A torn or damaged line is not JSON; the caller is told so.
    return undefined;
  }
}

function fits(value: unknown, type: FieldType): boolean {
  switch (type) {
    case 'texts':
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
    case 'texts?':
      return value === undefined || fits(value, 'texts');
    case 'object':
      return typeof value === 'object' && value !== null;
    case 'text?':
      return value === undefined || typeof value === 'string';
    case 'number?':
      return value === undefined || typeof value === 'number';
    case 'text':
      return typeof value === 'string';
    default:
      return typeof value === type;
  }
}

function boundedEvent(event: Event): object {
  const bounded: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(event) as [string, unknown][]) {
    bounded[field] = boundedValue(value);
    if (Array.isArray(value) && value.length > MAX_RECIPIENTS)
      bounded['moreRecipients'] = value.length - MAX_RECIPIENTS;
  }
  return bounded;
}

function boundedValue(value: unknown): unknown {
  if (typeof value === 'string') return boundedText(value);
  if (!Array.isArray(value)) return value;
  return value.slice(0, MAX_RECIPIENTS).map((item: unknown) => (typeof item === 'string' ? boundedText(item) : item));
}

function boundedText(text: string): string {
  return text.length <= MAX_STRING ? text : `${text.slice(0, MAX_STRING - 1).toWellFormed()}…`;
}

function escapeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
