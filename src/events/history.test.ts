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

describe('blocks and eras', () => {
  const SIZES = { block: 4, small: 3, era: 8 };
  const reopened = () => {
    history.close();
    history = openHistory(file, SIZES);
  };
  const numbered = (from: number, count: number): readonly Event[] =>
    Array.from({ length: count }, (_, i) => ({
      ...EVENTS.accepted,
      queueId: `q${from + i}`,
      sender: `s${from + i}@a.test`,
      at: from + i,
    }));
  const rows = (table: string) => {
    const database = new DatabaseSync(file);
    try {
      return Number(database.prepare(`SELECT count(*) AS count FROM ${table}`).get()!['count']);
    } finally {
      database.close();
    }
  };
  beforeEach(reopened);

  for (const page of [1, 2, 3, 5, 8, 50]) {
    test(`each event is found by its terms when ${page} come at once`, () => {
      const all = numbered(1, 50);
      for (let i = 0; i < all.length; i += page) ingest(all.slice(i, i + page));
      assert.ok(rows('era') > 0);
      for (const event of all) {
        assert.ok(event.kind === 'accepted');
        assert.deepEqual(history.story(event.queueId), [written(event)]);
        assert.deepEqual(history.search({ sender: event.sender }).events, [written(event)]);
      }
      reopened();
      assert.deepEqual(history.search({ sender: '@a.test', limit: 1000 }).events, all.map(written).reverse());
    });
  }

  test('a message whose events lie in several eras is told whole', () => {
    for (let i = 0; i < 5; i++) ingest([{ ...EVENTS.deferred, queueId: 'long', at: i }, ...numbered(i * 20, 19)]);
    assert.deepEqual(
      history.story('long').map(({ at: time }) => time),
      [0, 1, 2, 3, 4],
    );
  });

  test('what comes after the end of an era was forgotten is found', () => {
    ingest([{ ...EVENTS.accepted, queueId: 'future', at: 1e9 }, ...numbered(1, 11)]);
    assert.equal(history.forget(1000, 100), 11);
    ingest(numbered(2000, 3));
    assert.deepEqual(kinds(history.story('q2001')), ['accepted']);
    assert.deepEqual(kinds(history.story('future')), ['accepted']);
  });

  test('what belongs to forgotten events goes with them', () => {
    ingest(numbered(1, 40));
    assert.ok(rows('posting') > 0);
    assert.equal(history.forget(1000, 15), 15);
    assert.equal(history.search({ limit: 1000 }).events.length, 25);
    assert.deepEqual([history.story('q15'), kinds(history.story('q16'))], [[], ['accepted']]);
    assert.equal(history.forget(1000, 100), 25);
    assert.deepEqual(
      ['block', 'era', 'posting'].map((table) => rows(table)),
      [0, 0, 0],
    );
  });

  test('a clock that was set back: order is that of the log, times and retention go by the clock', () => {
    const times = [100, 101, 102, 50, 51, 52, 53, 103, 10, 104];
    for (const time of times) ingest([{ ...EVENTS.resumed, at: time }]);
    const found = (wanted: EventSearch) => history.search(wanted).events.map((event) => event.at);
    assert.deepEqual(found({}), times.toReversed());
    assert.deepEqual(found({ since: 51, until: 103 }), [53, 52, 51, 102, 101, 100]);
    assert.equal(history.forget(52, 2), 2);
    assert.equal(history.forget(52, 2), 1);
    assert.deepEqual(found({}), [104, 103, 53, 52, 102, 101, 100]);
  });

  const record = (sequence: number, time: number): readonly LogLine[] =>
    [0, 1].map((n) => ({ sequence, n, line: eventLine({ ...EVENTS.resumed, at: time }) }));

  test('a record that comes again after a restart is known, however far back it lies', () => {
    for (let sequence = 1; sequence <= 20; sequence++) history.ingest(record(sequence, sequence), at(sequence));
    reopened();
    for (const sequence of [20, 1, 11]) assert.equal(history.ingest(record(sequence, sequence), at(30)).stored, 0);
    const half = [...record(20, 20), ...record(21, 21)];
    assert.equal(history.ingest(half, at(31)).stored, 2);
  });

  test('a spool that counts anew after the clock was set back is another one', () => {
    history.ingest(
      [1, 2, 3, 4, 5, 6].flatMap((i) => record(i, 100 + i)),
      at(1),
    );
    const anew = [1, 2, 3].flatMap((i) => record(i, 50 + i));
    assert.equal(history.ingest(anew, at(2)).stored, 6);
    assert.equal(history.ingest(anew, at(3)).stored, 0);
  });

  test('what is remembered of a page that failed is forgotten with it', () => {
    ingest(numbered(1, 2));
    const bad = { segment: {} as string, offset: 0 };
    assert.throws(() => history.ingest(numbered(3, 1).map(direct), bad));
    ingest(numbered(7, 1));
    assert.deepEqual(kinds(history.story('q7')), ['accepted']);
    assert.deepEqual(history.story('q3'), []);
  });

  test('fields that a kind does not have may be of any type', () => {
    const odd = { ...EVENTS.resumed, queueId: 5, sender: {}, recipients: 'x' } as unknown as Event;
    const some = { ...EVENTS.resumed, recipients: [7, null, 'bob@b.test'] } as unknown as Event;
    assert.equal(ingest([odd, some]).stored, 2);
    assert.equal(history.search({ recipient: 'bob@b.test' }).events.length, 1);
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
