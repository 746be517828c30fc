/** Content that passes through: what reaches the next hop, what does not, and what the client is told. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Event } from '../events/event.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type RelayRoute } from '../mail/route.ts';
import { type Reply, reply, replyText } from '../mail/reply.ts';
import { parseMailbox } from '../mail/path.ts';
import { OctetBudget } from './octet-budget.ts';
import { type ReceiveDeps, type RelayTransaction } from './ports.ts';
import { type Transaction } from './receiver.ts';
import { relaySink } from './relay-sink.ts';
import { type ContentSink } from './transaction.ts';

const MAX_HEADER = 2000;
const MAX_HOPS = 5;

interface World {
  readonly passed: () => string;
  readonly aborted: () => number;
  readonly events: Event[];
  readonly refused: Reply[];
  readonly budget: OctetBudget;
  readonly open: () => Promise<ContentSink | Reply>;
}

function mailbox(text: string) {
  const read = parseMailbox(text);
  assert.ok(read.ok);
  return read.value;
}

function world(
  changes: Partial<RelayTransaction> = {},
  { protocol = 'ESMTP', room = 10_000, trusted = false } = {},
): World {
  const passed: Buffer[] = [];
  let aborted = 0;
  const events: Event[] = [];
  const refused: Reply[] = [];
  const budget = new OctetBudget(room);
  const next: RelayTransaction = {
    host: 'next.test',
    sender: async () => reply(250, undefined, 'ok'),
    recipient: async () => reply(250, undefined, 'ok'),
    begin: async () => reply(354, undefined, 'go'),
    write: (chunk) => void passed.push(Buffer.from(chunk)),
    finish: async () => reply(250, '2.0.0', 'theirs'),
    abort: () => void (aborted += 1),
    ...changes,
  };
  const deps = {
    budget,
    clock: { now: () => 1000, monotonic: () => 0 },
    nextId: () => '0000000000000000000a' as QueueId,
    formatDate: () => 'today',
    tell: (event: Event) => void events.push(event),
  } as Partial<ReceiveDeps> as ReceiveDeps;
  const transaction = {
    settings: {
      ...{ hostname: 'us.test', maxHeaderOctets: MAX_HEADER, maxHops: MAX_HOPS },
      submission: { hideClient: false },
    },
    peer: { address: '192.0.2.1', port: 9, listener: 'in', helloName: 'c.test', protocol, tls: undefined },
    sender: { reversePath: mailbox('ann@sender.test'), smtpUtf8: false },
    recipients: [],
    ...{ accepted: 2, trusted },
  } as unknown as Transaction;
  const route: RelayRoute = { name: 'edge', kind: 'relay', match: {}, host: 'next.test', port: 25, tls: 'none' };
  const refuse = (why: Reply): Reply => {
    refused.push(why);
    return why;
  };
  const relaying = { route, next, recipients: [mailbox('bob@edge.test')] };
  return {
    ...{ events, refused, budget, passed: () => Buffer.concat(passed).toString('latin1'), aborted: () => aborted },
    open: () => relaySink(deps, transaction, relaying, refuse),
  };
}

async function send(w: World, chunks: readonly string[]): Promise<Reply | readonly Reply[]> {
  const sink = await w.open();
  assert.ok('write' in sink);
  for (const chunk of chunks) await sink.write(Buffer.from(chunk, 'latin1'));
  return sink.finish();
}

const TRACE = /^Received: from c\.test [^]*?today\r\n/;

describe('an option field', () => {
  const later = 'X-Postrider-Send-At: 2030-01-01T00:00:00Z\r\n';
  const cases: readonly (readonly [string, boolean, string, string])[] = [
    ['that has mail wait is refused of who may give it', true, later, '550 5.6.0 X-Postrider-Send-At: the route edge'],
    ['that names a pool is too', true, 'X-Postrider-Pool: a\r\n', '550 5.6.0 X-Postrider-Pool: the route edge'],
    ['that cannot be read is too', true, 'X-Postrider-Send-At: soon\r\n', '550 5.6.0 X-Postrider-Send-At:'],
    ['that is met by passing on at once is taken', true, 'X-Postrider-Expires: 1h\r\n', '250'],
    ['is nothing but taken out of the mail of others', false, later, '250'],
  ];
  for (const [name, trusted, field, want] of cases)
    test(name, async () => {
      const w = world({}, { trusted });
      const answer = (await send(w, [`${field}Subject: x\r\n\r\nx\r\n`])) as Reply;
      assert.ok(replyText(answer).startsWith(want), replyText(answer));
      assert.doesNotMatch(w.passed(), /X-Postrider/);
    });
});

describe('content', () => {
  test('goes on behind one trace field, however it is cut, and nothing of it stays in memory', async () => {
    const text = 'Subject: hi\r\nTo: bob\r\n\r\n.body\r\n\r\nmore\r\n';
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: text.length - 1 }), { maxLength: 6 }), async (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), text.length];
        const chunks = at.slice(1).map((end, i) => text.slice(at[i], end));
        const w = world();
        assert.equal(((await send(w, chunks)) as Reply).code, 250);
        assert.match(w.passed(), TRACE);
        assert.equal(w.passed().replace(TRACE, ''), text);
        assert.equal(w.budget.used, 0);
        assert.deepEqual(
          w.events.map(({ kind }) => kind),
          ['relayed'],
        );
      }),
    );
  });

  test('without a body goes on too', async () => {
    const w = world();
    assert.equal(((await send(w, ['Subject: hi\r\n'])) as Reply).code, 250);
    assert.equal(w.passed().replace(TRACE, ''), 'Subject: hi\r\n');
  });

  test('loses the fields that are ours, as stored mail does', async () => {
    const w = world();
    await send(w, ['Return-Path: <x>\r\nX-Postrider-Tenant: other\r\nSubject: hi\r\n\r\nbody\r\n']);
    assert.equal(w.passed().replace(TRACE, ''), 'Subject: hi\r\n\r\nbody\r\n');
  });
});

describe('is refused, never ended at the next hop, and swallowed to its end:', () => {
  const loop = 'Received: x\r\n'.repeat(MAX_HOPS + 1);
  const cases: readonly (readonly [string, readonly string[], number, string])[] = [
    ['a loop', [`${loop}Subject: hi\r\n\r\n`, 'body\r\n'], 554, '5.4.6'],
    ['a loop without a body', [loop], 554, '5.4.6'],
    ['a header section that is too large', ['X: y\r\n'.repeat(400), '\r\nbody\r\n'], 552, '5.3.4'],
    ['one that never ends', ['x'.repeat(500), ...Array<string>(10).fill('y'.repeat(500))], 552, '5.3.4'],
    ['one that comes whole and is too large', [`${'X: y\r\n'.repeat(400)}\r\nbody`], 552, '5.3.4'],
  ];
  for (const [name, chunks, code, status] of cases)
    test(name, async () => {
      const w = world({ finish: () => assert.fail('the next hop was told that it is complete') });
      const answer = (await send(w, chunks)) as Reply;
      assert.deepEqual([answer.code, answer.status], [code, status]);
      assert.equal(w.passed(), '');
      assert.ok(w.aborted() > 0);
      assert.equal(w.budget.used, 0);
      assert.deepEqual(w.events, []);
      assert.equal(w.refused.length, 1);
    });

  test('anything while there is no room for a header section', async () => {
    const w = world({}, { room: 100 });
    assert.equal(((await send(w, ['x'.repeat(101), 'more'])) as Reply).code, 452);
    assert.equal(w.budget.used, 0);
  });
});

test('hops up to the limit are no loop', async () => {
  const w = world();
  assert.equal(((await send(w, [`${'Received: x\r\n'.repeat(MAX_HOPS)}\r\n`])) as Reply).code, 250);
});

describe('the next hop', () => {
  test('that refuses in the end is quoted, and that is told as a refusal', async () => {
    const w = world({ finish: async () => reply(550, '5.7.1', 'spam') });
    assert.deepEqual(((await send(w, ['S: x\r\n\r\n'])) as Reply).lines, ['spam']);
    assert.deepEqual([w.events.length, w.refused.length], [0, 1]);
  });

  test('that takes no content is quoted before any is asked for, and let go', async () => {
    const w = world({ begin: async () => reply(451, '4.3.0', 'not now') });
    assert.deepEqual(await w.open(), reply(451, '4.3.0', 'not now'));
    assert.equal(w.aborted(), 1);
  });

  test('that answers out of turn is no go-ahead and no success', async () => {
    const w = world({ begin: async () => reply(250, '2.0.0', 'done') });
    assert.equal(((await w.open()) as Reply).code, 451);
  });

  test('that fails without an answer is let go all the same', async () => {
    const w = world({ begin: () => Promise.reject(new Error('gone')) });
    await assert.rejects(w.open(), /gone/);
    assert.equal(w.aborted(), 1);
  });

  test('is let go when the client goes', async () => {
    const w = world();
    const sink = (await w.open()) as ContentSink;
    await sink.write(Buffer.from('Subject'));
    sink.abort();
    assert.deepEqual([w.aborted(), w.budget.used, w.passed()], [1, 0, '']);
  });

  test('answers once, and in LMTP each recipient that it took is owed a reply', async () => {
    const answers = (await send(world({}, { protocol: 'LMTP' }), ['S: x\r\n\r\n'])) as readonly Reply[];
    assert.equal(answers.length, 2);
  });
});
