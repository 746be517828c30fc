import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryOf } from '../../test/lib/entries.ts';
import { messageOf } from '../../test/lib/queue-parts.ts';
import { type Route } from '../mail/route.ts';
import { OctetBudget } from '../receive/octet-budget.ts';
import { idOf } from '../spool/spool.fixtures.contract.ts';
import { type NewMessage } from '../spool/spool.ts';
import { KeptMessages } from './kept-messages.ts';
import { type KeptDispatch } from './messages.ts';

const ROUTE: Route = { name: 'mx', kind: 'mx', match: {}, port: 25, tls: 'opportunistic' };

/** As the sink of receiving makes it: with room behind. */
function octetsOf(text: string): Uint8Array {
  const whole = Buffer.alloc(text.length + 3);
  whole.write(text, 'latin1');
  return whole.subarray(0, text.length);
}

function message(n: number, text = 'Subject: x\r\n\r\nbody\r\n', changes: Partial<NewMessage> = {}): NewMessage {
  const entries = [0, 1].map((k) => entryOf({ id: `${idOf(n)}/${k}`, message: idOf(n) }));
  return messageOf(entries, { content: { kind: 'octets', octets: octetsOf(text) }, ...changes });
}

function dispatch(n: number, k = 0): KeptDispatch {
  return {
    ...{ id: 1, slot: 2, path: 'p', site: 's', route: ROUTE, hosts: [], attempt: 1 },
    ...{ message: idOf(n), entry: `${idOf(n)}/${k}` as const },
  };
}

test('a dispatch is completed with what is known of its message, and its content is ready for DATA', () => {
  const kept = new KeptMessages(new OctetBudget(1e6), 1e6);
  const one = message(1);
  assert.equal(kept.keep(one), true);
  const whole = kept.complete(dispatch(1, 1))!;
  assert.deepEqual(whole.recipients, one.entries[1]!.recipients);
  assert.deepEqual([whole.sender.reversePath, whole.sevenBit], [one.envelope.reversePath, !one.eightBit]);
  assert.ok(whole.content.kind === 'octets');
  assert.equal(Buffer.from(whole.content.octets).toString(), 'Subject: x\r\n\r\nbody\r\n');
  assert.equal(Buffer.from(whole.content.wire!).toString(), 'Subject: x\r\n\r\nbody\r\n.\r\n');
  assert.equal(kept.complete(dispatch(2)), undefined);
  assert.equal(kept.complete(dispatch(1, 7)), undefined);
});

test('what DATA would change is not given as it is', () => {
  const kept = new KeptMessages(new OctetBudget(1e6), 1e6);
  const wireOf = (n: number, one: NewMessage): unknown => {
    kept.keep(one);
    const { content } = kept.complete(dispatch(n))!;
    return content.kind === 'octets' && content.wire;
  };
  assert.equal(wireOf(1, message(1, 'a: b\r\n\r\n.dot\r\n')), undefined, 'a line with a dot');
  assert.equal(wireOf(2, message(2, 'a: b\r\n\r\nno end')), undefined, 'no line end');
  const binary = message(3);
  assert.equal(wireOf(3, { ...binary, envelope: { ...binary.envelope, body: 'BINARYMIME' } }), undefined);
  const tight = Buffer.from('a: b\r\n\r\nno room\r\n');
  const octets = new Uint8Array(tight.buffer.slice(tight.byteOffset, tight.byteOffset + tight.length));
  assert.equal(wireOf(4, message(4, '', { content: { kind: 'octets', octets } })), undefined, 'no room behind');
});

test('octets are counted, bounded by a limit of their own, and given back once', () => {
  const budget = new OctetBudget(100_000);
  const kept = new KeptMessages(budget, 25_000);
  const text = `a: ${'b'.repeat(9995)}\r\n`;
  assert.deepEqual(
    [1, 2, 3].map((n) => kept.keep(message(n, text))),
    [true, true, false],
  );
  assert.deepEqual([budget.used, kept.octets], [20_000, 20_000]);
  kept.forget(idOf(1));
  kept.forget(idOf(1));
  kept.forget(idOf(9));
  assert.deepEqual([budget.used, kept.octets], [10_000, 10_000]);
  assert.equal(kept.keep(message(3, text)), true);
});

test('nothing is kept while memory is tight, and nothing that lies in a file', () => {
  const budget = new OctetBudget(1000);
  budget.take(501);
  const kept = new KeptMessages(budget, 1000);
  assert.equal(kept.keep(message(1)), false);
  budget.give(501);
  assert.equal(kept.keep(message(1, '', { content: { kind: 'file', path: '/x', octets: 9 } })), false);
  assert.equal(budget.used, 0);
});
