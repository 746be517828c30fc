import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { type QueueId } from '../mail/queue-id.ts';
import { reply } from '../mail/reply.ts';
import { type Collected, MessageSink, type SinkOptions } from './message-sink.ts';
import { KeptContents } from './kept-contents.ts';
import { OctetBudget } from './octet-budget.ts';

const folder = mkdtempSync(join(tmpdir(), 'sink-'));
after(() => rmSync(folder, { recursive: true }));

const TRACE = 'Received: by us\r\n';
const OK = reply(250, '2.0.0', 'OK');
let count = 0;

interface Run {
  readonly id: QueueId;
  readonly sink: MessageSink;
  readonly budget: OctetBudget;
  readonly kept: KeptContents;
  readonly got: Collected[];
}

function sinkWith(changes: Partial<SinkOptions> = {}): Run {
  const got: Collected[] = [];
  const budget = changes.budget ?? new OctetBudget(10_000_000);
  const id = `message${(count += 1)}` as QueueId;
  const kept = changes.kept ?? new KeptContents(budget, { now: () => 0, monotonic: () => 0 });
  const sink = new MessageSink({
    id,
    kept,
    budget,
    incoming: folder,
    memoryOctets: 1000,
    tightOctets: 100,
    maxHeaderOctets: 500,
    maxHops: 3,
    trusted: 'untrusted',
    trace: TRACE,
    commit: async (collected) => {
      got.push(collected);
      return OK;
    },
    refused: (why) => why,
    ...changes,
  });
  return { id, sink, budget, kept, got };
}

async function writeAll(sink: MessageSink, chunks: readonly Buffer[]): Promise<void> {
  for (const chunk of chunks) await sink.write(chunk);
}

function stored({ content }: Collected): Buffer {
  return content.kind === 'octets' ? Buffer.from(content.octets) : readFileSync(content.path);
}

function split(octets: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(octets.length / size) }, (_, i) => octets.subarray(i * size, (i + 1) * size));
}

describe('a header section of BINARYMIME', () => {
  for (const [name, section] of [
    ['a CR alone', 'Subject: hi\rFrom: boss@b.test\r\nFrom: ann@a.test\r\n\r\n'],
    ['an LF alone', 'Subject: hi\nFrom: boss@b.test\r\n\r\n'],
    ['a CR before CRLF', 'Subject: hi\r\r\n\r\n'],
  ] as const)
    test(`with ${name} is refused`, async () => {
      const { sink, got, budget } = sinkWith({ binary: true });
      await writeAll(sink, [Buffer.from(`${section}body\r\n`)]);
      const answer = await sink.finish();
      assert.ok('code' in answer);
      assert.equal(`${answer.code} ${answer.status}`, '550 5.6.0');
      assert.deepEqual(got, []);
      assert.equal(budget.used, 0);
    });

  test('frees the body alone', async () => {
    const { sink, got } = sinkWith({ binary: true });
    await writeAll(sink, [Buffer.from('Subject: hi\r\n\r\na\rb\nc')]);
    await sink.finish();
    assert.equal(got.length, 1);
  });
});

describe('content', () => {
  const cases: readonly (readonly [string, Buffer, 'octets' | 'file'])[] = [
    ['small', Buffer.from('Subject: a\r\n\r\nbody\r\n'), 'octets'],
    ['without a body', Buffer.from('Subject: a\r\n\r\n'), 'octets'],
    ['without an empty line', Buffer.from('Subject: a\r\n'), 'octets'],
    ['without a header section', Buffer.from('\r\nbody\r\n'), 'octets'],
    ['that is empty', Buffer.alloc(0), 'octets'],
    ['large', Buffer.from(`Subject: a\r\n\r\n${'x'.repeat(5000)}\r\n`), 'file'],
    ['much larger than one write', Buffer.from(`Subject: a\r\n\r\n${'line\r\n'.repeat(50_000)}`), 'file'],
  ];
  for (const [name, octets, kind] of cases)
    for (const size of [1, 7, 4096, Infinity]) {
      if (octets.length > 10_000 && size < 4096) continue;
      test(`${name}, in chunks of ${size}, is stored behind the trace field`, async () => {
        const { id, sink, budget, kept, got } = sinkWith();
        await writeAll(sink, octets.length === 0 ? [] : split(octets, Math.min(size, octets.length)));
        assert.deepEqual(await sink.finish(), OK);
        assert.equal(stored(got[0]!).toString(), TRACE + octets.toString());
        assert.equal(got[0]!.content.kind, kind);
        assert.equal(got[0]!.octets, octets.length + TRACE.length);
        const pieces = kept.lend(id, got[0]!.octets);
        if (kind === 'file') assert.equal(Buffer.concat(pieces?.pieces ?? []).toString(), TRACE + octets.toString());
        else assert.equal(pieces, undefined);
        if (pieces !== undefined) kept.giveBack(id);
        assert.equal(budget.used, 0);
      });
    }

  test('is the same whatever the split (property)', async () => {
    const body = fc.string({ unit: fc.constantFrom('a', '\r\n', '\r\n\r\n', 'é'), maxLength: 1500 });
    await fc.assert(
      fc.asyncProperty(body, fc.integer({ min: 1, max: 400 }), async (text, size) => {
        const octets = Buffer.from(`Subject: a\r\n\r\n${text}`);
        const { sink, got } = sinkWith();
        await writeAll(sink, split(octets, size));
        await sink.finish();
        assert.deepEqual(stored(got[0]!), Buffer.concat([Buffer.from(TRACE), octets]));
        assert.equal(got[0]!.eightBit, text.includes('é'));
      }),
      { numRuns: 40 },
    );
  });

  test('is 8-bit by its trace field too', async () => {
    for (const trace of [TRACE, 'Received: for <ü@example.test>\r\n']) {
      const { sink, got } = sinkWith({ trace });
      await writeAll(sink, [Buffer.from('Subject: a\r\n\r\nb\r\n')]);
      await sink.finish();
      assert.equal(got[0]!.eightBit, trace !== TRACE);
    }
  });

  test('belongs to the sink alone: the chunk may be written to again', async () => {
    const { sink, got } = sinkWith();
    const chunk = Buffer.from('Subject: a\r\n\r\nbefore');
    await sink.write(chunk);
    chunk.fill(0x58);
    await sink.finish();
    assert.ok(stored(got[0]!).toString().endsWith('before'));
  });

  test('goes to a file earlier when the budget is tight', async () => {
    const budget = new OctetBudget(1000);
    budget.take(600);
    const { id, sink, kept, got } = sinkWith({ budget });
    await sink.write(Buffer.from(`A: b\r\n\r\n${'x'.repeat(200)}`));
    await sink.finish();
    assert.equal(got[0]!.content.kind, 'file');
    assert.equal(kept.lend(id, got[0]!.octets), undefined);
    assert.equal(budget.used, 600);
  });

  test('keeps no more beside its file than it would without one when the budget is tight', async () => {
    const budget = new OctetBudget(1000);
    budget.take(600);
    const { sink } = sinkWith({ budget });
    await sink.write(Buffer.from(`A: b\r\n\r\n${'x'.repeat(200)}`));
    await sink.write(Buffer.alloc(90, 'x'));
    assert.equal(budget.used, 690);
    await sink.write(Buffer.alloc(90, 'x'));
    assert.equal(budget.used, 600);
    sink.abort();
  });
});

describe('what is refused is swallowed to its end, and nothing is kept', () => {
  const cases: readonly (readonly [string, Partial<SinkOptions>, string, number])[] = [
    ['a header section that is too large', {}, `A: ${'x'.repeat(600)}`, 552],
    ['a header section that is too large and ended', {}, `A: ${'x'.repeat(600)}\r\n\r\nbody`, 552],
    ['a loop', {}, 'Received: x\r\n'.repeat(4) + '\r\n', 554],
    ['more than the budget', { budget: new OctetBudget(10) }, 'A: b\r\n\r\nbody body', 452],
    ['bad options', { trusted: 'trusted' }, 'X-Postrider-Class: x\r\n\r\n', 550],
  ];
  for (const [name, changes, text, code] of cases)
    test(name, async () => {
      const { sink, budget, got } = sinkWith(changes);
      await writeAll(sink, split(Buffer.from(text), 50));
      await sink.write(Buffer.from('more'));
      const answer = await sink.finish();
      assert.equal('code' in answer && answer.code, code);
      assert.deepEqual(got, []);
      assert.equal(budget.used, 0);
    });
});

test('an aborted message leaves no file and no octets behind', async () => {
  const { sink, budget } = sinkWith();
  await sink.write(Buffer.from(`A: b\r\n\r\n${'x'.repeat(5000)}`));
  const before = readdirSync(folder).length;
  sink.abort();
  assert.equal(budget.used, 0);
  while (readdirSync(folder).length === before) await new Promise((resolve) => void setImmediate(resolve));
});

test('a message aborted while its file is being written leaves no octets in the budget, whenever that is', async () => {
  for (const turns of [0, 1, 2, 3, 5, 8]) {
    const { sink, budget } = sinkWith();
    await sink.write(Buffer.from(`A: b\r\n\r\n${'x'.repeat(300_000)}`));
    await sink.write(Buffer.from('y'.repeat(300_000)));
    for (let i = 0; i < turns; i += 1) await new Promise((resolve) => void setImmediate(resolve));
    sink.abort();
    assert.equal(budget.used, 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(budget.used, 0);
  }
});

test('a client that is faster than the disk waits', async () => {
  const { sink } = sinkWith();
  const chunk = (): Buffer => Buffer.alloc(65_536, 'x');
  await sink.write(Buffer.from('A: b\r\n\r\n'));
  const answers = Array.from({ length: 20 }, () => sink.write(chunk()));
  assert.equal(answers[0], undefined);
  assert.ok(answers.some((answer) => answer instanceof Promise));
  await Promise.all(answers);
  await sink.finish();
});

test('large chunks are taken over: their memory is free at once', async () => {
  const { sink, got } = sinkWith();
  await sink.write(Buffer.from('A: b\r\n\r\n'));
  const chunks = Array.from({ length: 8 }, (_, i) => Buffer.allocUnsafeSlow(65_536).fill(`${i}`));
  const want = Buffer.concat(chunks).toString();
  for (const chunk of chunks) {
    await sink.write(chunk);
    assert.equal(chunk.length, 0);
  }
  await sink.finish();
  assert.ok(stored(got[0]!).toString().endsWith(want));
});

test('a folder that cannot be written to gives a temporary refusal', async () => {
  const { sink, budget } = sinkWith({ incoming: join(folder, 'missing') });
  await sink.write(Buffer.from(`A: b\r\n\r\n${'x'.repeat(5000)}`));
  const answer = await sink.finish();
  assert.ok('code' in answer && answer.code === 451);
  assert.match(answer.lines[0], /ENOENT/);
  assert.equal(budget.used, 0);
});
