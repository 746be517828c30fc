import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { DAY, HOUR } from '../lib/time.ts';
import fc from 'fast-check';
import { Archivist, type ArchivistOptions } from './archivist.ts';
import { EventLog } from './event-log.ts';
import { eventLine } from './format.ts';
import { LogReader } from './log-reader.ts';
import { EVENTS } from './samples.ts';

let root: string;
let folder: string;
const START = Date.UTC(2026, 10, 23, 12);
const clock = { at: START, now: () => clock.at, monotonic: () => 0 };
const warnings: string[] = [];
const log = { error() {}, warn: (text: string) => void warnings.push(text), info() {} };
let open: { close(): unknown }[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'postrider-archive-'));
  folder = join(root, 'events');
  clock.at = START;
  warnings.length = 0;
});
afterEach(async () => {
  for (const each of open) await each.close();
  open = [];
  rmSync(root, { recursive: true });
});

async function openBoth(options: Partial<ArchivistOptions> = {}) {
  const events = await EventLog.open({ folder, clock, log });
  const archivist = await openArchivist(options);
  open.push(events);
  return { events, archivist };
}

async function openArchivist(options: Partial<ArchivistOptions> = {}): Promise<Archivist> {
  const historyFile = join(root, 'history', 'history.sqlite');
  const archivist = await Archivist.open({ folder, historyFile, clock, log, retentionDays: 30, ...options });
  open.push(archivist);
  return archivist;
}

async function settle(archivist: Archivist): Promise<number> {
  for (let steps = 1; ; steps++) if ((await archivist.step()) === 'idle') return steps;
}

const accepted = (i: number) => `${eventLine({ ...EVENTS.accepted, queueId: `q${i}`, at: clock.at })}\n`;
const found = (archivist: Archivist) => archivist.search({ limit: 1000 }).events.length;
const files = () => readdirSync(folder).sort();

describe('Archivist', () => {
  test('has nothing to do without a log', async () => {
    const archivist = await openArchivist();
    assert.equal(await archivist.step(), 'idle');
  });

  test('what was appended can be found, page by page', async () => {
    const { events, archivist } = await openBoth({ pageLines: 3 });
    for (let i = 0; i < 10; i++) await events.append(i, accepted(i));
    assert.equal(await archivist.step(), 'more');
    assert.equal(found(archivist), 3);
    await settle(archivist);
    assert.equal(found(archivist), 10);
    assert.equal(archivist.story('q7').length, 1);
    await events.append(10, accepted(10));
    await settle(archivist);
    assert.equal(found(archivist), 11);
  });

  test('goes on where it was after a restart, and repeats are kept once', async () => {
    const { events, archivist } = await openBoth();
    await events.append(1, accepted(1));
    await settle(archivist);
    archivist.close();
    open = open.filter((each) => each !== archivist);
    await events.append(1, accepted(1));
    await events.append(2, accepted(2));
    const again = await openArchivist();
    await settle(again);
    assert.equal(found(again), 2);
  });

  test('segments that are over and read are compressed, and can still be read', async () => {
    const { events, archivist } = await openBoth();
    for (let i = 0; i < 3; i++) {
      await events.append(i, accepted(i));
      clock.at += 2 * HOUR;
    }
    await settle(archivist);
    assert.deepEqual(
      files().map((name) => name.slice(name.indexOf('.'))),
      ['.jsonl.zst', '.jsonl.zst', '.jsonl'],
    );
    const page = await new LogReader(folder).read(undefined, 100);
    assert.equal(page.lines[0]?.sequence, 0);
    rmSync(join(root, 'history'), { recursive: true });
    const rebuilt = await openArchivist();
    await settle(rebuilt);
    assert.equal(found(rebuilt), 3);
  });

  test('a message whose events lie in several segments is told whole, those of it that are compressed too', async () => {
    const { events, archivist } = await openBoth();
    const told = [EVENTS.accepted, EVENTS.deferred, EVENTS.delivered].map((event, i) => ({ ...event, at: START + i }));
    for (const [i, event] of told.entries()) {
      await events.append(i, `${eventLine(event)}\n`);
      if (i === 1) await settle(archivist);
      clock.at += 2 * HOUR;
    }
    await settle(archivist);
    assert.equal(files().length, 3);
    const kinds = archivist.story(EVENTS.accepted.queueId).map(({ kind }) => kind);
    assert.deepEqual(kinds, ['accepted', 'deferred', 'delivered']);
  });

  test('a compression that was cut short is done again', async () => {
    const { events, archivist } = await openBoth();
    await events.append(1, accepted(1));
    const [name] = files();
    writeFileSync(join(folder, `${name}.zst`), 'half');
    writeFileSync(join(folder, `${name}.zst.draft`), 'half');
    clock.at += 2 * HOUR;
    await events.append(2, accepted(2));
    await settle(archivist);
    const page = await new LogReader(folder).read(undefined, 100);
    assert.equal(page.lines[0]?.sequence, 1);
    assert.ok(!files().includes(name!));
  });

  test('segments and events that are too old are removed, the present one never', async () => {
    const { events, archivist } = await openBoth({ retentionDays: 2 });
    await events.append(1, accepted(1));
    clock.at += DAY;
    await events.append(2, accepted(2));
    clock.at += DAY + 2 * HOUR;
    await events.append(3, accepted(3));
    await settle(archivist);
    assert.equal(files().length, 3, 'the first segment reaches up to the second, which is not too old');
    assert.equal(found(archivist), 2);
    clock.at += DAY;
    await settle(archivist);
    assert.equal(files().length, 2);
    clock.at += 10 * DAY;
    await settle(archivist);
    assert.equal(files().length, 1);
    assert.equal(found(archivist), 0);
  });

  test('lines that are no events are told of and passed over', async () => {
    const { events, archivist } = await openBoth();
    await events.append(1, accepted(1));
    appendFileSync(join(folder, files()[0]!), '{"kind":"later"}\n\nrubbish\n');
    await events.append(2, accepted(2));
    await settle(archivist);
    assert.equal(found(archivist), 2);
    assert.deepEqual(warnings, ['lines of the event log are no events and were passed over']);
  });

  test('a damaged history is built anew', async () => {
    const { events, archivist } = await openBoth();
    await events.append(1, accepted(1));
    await settle(archivist);
    archivist.close();
    open = open.filter((each) => each !== archivist);
    writeFileSync(join(root, 'history', 'history.sqlite'), 'x'.repeat(20_000));
    const again = await openArchivist();
    await settle(again);
    assert.equal(found(again), 1);
  });
});

/** One thing that can happen to the log or to the archivist. */
type Happening = 'append' | 'direct' | 'step' | 'hour' | 'restart log' | 'restart archivist' | 'repeat' | 'tear';
const HAPPENINGS: readonly Happening[] = [
  ...(['append', 'direct', 'step', 'hour', 'restart log', 'restart archivist', 'repeat', 'tear'] as const),
];

test('whatever happens to log and archivist, in the end each event is found once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...HAPPENINGS), { maxLength: 40 }), async (happenings) => {
      rmSync(root, { recursive: true });
      clock.at = START;
      let events = await EventLog.open({ folder, clock, log });
      let archivist = await openArchivist({ pageLines: 2 });
      let count = 0;
      let sequence = 0;
      const happen: Readonly<Record<Happening, () => Promise<unknown>>> = {
        append: () => events.append(++sequence, accepted(count++)),
        direct: () => events.append(undefined, accepted(count++)),
        step: () => archivist.step(),
        hour: async () => (clock.at += HOUR),
        'restart log': async () => {
          await events.close();
          events = await EventLog.open({ folder, clock, log });
        },
        'restart archivist': async () => {
          archivist.close();
          archivist = await openArchivist({ pageLines: 2 });
        },
        repeat: async () => {
          const line = accepted(count++);
          sequence++;
          await events.append(sequence, line);
          await events.append(sequence, line);
        },
        tear: async () => {
          await events.close();
          const newest = files().at(-1);
          if (newest?.endsWith('.jsonl') === true) appendFileSync(join(folder, newest), accepted(0).slice(0, -20));
          events = await EventLog.open({ folder, clock, log });
        },
      };
      for (const happening of happenings) await happen[happening]();
      await settle(archivist);
      const ids = archivist.search({ limit: 1000 }).events.map((event) => ('queueId' in event ? event.queueId : ''));
      const expected = Array.from({ length: count }, (_, i) => `q${i}`);
      archivist.close();
      open = [];
      await events.close();
      assert.deepEqual(ids.sort(), expected.sort());
    }),
    { numRuns: 30 },
  );
});
