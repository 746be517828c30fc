import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { EventLog, EventLogError, type EventLogOptions } from './event-log.ts';
import { LogReader } from './log-reader.ts';
import { openSegmentFile, type SegmentFile, segmentName, timeOfSegment } from './segments.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postrider-log-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const START = Date.UTC(2026, 10, 23, 12);
const clock = { at: START, now: () => clock.at, monotonic: () => 0 };
const logged: string[] = [];
const log = { error: (text: string) => void logged.push(text), warn() {}, info() {} };

const openLog = (options: Partial<EventLogOptions> = {}) => {
  clock.at = START;
  return EventLog.open({ folder, clock, log, ...options });
};
const lineOf = (i: number | string) => `{"kind":"x","i":${JSON.stringify(i)}}\n`;
const segments = () => readdirSync(folder).sort();
const stored = () =>
  segments()
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('');
const allLines = async () => (await new LogReader(folder).read(undefined, 1e6)).lines;

/** Segment files that count, and fail as told. */
function watched(fail: { append?: string; sync?: string; open?: string } = {}) {
  const calls = { append: 0, sync: 0 };
  const failing = (code: string | undefined) => {
    if (code !== undefined) throw Object.assign(new Error(code), { code });
  };
  const openSegment = async (path: string): Promise<SegmentFile> => {
    failing(fail.open);
    const file = await openSegmentFile(path);
    return {
      async append(octets) {
        calls.append++;
        if (fail.append !== undefined) await file.append(octets.subarray(0, octets.length - 3));
        failing(fail.append);
        await file.append(octets);
      },
      async sync() {
        calls.sync++;
        failing(fail.sync);
        await file.sync();
      },
      close: () => file.close(),
    };
  };
  return { fail, calls, openSegment };
}

describe('append', () => {
  test('lines of a record carry its number and their own', async () => {
    const events = await openLog();
    await events.append(12, lineOf(0) + lineOf(1));
    await events.append(undefined, lineOf(2));
    await events.close();
    assert.equal(
      stored(),
      '{"seq":12,"n":0,"kind":"x","i":0}\n{"seq":12,"n":1,"kind":"x","i":1}\n{"kind":"x","i":2}\n',
    );
    assert.deepEqual(await allLines(), [
      { sequence: 12, n: 0, line: '{"kind":"x","i":0}', stamped: '{"seq":12,"n":0,"kind":"x","i":0}' },
      { sequence: 12, n: 1, line: '{"kind":"x","i":1}', stamped: '{"seq":12,"n":1,"kind":"x","i":1}' },
      { sequence: undefined, n: 0, line: '{"kind":"x","i":2}' },
    ]);
  });

  test('all appends of a tick share one write and one fsync', async () => {
    const { calls, openSegment } = watched();
    const events = await openLog({ openSegment });
    await Promise.all(Array.from({ length: 50 }, (_, i) => events.append(i, lineOf(i))));
    assert.deepEqual(calls, { append: 1, sync: 1 });
    assert.equal((await allLines()).length, 50);
    await events.close();
  });

  test('what comes while a write is under way shares the next', async () => {
    const { calls, openSegment } = watched();
    const events = await openLog({ openSegment });
    const first = events.append(1, lineOf(1));
    await Promise.resolve();
    await Promise.resolve();
    const others = [2, 3, 4].map((i) => events.append(i, lineOf(i)));
    await Promise.all([first, ...others]);
    assert.deepEqual(calls, { append: 2, sync: 2 });
    await events.close();
  });

  test('nothing to append is written at once', async () => {
    const events = await openLog();
    await events.append(1, '');
    assert.deepEqual(segments(), []);
    await events.close();
  });

  test('a line without an end is a bug of the caller', async () => {
    const events = await openLog();
    assert.throws(() => events.append(1, '{"a":1}'), /line end/);
    await events.close();
  });

  test('files are for their owner alone', async () => {
    const events = await openLog({ folder: join(folder, 'log') });
    await events.append(1, lineOf(1));
    await events.close();
    assert.equal(statSync(join(folder, 'log')).mode & 0o777, 0o700);
    const [name] = readdirSync(join(folder, 'log'));
    assert.equal(statSync(join(folder, 'log', name!)).mode & 0o777, 0o600);
  });

  test('after close nothing is taken', async () => {
    const events = await openLog();
    await events.close();
    await assert.rejects(events.append(1, lineOf(1)), EventLogError);
  });

  test('what was appended before close is written', async () => {
    const events = await openLog();
    const pending = events.append(1, lineOf(1));
    await events.close();
    await pending;
    assert.equal((await allLines()).length, 1);
  });
});

describe('rotation', () => {
  test('by size', async () => {
    const events = await openLog({ maxSegmentOctets: 60 });
    for (let i = 0; i < 10; i++) await events.append(undefined, lineOf(i));
    await events.close();
    assert.ok(segments().length >= 3);
    for (const name of segments()) assert.ok(statSync(join(folder, name)).size <= 60);
    assert.deepEqual((await new LogReader(folder).read(undefined, 3)).lines.length, 3);
  });

  test('a group larger than a segment has one of its own', async () => {
    const events = await openLog({ maxSegmentOctets: 10 });
    await events.append(1, lineOf(1) + lineOf(2));
    await events.append(2, lineOf(3));
    await events.close();
    assert.equal(segments().length, 2);
  });

  test('by age', async () => {
    const events = await openLog({ maxSegmentAge: 1000 });
    await events.append(1, lineOf(1));
    clock.at += 1000;
    await events.append(2, lineOf(2));
    await events.close();
    assert.deepEqual(
      segments(),
      [START, START + 1000].map((at) => `${segmentName(at)}.jsonl`),
    );
  });

  test('names go on even when the clock goes back', async () => {
    const events = await openLog({ maxSegmentAge: 1000 });
    await events.append(1, lineOf(1));
    clock.at -= 5000;
    await events.append(2, lineOf(2));
    await events.close();
    assert.deepEqual(
      segments(),
      [START, START + 1].map((at) => `${segmentName(at)}.jsonl`),
    );
  });

  test('a name tells its time', () => assert.equal(timeOfSegment(segmentName(START + 7)), START + 7));
});

describe('opening again', () => {
  test('goes on in the newest segment', async () => {
    for (const i of [1, 2]) {
      const events = await openLog();
      await events.append(i, lineOf(i));
      await events.close();
    }
    assert.equal(segments().length, 1);
    assert.equal((await allLines()).length, 2);
  });

  test('a torn last line is left alone and skipped', async () => {
    const first = await openLog();
    await first.append(1, lineOf(1));
    await first.close();
    appendFileSync(join(folder, segments()[0]!), '{"seq":2,"n":0,"kind":"x","i":"torn');
    const second = await openLog();
    await second.append(2, lineOf('whole'));
    await second.close();
    assert.deepEqual(
      await readAll(new LogReader(folder)),
      [lineOf(1), lineOf('whole')].map((line) => line.trimEnd()),
    );
  });
});

async function readAll(reader: LogReader, limit = 1000): Promise<readonly string[]> {
  const lines: string[] = [];
  for (let page = await reader.read(undefined, limit); ; page = await reader.read(page.position, limit)) {
    lines.push(...page.lines.map(({ line }) => line));
    if (!page.more) return lines;
  }
}

describe('a disk that fails', () => {
  const cases = [
    { name: 'no space', fail: { append: 'ENOSPC' }, kind: 'full' },
    { name: 'quota used up', fail: { append: 'EDQUOT' }, kind: 'full' },
    { name: 'a write error', fail: { append: 'EIO' }, kind: 'broken' },
    { name: 'a failed fsync', fail: { sync: 'EIO' }, kind: 'broken' },
    { name: 'no new file', fail: { open: 'ENOSPC' }, kind: 'full' },
  ];
  for (const { name, fail, kind } of cases) {
    test(`${name}: the append rejects, and the same record can be appended again`, async () => {
      logged.length = 0;
      const disk = watched();
      const events = await openLog({ openSegment: disk.openSegment });
      await events.append(1, lineOf(1));
      if ('open' in fail) await breakSegment(events, disk);
      Object.assign(disk.fail, fail);
      const failed = [2, 3].map((i) => events.append(i, lineOf(i)));
      for (const attempt of failed) await assert.rejects(attempt, (error: EventLogError) => error.kind === kind);
      for (const key of Object.keys(disk.fail)) delete disk.fail[key as 'open'];
      await events.append(2, lineOf(2));
      await events.append(3, lineOf(3));
      await events.close();
      const lines = await readAll(new LogReader(folder));
      const seen = [...new Set(lines)];
      assert.deepEqual(
        seen,
        [1, 2, 3].map((i) => lineOf(i).trimEnd()),
      );
      assert.ok(logged.includes('the event log could not be written'));
    });
  }

  async function breakSegment(events: EventLog, disk: ReturnType<typeof watched>) {
    disk.fail.sync = 'EIO';
    await assert.rejects(events.append(99, lineOf(2)));
    delete disk.fail.sync;
  }

  test('a disk that does not keep up: the append rejects at once, memory does not grow', async () => {
    const events = await openLog({ maxPendingOctets: 100 });
    const pending = [1, 2, 3, 4].map((i) => events.append(i, lineOf('x'.repeat(60))));
    const settled = await Promise.allSettled(pending);
    assert.deepEqual(
      settled.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected', 'rejected'],
    );
    await events.append(2, lineOf(2));
    await events.close();
  });
});

describe('the reader', () => {
  test('gives the same lines whatever the size of a page', async () => {
    const events = await openLog({ maxSegmentOctets: 200 });
    for (let i = 0; i < 30; i++) await events.append(i, lineOf(i));
    await events.close();
    const whole = await readAll(new LogReader(folder));
    assert.equal(whole.length, 30);
    for (const limit of [1, 2, 7, 29, 30, 31]) assert.deepEqual(await readAll(new LogReader(folder), limit), whole);
  });

  test('follows a log that is being written', async () => {
    const events = await openLog();
    const reader = new LogReader(folder);
    await events.append(1, lineOf(1));
    const first = await reader.read(undefined, 10);
    assert.deepEqual([first.lines.length, first.more], [1, false]);
    assert.equal((await reader.read(first.position, 10)).lines.length, 0);
    await events.append(2, lineOf(2));
    clock.at += 2 * 3_600_000;
    await events.append(3, lineOf(3));
    const second = await reader.read(first.position, 10);
    assert.deepEqual([second.lines.length, second.more], [1, true]);
    assert.equal((await reader.read(second.position, 10)).lines[0]?.sequence, 3);
    await events.close();
  });

  test('goes on behind a segment that is gone', async () => {
    const events = await openLog({ maxSegmentOctets: 10 });
    for (let i = 0; i < 3; i++) await events.append(i, lineOf(i));
    await events.close();
    const first = await new LogReader(folder).read(undefined, 1);
    rmSync(join(folder, segments()[0]!));
    assert.equal((await new LogReader(folder).read(first.position, 1)).lines[0]?.sequence, 1);
  });

  test('an empty folder has nothing', async () => {
    assert.deepEqual(await new LogReader(folder).read(undefined, 10), {
      lines: [],
      position: undefined,
      more: false,
      damaged: [],
    });
  });

  test('a line longer than any of ours is passed over', async () => {
    const name = `${segmentName(START)}.jsonl`;
    appendFileSync(join(folder, name), `${'x'.repeat(5_000_000)}\n${lineOf(1)}`);
    const lines = await readAll(new LogReader(folder));
    assert.equal(lines.at(-1), lineOf(1).trimEnd());
    assert.ok(lines.length <= 2);
  });

  test('a compressed segment that cannot be unpacked is told, and does not hide the next', async () => {
    const packed = zstdCompressSync(lineOf(0));
    const names = [Buffer.alloc(0), Buffer.from('not zstd at all'), packed.subarray(0, packed.length - 3)].map(
      (rubbish, i) => {
        const name = segmentName(START + i);
        writeFileSync(join(folder, `${name}.jsonl.zst`), rubbish);
        return name;
      },
    );
    appendFileSync(join(folder, `${segmentName(START + 100)}.jsonl`), lineOf(1));
    const page = await new LogReader(folder).read(undefined, 10);
    assert.deepEqual(
      page.lines.map(({ line }) => line),
      [lineOf(1).trimEnd()],
    );
    assert.deepEqual(page.damaged, names);
  });

  test('a segment compressed between two pages goes on where it was', async () => {
    const events = await openLog();
    for (let i = 0; i < 4; i++) await events.append(i, lineOf(i));
    clock.at += 2 * 3_600_000;
    await events.append(4, lineOf(4));
    await events.close();
    const reader = new LogReader(folder);
    const first = await reader.read(undefined, 2);
    const path = join(folder, segments()[0]!);
    writeFileSync(`${path}.zst`, zstdCompressSync(readFileSync(path)));
    rmSync(path);
    const second = await reader.read(first.position, 10);
    const third = await reader.read(second.position, 10);
    assert.deepEqual(
      [first, second, third].map(({ lines }) => lines.map(({ sequence }) => sequence)),
      [[0, 1], [2, 3], [4]],
    );
  });

  test('files of other names are not read', async () => {
    appendFileSync(join(folder, 'notes.jsonl'), lineOf(1));
    assert.equal((await allLines()).length, 0);
  });
});

test('any sequence of records is read back whole and in order', async () => {
  const records = fc.array(fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 4 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(records, fc.integer({ min: 1, max: 500 }), async (texts, maxSegmentOctets) => {
      rmSync(folder, { recursive: true });
      const events = await openLog({ maxSegmentOctets });
      await Promise.all(texts.map((lines, i) => events.append(i, lines.map(lineOf).join(''))));
      await events.close();
      assert.deepEqual(
        await readAll(new LogReader(folder)),
        texts.flat().map((text) => lineOf(text).trimEnd()),
      );
    }),
    { numRuns: 40 },
  );
});
