/**
 * What the history can be asked, and which events answer it.
 *
 * An event is filed under terms: its message, its sender, its recipients, the domains of both, its kind. Terms are
 * numbers, so that the index is small, and two words may share one: a term says where to look, `matches` decides.
 */

import { type Instant } from '../lib/time.ts';
import { type Event, type EventKind } from './event.ts';

export interface EventSearch {
  /** An address, or `@example.com` for all of a domain; `<>` is the null reverse-path. Case does not matter. */
  readonly sender?: string;
  readonly recipient?: string;
  readonly kind?: EventKind;
  /** Not before. */
  readonly since?: Instant;
  /** Before. */
  readonly until?: Instant;
  /** At most 1,000. */
  readonly limit?: number;
  /** `next` of the page before. */
  readonly after?: number;
}

export interface EventPage {
  /** Newest first. */
  readonly events: readonly Event[];
  readonly next: number | undefined;
}

/** 32 bits, signed, that stand for a word under which events are filed. */
export type Term = number;

export interface Wanted {
  /** Each event that matches is filed under all of them; likely the rarest first. */
  readonly terms: readonly Term[];
  /** False only when no event of that line matches: spares reading it. */
  mayMatch(line: string): boolean;
  matches(event: Event): boolean;
}

/** Recipients of one event that can be searched for. */
const MAX_INDEXED = 1000;

/** One a field; another number or another hash needs another version of the file. */
const FIELD = { message: 1, kind: 2, sender: 3, senderDomain: 4, recipient: 5, recipientDomain: 6 } as const;

type Field = keyof typeof FIELD;

/** Adds the terms that the event is filed under. */
export function addTerms(event: Event, terms: Set<Term>): void {
  for (const id of messagesOf(event)) terms.add(termOf('message', id));
  terms.add(termOf('kind', event.kind));
  const sender = senderOf(event);
  if (sender !== undefined) addAddress(terms, sender, ['sender', 'senderDomain']);
  for (const recipient of recipientsOf(event)) addAddress(terms, recipient, ['recipient', 'recipientDomain']);
}

/** Everything about one message. */
export function aboutMessage(queueId: string): Wanted {
  return wanted([
    {
      term: queueId === '' ? undefined : termOf('message', queueId),
      word: folded(queueId),
      matches: (event) => messagesOf(event).includes(queueId),
    },
  ]);
}

/** What is wanted of single events; the page is for whoever collects them. */
export function wantedBy(search: EventSearch): Wanted {
  const { since, until } = search;
  return wanted([
    ...ofAddress(search.recipient, ['recipient', 'recipientDomain'], recipientsOf),
    ...ofAddress(search.sender, ['sender', 'senderDomain'], (event) => [senderOf(event) ?? []].flat()),
    ...ofKind(search.kind),
    ...(since === undefined ? [] : [{ matches: (event: Event) => event.at >= since }]),
    ...(until === undefined ? [] : [{ matches: (event: Event) => event.at < until }]),
  ]);
}

interface Condition {
  readonly term?: Term | undefined;
  /** Folded; stands in the folded line of each event that matches, unless something there is escaped. */
  readonly word?: string;
  matches(event: Event): boolean;
}

// Folding a text folds each of its parts alike only where the result is ASCII: the form of a sigma hangs on its place.
const ASCII = /^[\0-\u007f]*$/;

function wanted(conditions: readonly Condition[]): Wanted {
  const words = conditions.flatMap(({ word }) => (word !== undefined && ASCII.test(word) ? [word] : []));
  return {
    terms: conditions.flatMap(({ term }) => term ?? []),
    mayMatch: (line) => words.length === 0 || line.includes('\\') || holdsAll(folded(line), words),
    matches: (event) => conditions.every((condition) => condition.matches(event)),
  };
}

function holdsAll(text: string, words: readonly string[]): boolean {
  return words.every((word) => text.includes(word));
}

function ofKind(kind: EventKind | undefined): readonly Condition[] {
  if (kind === undefined) return [];
  return [{ term: termOf('kind', kind), word: folded(`"${kind}"`), matches: (event) => event.kind === kind }];
}

function ofAddress(
  address: string | undefined,
  [whole, domain]: readonly [Field, Field],
  addressesOf: (event: Event) => readonly string[],
): readonly Condition[] {
  if (address === undefined) return [];
  const isDomain = address.startsWith('@');
  const word = address === '<>' ? '' : folded(isDomain ? address.slice(1) : address);
  const partOf = isDomain ? domainOf : folded;
  return [
    {
      term: termOf(isDomain ? domain : whole, word),
      word,
      matches: (event) => addressesOf(event).some((each) => partOf(each) === word),
    },
  ];
}

function addAddress(terms: Set<Term>, address: string, [whole, domain]: readonly [Field, Field]): void {
  const text = folded(address);
  terms.add(termOf(whole, text));
  terms.add(termOf(domain, text.slice(text.lastIndexOf('@') + 1)));
}

// Fields that the catalogue does not give to a kind were not checked when the line was read.

function messagesOf(event: Event): readonly string[] {
  const ids = ['queueId' in event ? event.queueId : '', event.kind === 'dsn' ? event.about : ''];
  return ids.filter((id: unknown) => typeof id === 'string' && id !== '');
}

function senderOf(event: Event): string | undefined {
  const sender: unknown = 'sender' in event ? event.sender : undefined;
  return typeof sender === 'string' ? sender : undefined;
}

function recipientsOf(event: Event): readonly string[] {
  const recipients: unknown = 'recipients' in event ? event.recipients : undefined;
  if (Array.isArray(recipients)) return recipients.slice(0, MAX_INDEXED).filter((each) => typeof each === 'string');
  return event.kind === 'rejected' && event.recipient !== undefined ? [event.recipient] : [];
}

function folded(text: string): string {
  return text.toLowerCase();
}

function domainOf(address: string): string {
  return folded(address.slice(address.lastIndexOf('@') + 1));
}

/** Multiplied and shifted as in MurmurHash; SQLite stores 32 bits in four octets. */
function termOf(field: Field, text: string): Term {
  let hash = Math.imul(FIELD[field], 0x9e3779b1);
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
