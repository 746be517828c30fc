import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as after_ } from 'node:timers/promises';
import fc from 'fast-check';
import { testKey, verifySignatures } from '../../test/lib/dkim.ts';
import { decodedLeaves, renderTree, treeArbitrary } from '../../test/lib/mime-trees.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { reply } from '../mail/reply.ts';
import { isSevenBit } from '../mail/downgrade.ts';
import { type ContentRules } from './content-rules.ts';
import { KeptContents } from './kept-contents.ts';
import { type Collected, MessageSink, type SinkOptions } from './message-sink.ts';
import { OctetBudget } from './octet-budget.ts';
import { Signer } from './signer.ts';
import { readSigningKey } from './signing-keys.ts';

const folder = mkdtempSync(join(tmpdir(), 'fitted-sink-'));
after(() => rmSync(folder, { recursive: true }));

const TRACE = 'Received: by us\r\n\tid x\r\n';
const RSA = testKey('rsa');
const key = readSigningKey({ domain: 'a.test', selector: 'rsa', algorithm: 'rsa-sha256', privateKey: RSA.pem });
assert.ok(key.ok);
const form = { canonicalization: { header: 'simple', body: 'simple' }, fields: [] } as const;
const SIGNER = new Signer({ keys: [key.value], rules: [], form, expireAfter: undefined });
const signed: SinkOptions['sign'] = (section) => SIGNER.begin(section, 1_700_000_000_000);
const REPAIR: ContentRules = { eightBit: 'repair', longLine: 'repair', binary: false };

let count = 0;

function sinkWith(changes: Partial<SinkOptions> = {}) {
  const got: Collected[] = [];
  const budget = new OctetBudget(32_000_000);
  const id = `message${(count += 1)}` as QueueId;
  const kept = new KeptContents(budget, { now: () => 0, monotonic: () => 0 });
  const sink = new MessageSink({
    ...{ id, kept, budget, incoming: folder, trace: TRACE, trusted: 'untrusted', fit: REPAIR, sign: signed },
    ...{ memoryOctets: 10_000, tightOctets: 100, maxHeaderOctets: 50_000, maxHops: 3 },
    commit: async (collected) => {
      got.push(collected);
      return reply(250, '2.0.0', 'OK');
    },
    refused: (why) => why,
    ...changes,
  });
  return { id, sink, budget, kept, got };
}

async function through(octets: Buffer, changes: Partial<SinkOptions> = {}, size = 65_536) {
  const all = sinkWith(changes);
  for (let at = 0; at < octets.length; at += size) await all.sink.write(Buffer.from(octets.subarray(at, at + size)));
  const answer = await all.sink.finish();
  assert.ok('code' in answer);
  const [collected] = all.got;
  return { ...all, answer, collected, content: collected === undefined ? undefined : stored(collected) };
}

function stored({ content }: Collected): Buffer {
  return content.kind === 'octets' ? Buffer.from(content.octets) : readFileSync(content.path);
}

/** Without our trace field and our signature. */
function own(content: Buffer): Buffer {
  return content.subarray(content.indexOf('From: '));
}

const HEAD = 'From: a@a.test\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n';
const LONG = 'x'.repeat(1200);

describe('content that is not fit, signed', () => {
  const line = 'Grüße an alle, die das lesen, und an die anderen\r\n';
  for (const [kind, body] of [
    ['octets', line],
    ['file', line.repeat(5000)],
    ['file', line.repeat(30_000)],
  ] as const)
    for (const size of [1, 999, 65_536]) {
      if (size === 1 && body.length > 1000) continue;
      test(`of ${body.length} octets in chunks of ${size} is stored 7-bit, and verifies`, async () => {
        const { collected, content, budget, kept, id } = await through(Buffer.from(`${HEAD}\r\n${body}`), {}, size);
        assert.ok(collected !== undefined && content !== undefined);
        assert.equal(collected.content.kind, kind);
        assert.equal(collected.octets, content.length);
        assert.equal(collected.eightBit, false);
        assert.deepEqual(collected.repaired, ['eightBit']);
        assert.ok(isSevenBit(content));
        assert.ok(content.includes(`${HEAD}Content-Transfer-Encoding: quoted-printable\r\n\r\n`));
        assert.deepEqual(
          verifySignatures(content, () => RSA.publicKey).map(({ result }) => result),
          ['pass'],
        );
        assert.equal(decodedLeaves(own(content))[0]?.content, Buffer.from(body).toString('latin1').trimEnd());
        const lent = kept.lend(id, content.length);
        if (kind === 'file') assert.ok(Buffer.concat(lent?.pieces ?? []).equals(content), 'what is kept is the same');
        if (lent !== undefined) kept.giveBack(id);
        assert.equal(budget.used, 0);
      });
    }

  test('nothing is left of what came', async () => {
    await through(Buffer.from(`${HEAD}\r\n${line.repeat(5000)}`));
    for (let tries = 0; tries < 100 && readdirSync(folder).some((name) => !name.endsWith('.fit')); tries += 1)
      await after_(10);
    assert.deepEqual(
      readdirSync(folder).filter((name) => !name.endsWith('.fit')),
      [],
    );
  });
});

describe('stays as it came', () => {
  for (const [name, text, changes] of [
    ['7-bit content', `${HEAD}\r\nHello = there \r\n`, {}],
    ['8-bit content that nobody signs', `${HEAD}\r\nGrüße\r\n`, { sign: undefined }],
    ['where no rule asks for more', `${HEAD}\r\nGrüße\r\n`, { fit: { ...REPAIR, eightBit: 'leave' } }],
    ['what is signed by others', `DKIM-Signature: v=1\r\n${HEAD}\r\nGrüße ${LONG}\r\n`, {}],
    ['without rules', `${HEAD}\r\nGrüße ${LONG}\r\n`, { fit: undefined }],
    ['8-bit content with UTF-8 in its header section', `From: a@a.test\r\nSubject: ü\r\n\r\nGrüße\r\n`, {}],
    [
      'what S/MIME signs, in a file',
      `${HEAD.replace('text/plain; charset=utf-8', 'multipart/signed; boundary=b')}\r\n--b\r\n\r\n${'ü\r\n'.repeat(9000)}--b--\r\n`,
      {},
    ],
  ] as const)
    test(name, async () => {
      const { content, collected } = await through(Buffer.from(text), changes);
      assert.ok(content !== undefined);
      assert.ok(content.toString('latin1').endsWith(Buffer.from(text).toString('latin1')));
      assert.equal(collected?.eightBit, !isSevenBit(content) && text.includes('ü'));
      assert.deepEqual(collected?.repaired, []);
      if (changes !== undefined && !('sign' in changes))
        assert.equal(verifySignatures(content, () => RSA.publicKey)[0]?.result, 'pass');
    });
});

describe('lines that are too long', () => {
  test('are encoded without a signature, too', async () => {
    const { content, collected } = await through(Buffer.from(`${HEAD}\r\n${LONG}\r\n`), { sign: undefined });
    assert.ok(isSevenBit(content ?? Buffer.alloc(0)));
    assert.deepEqual(collected?.repaired, ['longLine']);
  });

  test('are encoded beside UTF-8 in the header section, which makes the content 8-bit', async () => {
    const { collected, content } = await through(Buffer.from(`${HEAD}X: ü\r\n\r\n${LONG}\r\n`));
    assert.equal(collected?.eightBit, true);
    assert.ok(content?.includes('Content-Transfer-Encoding: quoted-printable'));
  });

  test('are told once, in header section and body, with what was told before', async () => {
    const prepare: SinkOptions['prepare'] = (section) => ({ section, repaired: ['missingDate'] });
    const text = `${HEAD}X-A: ${'word '.repeat(300)}end\r\n\r\nGrüße ${LONG}\r\n`;
    const { collected } = await through(Buffer.from(text), { prepare });
    assert.deepEqual(collected?.repaired, ['missingDate', 'longLine', 'eightBit']);
  });

  test('are folded in the header section', async () => {
    const text = `${HEAD}X-A: ${'word '.repeat(300)}end\r\n\r\nHi\r\n`;
    const { content } = await through(Buffer.from(text));
    assert.ok(isSevenBit(content ?? Buffer.alloc(0)));
    assert.equal(own(content!).toString().replaceAll('\r\n ', ' '), text);
  });

  for (const [name, text] of [
    ['a line of the header section without white space', `${HEAD}X-A: ${LONG}\r\n\r\nHi\r\n`],
    [
      'one of a part',
      `${HEAD.replace('text/plain; charset=utf-8', 'multipart/mixed; boundary=b')}\r\n--b\r\nX: ${LONG}\r\n\r\n--b--\r\n`,
    ],
  ] as const)
    test(`${name} is refused`, async () => {
      const { answer, budget } = await through(Buffer.from(text));
      assert.equal(answer.code, 554);
      assert.match(answer.lines[0], /header section is longer than 998/);
      assert.equal(budget.used, 0);
    });
});

describe('what a rule refuses', () => {
  for (const [rule, text, status] of [
    ['eightBit', `${HEAD}\r\nGrüße\r\n`, '5.6.1'],
    ['eightBit', `${HEAD}X: ü\r\n\r\nHi\r\n`, '5.6.1'],
    ['longLine', `${HEAD}\r\n${LONG}\r\n`, '5.6.0'],
    ['longLine', `${HEAD}\r\n${'x'.repeat(999)}`, '5.6.0'],
    ['longLine', `${HEAD}X: ${'word '.repeat(300)}\r\n\r\nHi\r\n`, '5.6.0'],
  ] as const)
    for (const size of [50, 65_536])
      test(`${rule}: ${text.length} octets in chunks of ${size}`, async () => {
        const { answer, got, budget } = await through(
          Buffer.from(text),
          { fit: { ...REPAIR, [rule]: 'refuse' } },
          size,
        );
        assert.equal(`${answer.code} ${answer.status}`, `554 ${status}`);
        assert.match(answer.lines[0], new RegExp(rule));
        assert.deepEqual(got, []);
        assert.equal(budget.used, 0);
      });

  test('is nothing else', async () => {
    const text = `${HEAD}\r\n${'x'.repeat(998)}\r\n${'y'.repeat(997)}\r\nz`;
    for (const size of [1, 7, 1000, 65_536]) {
      const { answer } = await through(
        Buffer.from(text),
        { fit: { ...REPAIR, longLine: 'refuse', eightBit: 'refuse' } },
        size,
      );
      assert.equal(answer.code, 250);
    }
  });
});

test('however it comes, in memory or through a file, it is the same (property)', async () => {
  await fc.assert(
    fc.asyncProperty(treeArbitrary, fc.integer({ min: 1, max: 2000 }), async (tree, size) => {
      const octets = Buffer.concat([Buffer.from('From: a@a.test\r\n'), renderTree(tree)]);
      const inMemory = await through(octets, {}, size);
      const inFile = await through(octets, { memoryOctets: 10 }, size);
      assert.ok(inMemory.content !== undefined && inFile.content !== undefined);
      if (octets.length > 300) assert.equal(inFile.collected?.content.kind, 'file');
      assert.ok(inMemory.content.equals(inFile.content));
      assert.deepEqual(decodedLeaves(own(inMemory.content)), decodedLeaves(octets));
      assert.equal(verifySignatures(inMemory.content, () => RSA.publicKey)[0]?.result, 'pass');
    }),
    { numRuns: 40 },
  );
});
