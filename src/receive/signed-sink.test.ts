import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { testKey, verifySignatures } from '../../test/lib/dkim.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { reply } from '../mail/reply.ts';
import { KeptContents } from './kept-contents.ts';
import { type Collected, MessageSink, type SinkOptions } from './message-sink.ts';
import { OctetBudget } from './octet-budget.ts';
import { Signer, type SigningFault } from './signer.ts';
import { readSigningKey } from './signing-keys.ts';

const folder = mkdtempSync(join(tmpdir(), 'signed-sink-'));
after(() => rmSync(folder, { recursive: true }));

const TRACE = 'Received: by us\r\n\tid ü\r\n';
const SECTION = 'X-Postrider-Class: bulk\r\nFrom: a@example.com\r\nSubject: x\r\n\r\n';
const STORED = SECTION.slice(SECTION.indexOf('From'));
const RSA = testKey('rsa');
const ED25519 = testKey('ed25519');
const publicKey = (name: string) => (name.startsWith('ed') ? ED25519.publicKey : RSA.publicKey);

function signer(): Signer {
  const keys = [
    readSigningKey({ domain: 'example.com', selector: 'rsa', algorithm: 'rsa-sha256', privateKey: RSA.pem }),
    readSigningKey({ domain: 'example.com', selector: 'ed', algorithm: 'ed25519-sha256', privateKey: ED25519.pem }),
  ];
  const form = { canonicalization: { header: 'relaxed', body: 'relaxed' }, fields: [] } as const;
  return new Signer({
    keys: keys.map((key) => (assert.ok(key.ok), key.value)),
    rules: [],
    form,
    expireAfter: undefined,
  });
}

let count = 0;

function sinkWith(changes: Partial<SinkOptions> = {}) {
  const got: Collected[] = [];
  const budget = new OctetBudget(32_000_000);
  const id = `message${(count += 1)}` as QueueId;
  const kept = new KeptContents(budget, { now: () => 0, monotonic: () => 0 });
  const active = signer();
  const sink = new MessageSink({
    ...{ id, kept, budget, incoming: folder, trace: TRACE, trusted: 'trusted' },
    ...{ memoryOctets: 10_000, tightOctets: 100, maxHeaderOctets: 500, maxHops: 3 },
    sign: (section) => active.begin(section, 1_700_000_000_000),
    commit: async (collected) => {
      got.push(collected);
      return reply(250, '2.0.0', 'OK');
    },
    refused: (why) => why,
    ...changes,
  });
  return { id, sink, budget, kept, got };
}

function stored({ content }: Collected): Buffer {
  return content.kind === 'octets' ? Buffer.from(content.octets) : readFileSync(content.path);
}

describe('a signed message', () => {
  const bodies: readonly (readonly [string, string, 'octets' | 'file'])[] = [
    ['without a body', '', 'octets'],
    ['of one line', 'Hi.\r\n', 'octets'],
    ['with white space', 'a  b \r\n\t c\r\n\r\n\r\n', 'octets'],
    ['that went to a file', 'a line  of it \r\n'.repeat(3000), 'file'],
    ['of several writes to its file', 'a line  of it \r\n'.repeat(65_536), 'file'],
  ];
  for (const [name, body, kind] of bodies)
    for (const size of [1, 999, 65_536]) {
      if (size === 1 && body.length > 1000) continue;
      test(`${name}, in chunks of ${size}, verifies and is otherwise as it came`, async () => {
        const { id, sink, budget, kept, got } = sinkWith();
        const octets = Buffer.from(SECTION + body);
        for (let at = 0; at < octets.length; at += size) await sink.write(Buffer.from(octets.subarray(at, at + size)));
        await sink.finish();
        const [collected] = got;
        const content = stored(collected!);
        assert.equal(collected!.content.kind, kind);
        assert.equal(collected!.octets, content.length);
        assert.equal(collected!.signedBy, 'd=example.com s=rsa, d=example.com s=ed');
        assert.ok(content.toString().startsWith(`${TRACE}DKIM-Signature: v=1; a=rsa-sha256;`));
        assert.ok(content.toString().endsWith(STORED + body));
        assert.deepEqual(
          verifySignatures(content, publicKey).map(({ result }) => result),
          ['pass', 'pass'],
        );
        const lent = kept.lend(id, content.length);
        if (kind === 'file') assert.ok(Buffer.concat(lent?.pieces ?? []).equals(content), 'what is kept is the same');
        if (lent !== undefined) kept.giveBack(id);
        assert.equal(budget.used, 0);
      });
    }

  test('that nobody signs has no mark of it', async () => {
    const { sink, got } = sinkWith({ sign: () => undefined });
    await sink.write(Buffer.from(`${SECTION}Hi.\r\n`));
    await sink.finish();
    assert.equal(stored(got[0]!).toString(), `${TRACE}${STORED}Hi.\r\n`);
    assert.equal(got[0]!.signedBy, undefined);
  });
});

describe('a message that cannot be signed is refused, and nothing of it is kept', () => {
  const fault = (lasting: boolean): SigningFault => ({ kind: 'fault', reason: 'because', lasting });
  const failing: SinkOptions['sign'] = () =>
    ({ kind: 'signing', octets: 10, by: '', push() {}, finish: () => Promise.reject(new Error('no more')) }) as never;
  const cases: readonly (readonly [string, SinkOptions['sign'], number, RegExp])[] = [
    ['for now', () => fault(false), 451, /could not be signed, try again later: because$/],
    ['for good', () => fault(true), 554, /cannot be signed: because$/],
    ['when the key fails', failing, 451, /could not be signed, try again later: no more$/],
  ];
  for (const [name, sign, code, text] of cases)
    for (const octets of [100, 50_000])
      test(`${name}, of ${octets} octets`, async () => {
        const { sink, budget, got } = sinkWith({ sign: sign! });
        await sink.write(Buffer.from(SECTION));
        await sink.write(Buffer.alloc(octets, 'x'));
        const answer = await sink.finish();
        assert.ok('code' in answer);
        assert.equal(answer.code, code);
        assert.match(answer.lines[0], text);
        assert.deepEqual(got, []);
        assert.equal(budget.used, 0);
      });
});
