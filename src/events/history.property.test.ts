/** The history beside a list that is searched from end to end: whatever is stored and asked, both answer the same. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Event } from './event.ts';
import { eventLine, parseEvent } from './format.ts';
import { openHistory } from './history.ts';
import { type LogLine } from './log-reader.ts';
import { EVENTS } from './samples.ts';
import { type EventPage, type EventSearch } from './search.ts';

const SIZES = { block: 5, small: 3, era: 12 };

interface Stored {
  readonly id: number;
  readonly key: string | undefined;
  readonly event: Event;
  readonly sender: string | undefined;
  readonly recipients: readonly string[];
}

class Reference {
  #stored: Stored[] = [];
  #id = 0;

  ingest(lines: readonly LogLine[]): { stored: number; unreadable: number } {
    const count = { stored: 0, unreadable: 0 };
    for (const { line, sequence, n } of lines) {
      const event = parseEvent(line);
      if (!event.ok) count.unreadable++;
      else {
        const key = sequence === undefined ? undefined : `${sequence} ${n} ${event.value.at}`;
        if (key !== undefined && this.#stored.some((each) => each.key === key)) continue;
        count.stored++;
        this.#stored.push({ id: ++this.#id, key, event: event.value, ...addressesOf(event.value) });
      }
    }
    return count;
  }

  story(queueId: string): readonly Event[] {
    const isOf = (event: Event) =>
      ('queueId' in event && event.queueId === queueId) || (event.kind === 'dsn' && event.about === queueId);
    return this.#stored.filter(({ event }) => queueId !== '' && isOf(event)).map(({ event }) => event);
  }

  search({ sender, recipient, kind, since, until, limit = 100, after }: EventSearch): EventPage {
    const found = this.#stored
      .filter(({ id }) => after === undefined || id < after)
      .filter(({ event }) => kind === undefined || event.kind === kind)
      .filter(({ event }) => since === undefined || event.at >= since)
      .filter(({ event }) => until === undefined || event.at < until)
      .filter((each) => sender === undefined || (each.sender !== undefined && isAddress(each.sender, sender)))
      .filter((each) => recipient === undefined || each.recipients.some((address) => isAddress(address, recipient)))
      .reverse();
    const page = found.slice(0, limit);
    return { events: page.map(({ event }) => event), next: found.length > limit ? page.at(-1)?.id : undefined };
  }

  forget(before: number): number {
    const old = this.#stored.filter(({ event }) => event.at < before).length;
    this.#stored = this.#stored.filter(({ event }) => event.at >= before);
    return old;
  }
}

function addressesOf(event: Event): Pick<Stored, 'sender' | 'recipients'> {
  const refused = event.kind === 'rejected' && event.recipient !== undefined ? [event.recipient] : [];
  const sender = 'sender' in event ? event.sender : undefined;
  return { sender, recipients: 'recipients' in event ? event.recipients : refused };
}

function isAddress(address: string, wanted: string): boolean {
  const text = address.toLowerCase();
  if (wanted === '<>') return text === '';
  if (!wanted.startsWith('@')) return text === wanted.toLowerCase();
  return text.slice(text.lastIndexOf('@') + 1) === wanted.slice(1).toLowerCase();
}

// Escapes, letters whose lower case hangs on their place or is of another length, the sign of Kelvin, no domain.
const ADDRESSES = [
  ...['', 'Ann@A.test', 'ann@a.test', 'bob@a.test', 'bob@B.test', '"a\\"@b"@c.test', 'ΑΣ@ς.test', 'İ@i.test'],
  ...['\u212a@k.test', 'no-domain', '@', 'x\u0085@a.test'],
];
const WANTED = [...ADDRESSES, '<>', '@a.test', '@B.TEST', '@c.test', '@Σ.test', '@k.test', '@i.test', 'K@k.test'];
const IDS = ['', 'q1', 'q2', 'Q2', 'q"3'];
const TIME = fc.integer({ min: 0, max: 40 });

const event: fc.Arbitrary<Event> = fc
  .record({
    sample: fc.constantFrom(...Object.values(EVENTS)),
    at: TIME,
    ids: fc.tuple(fc.constantFrom(...IDS), fc.constantFrom(...IDS)),
    sender: fc.constantFrom(...ADDRESSES),
    recipients: fc.array(fc.constantFrom(...ADDRESSES), { minLength: 1, maxLength: 3 }),
  })
  .map(({ sample, at, ids: [queueId, about], sender, recipients }) => {
    const given = { queueId, about, sender, recipients, recipient: recipients[0] };
    const known = Object.entries(given).filter(([field]) => field in sample);
    return { ...sample, ...Object.fromEntries(known), at } as Event;
  });

/** Numbers mostly rise, and some come again with the same event or with another. */
const line: fc.Arbitrary<LogLine> = fc
  .oneof(
    { weight: 6, arbitrary: fc.record({ event, sequence: fc.option(fc.nat(12), { nil: undefined }), n: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.constant({ event: undefined, sequence: undefined, n: 0 }) },
  )
  .map(({ event, sequence, n }) => ({
    sequence,
    n: sequence === undefined ? 0 : n,
    line: event === undefined ? '{"kind":"torn' : eventLine(event),
  }));

const search: fc.Arbitrary<EventSearch> = fc.record(
  {
    sender: fc.constantFrom(...WANTED),
    recipient: fc.constantFrom(...WANTED),
    kind: fc.constantFrom(...Object.values(EVENTS).map(({ kind }) => kind)),
    since: TIME,
    until: TIME,
    limit: fc.integer({ min: 1, max: 7 }),
  },
  { requiredKeys: [] },
);

/** Whatever one word can ask for. */
const EVERYTHING: readonly EventSearch[] = [
  {},
  ...WANTED.flatMap((address) => [{ sender: address }, { recipient: address }]),
  ...Object.values(EVENTS).map(({ kind }) => ({ kind })),
];

type Happening =
  | { readonly kind: 'ingest'; readonly lines: readonly LogLine[] }
  | { readonly kind: 'again' | 'reopen' }
  | { readonly kind: 'forget'; readonly before: number; readonly limit: number }
  | { readonly kind: 'search'; readonly search: EventSearch }
  | { readonly kind: 'story'; readonly id: string };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('ingest'), lines: fc.array(line, { maxLength: 14 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('again', 'reopen') }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('forget'), before: fc.nat(25), limit: fc.integer({ min: 1, max: 9 }) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('search'), search }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('story'), id: fc.constantFrom(...IDS) }) },
) as fc.Arbitrary<Happening>;

const asWritten = (events: readonly Event[]) => events.map((each) => eventLine(each));

/** All pages, each as its events and whether there is a next. */
function pages(history: Pick<Reference, 'search'>, wanted: EventSearch): unknown {
  const all: unknown[] = [];
  let after: number | undefined;
  do {
    const page = history.search(after === undefined ? wanted : { ...wanted, after });
    all.push(asWritten(page.events));
    after = page.next;
  } while (after !== undefined && all.length < 1000);
  return all;
}

function forgetAll(history: { forget(before: number, limit: number): number }, before: number, limit: number): number {
  for (let sum = 0; ;) {
    const removed = history.forget(before, limit);
    assert.ok(removed <= limit);
    sum += removed;
    if (removed < limit) return sum;
  }
}

test('whatever is stored, forgotten and asked, the answers are those of a list', () => {
  const folder = mkdtempSync(join(tmpdir(), 'postrider-history-'));
  const file = join(folder, 'history.db');
  try {
    fc.assert(
      fc.property(fc.array(happening, { minLength: 1, maxLength: 25 }), (happenings) => {
        for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
        const reference = new Reference();
        let history = openHistory(file, SIZES);
        let last: readonly LogLine[] = [];
        const ingest = (lines: readonly LogLine[]) =>
          assert.deepEqual(history.ingest(lines, { segment: 's', offset: 0 }), reference.ingest(lines));
        try {
          for (const each of happenings) {
            if (each.kind === 'ingest') ingest((last = each.lines));
            else if (each.kind === 'again') ingest(last);
            else if (each.kind === 'search')
              assert.deepEqual(pages(history, each.search), pages(reference, each.search));
            else if (each.kind === 'story')
              assert.deepEqual(asWritten(history.story(each.id)), asWritten(reference.story(each.id)));
            else if (each.kind === 'forget')
              assert.equal(forgetAll(history, each.before, each.limit), reference.forget(each.before));
            else {
              history.close();
              history = openHistory(file, SIZES);
            }
          }
          for (const wanted of EVERYTHING) assert.deepEqual(pages(history, wanted), pages(reference, wanted));
          for (const id of IDS) assert.deepEqual(asWritten(history.story(id)), asWritten(reference.story(id)));
        } finally {
          history.close();
        }
      }),
      { numRuns: 25 },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
