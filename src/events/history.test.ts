import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type Event } from './event.ts';
import { eventLine } from './format.ts';
import { type History, openHistory } from './history.ts';
import { type LogLine } from './log-reader.ts';
import { EVENTS } from './samples.ts';
import { type EventSearch } from './search.ts';

let folder: string;
let file: string;
let history: History;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postrider-history-'));
  file = join(folder, 'history.sqlite');
  history = openHistory(file);
});
afterEach(() => {
  history.close();
  rmSync(folder, { recursive: true });
});

const at = (offset: number) => ({ segment: 's1', offset });
const direct = (event: Event): LogLine => ({ sequence: undefined, n: 0, line: eventLine(event) });
const written = (event: Event) => JSON.parse(JSON.stringify(event)) as Event;
const ingest = (events: readonly Event[]) => history.ingest(events.map(direct), at(1));
const kinds = (events: readonly Event[]) => events.map(({ kind }) => kind);

describe('ingest', () => {
  test('every kind of event is stored and read back as it was', () => {
    const all = Object.values(EVENTS);
    assert.deepEqual(ingest(all), { stored: all.length, unreadable: 0 });
    assert.deepEqual(history.search({}).events, all.map(written).reverse());
  });

  test('the position is stored with the lines', () => {
    assert.equal(history.position(), undefined);
    history.ingest([direct(EVENTS.accepted)], at(17));
    assert.deepEqual(history.position(), at(17));
    history.ingest([], { segment: 's2', offset: 0 });
    assert.deepEqual(history.position(), { segment: 's2', offset: 0 });
  });

  test('a record that stands in the log twice is kept once', () => {
    const record = [EVENTS.accepted, EVENTS.attempt].map((event, n) => ({ sequence: 5, n, line: eventLine(event) }));
    history.ingest(record, at(1));
    assert.equal(history.ingest(record, at(2)).stored, 0);
    assert.equal(history.search({}).events.length, 2);
  });

  test('the same number of another spool is another record', () => {
    history.ingest([{ sequence: 5, n: 0, line: eventLine(EVENTS.accepted) }], at(1));
    const later = { ...EVENTS.accepted, at: EVENTS.accepted.at + 1 };
    assert.equal(history.ingest([{ sequence: 5, n: 0, line: eventLine(later) }], at(2)).stored, 1);
  });

  test('events without a number are never taken for repeats', () => {
    ingest([EVENTS.rejected, EVENTS.rejected]);
    assert.equal(history.search({}).events.length, 2);
  });

  test('damage is passed over, and what stands around it is kept', () => {
    const damage = [
      'torn {',
      '{}',
      '{"kind":"unknown","at":1}',
      eventLine({ ...EVENTS.resumed, at: 1.5 }),
      eventLine({ ...EVENTS.resumed, at: 1e300 }),
    ];
    const lines = damage.flatMap((line) => [{ sequence: undefined, n: 0, line }, direct(EVENTS.resumed)]);
    assert.deepEqual(history.ingest(lines, at(1)), { stored: damage.length, unreadable: damage.length });
  });
});

describe('story', () => {
  test('all of one message in order, DSNs about it included, nothing of another', () => {
    const other = { ...EVENTS.accepted, queueId: 'other' };
    ingest([EVENTS.accepted, other, EVENTS.attempt, EVENTS.failed, EVENTS.suspended, EVENTS.dsn]);
    assert.deepEqual(kinds(history.story(EVENTS.accepted.queueId)), ['accepted', 'attempt', 'failed', 'dsn']);
    assert.deepEqual(kinds(history.story(EVENTS.dsn.queueId)), ['dsn']);
    assert.deepEqual(history.story('unknown'), []);
    assert.deepEqual(history.story(''), []);
  });
});

describe('search', () => {
  const ann = { ...EVENTS.accepted, sender: 'Ann@A.test', recipients: ['bob@b.test', 'Carl@c.test'], at: 1000 };
  const bounce = { ...EVENTS.accepted, sender: '', recipients: ['ann@a.test'], queueId: 'b', at: 2000 };
  const failed = { ...EVENTS.failed, at: 3000 };
  const cases: readonly { name: string; wanted: EventSearch; want: readonly number[] }[] = [
    { name: 'everything, newest first', wanted: {}, want: [3000, 2000, 1000] },
    { name: 'by sender, whatever the case', wanted: { sender: 'ann@a.TEST' }, want: [3000, 1000] },
    { name: 'by the domain of the sender', wanted: { sender: '@a.test' }, want: [3000, 1000] },
    { name: 'by the null reverse-path', wanted: { sender: '<>' }, want: [2000] },
    { name: 'by recipient', wanted: { recipient: 'carl@c.test' }, want: [1000] },
    { name: 'by the domain of a recipient', wanted: { recipient: '@B.test' }, want: [3000, 1000] },
    { name: 'by kind', wanted: { kind: 'failed' }, want: [3000] },
    { name: 'since', wanted: { since: 2000 }, want: [3000, 2000] },
    { name: 'until', wanted: { until: 2000 }, want: [1000] },
    {
      name: 'all together',
      wanted: { sender: '@a.test', recipient: 'bob@b.test', kind: 'accepted', since: 1, until: 5000 },
      want: [1000],
    },
    { name: 'by words that are SQL', wanted: { sender: "' OR 1=1 --" }, want: [] },
    { name: 'by a pattern, which is only text', wanted: { recipient: '%@b.test' }, want: [] },
  ];
  for (const { name, wanted, want } of cases) {
    test(name, () => {
      ingest([ann, bounce, failed]);
      assert.deepEqual(
        history.search(wanted).events.map((event) => event.at),
        want,
      );
    });
  }

  test('pages join without a gap', () => {
    ingest(Array.from({ length: 25 }, (_, i) => ({ ...EVENTS.rejected, at: i })));
    const seen: number[] = [];
    let after: number | undefined;
    do {
      const page = history.search({ limit: 4, ...(after === undefined ? {} : { after }) });
      seen.push(...page.events.map((event) => event.at));
      after = page.next;
    } while (after !== undefined);
    assert.deepEqual(
      seen,
      Array.from({ length: 25 }, (_, i) => 24 - i),
    );
  });

  const limits = [
    { limit: 0, want: 1 },
    { limit: -5, want: 1 },
    { limit: Number.NaN, want: 1 },
    { limit: 1e9, want: 1000 },
  ];
  for (const { limit, want } of limits) {
    test(`a limit of ${limit} is taken as ${want}`, () => {
      ingest(Array.from({ length: 1005 }, (_, i) => ({ ...EVENTS.resumed, at: i })));
      assert.equal(history.search({ limit }).events.length, want);
    });
  }
});

describe('recipients', () => {
  test('each of many is found, whatever the case, and twice the same is no trouble', () => {
    const recipients = [...Array.from({ length: 500 }, (_, i) => `r${i}@b.test`), 'R7@B.test'];
    ingest([{ ...EVENTS.accepted, recipients }]);
    for (const recipient of ['r0@b.test', 'R7@b.TEST', 'r499@b.test', '@b.test'])
      assert.equal(history.search({ recipient }).events.length, 1, recipient);
    assert.equal(history.search({ recipient: 'r500@b.test' }).events.length, 0);
  });

  test('a refused recipient is found too', () => {
    ingest([EVENTS.rejected]);
    assert.equal(history.search({ recipient: 'nobody@b.test' }).events.length, 1);
    assert.equal(history.search({ sender: '@spam.test' }).events.length, 1);
  });

  test('addresses of any form are kept as text', () => {
    const odd = ['', '@', 'no-domain', '"a@b"@c.test', 'jürgen@b.test', 'a@[IPv6:2001:db8::1]', 'x\0y@b.test'];
    assert.equal(ingest([{ ...EVENTS.accepted, recipients: odd }]).stored, 1);
    assert.equal(history.search({ recipient: '@c.test' }).events.length, 1);
    assert.equal(history.search({ recipient: 'JÜRGEN@b.test' }).events.length, 1);
  });
});

describe('forget', () => {
  test('old events go, a bounded number at once, and can no longer be found', () => {
    ingest(Array.from({ length: 10 }, (_, i) => ({ ...EVENTS.accepted, at: i })));
    assert.equal(history.forget(6, 4), 4);
    assert.equal(history.forget(6, 4), 2);
    assert.equal(history.forget(6, 4), 0);
    assert.deepEqual(
      history.search({ recipient: 'bob@b.test' }).events.map((event) => event.at),
      [9, 8, 7, 6],
    );
  });
});

describe('opening', () => {
  const reopen = () => {
    history.close();
    history = openHistory(file);
  };
  test('finds what was stored', () => {
    ingest([EVENTS.accepted]);
    reopen();
    assert.equal(history.state, 'kept');
    assert.equal(history.search({}).events.length, 1);
  });

  test('a file of another version is built anew', () => {
    ingest([EVENTS.accepted]);
    history.close();
    const other = new DatabaseSync(file);
    other.exec('PRAGMA user_version = 999');
    other.close();
    history = openHistory(file);
    assert.deepEqual([history.state, history.position(), history.search({}).events], ['new', undefined, []]);
  });

  test('a file that is no database is built anew', () => {
    history.close();
    writeFileSync(file, 'not a database at all, and long enough to be looked at '.repeat(100));
    history = openHistory(file);
    assert.equal(history.state, 'new');
    assert.deepEqual(ingest([EVENTS.accepted]), { stored: 1, unreadable: 0 });
  });

  test('a place where nothing can be written is told', () => {
    assert.throws(() => openHistory(join(folder, 'missing', 'history.sqlite')), /unable to open/);
  });
});
