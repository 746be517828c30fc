import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Event } from '../../src/events/event.ts';
import { type Fate } from '../../test/lib/fast-source.ts';
import { type Evidence, judge } from './judge.ts';

const ACCEPTED: Fate = { kind: 'accepted', at: 100, queued: '250 2.0.0 Queued as x' };
const REFUSED: Fate = { kind: 'refused', code: 452, text: '452 4.3.1 full' };
const CONTENT = 'Subject: a\r\n\r\nBody\r\n';
const TRACE = 'Received: from b\r\n\tby c\r\n';

function event(kind: 'accepted' | 'delivered', to: string): Event {
  return { kind, recipients: [to] } as unknown as Event;
}

/** One message, accepted, delivered, and told of. */
function evidence(parts: Partial<Evidence> = {}): Evidence {
  return {
    fates: new Map([['a', ACCEPTED]]),
    sent: () => Buffer.from(CONTENT),
    copies: new Map([['a', [{ content: TRACE + CONTENT, answeredAt: 150 }]]]),
    waiting: new Set(),
    deaths: [],
    events: [event('accepted', 'a'), event('delivered', 'a')],
    ...parts,
  };
}

const copy = (answeredAt: number, content = CONTENT) => ({ content, answeredAt });

test('what was accepted and came once is nothing to tell', () => {
  assert.deepEqual(judge(evidence()), []);
});

test('what still waits is not lost', () => {
  const waits = { copies: new Map(), waiting: new Set(['a']), events: [event('accepted', 'a')] };
  assert.deepEqual(judge(evidence(waits)), []);
});

for (const [name, parts, wanted] of [
  ['lost mail', { copies: new Map() }, /^1 accepted, and lost: a$/],
  ['another octet', { copies: new Map([['a', [copy(150, `${CONTENT} `)]]]) }, /^1 arrived changed/],
  ['a second copy', { copies: new Map([['a', [copy(150), copy(900)]]]) }, /^1 arrived twice/],
  [
    'a second copy of what came before the death',
    { copies: new Map([['a', [copy(150), copy(900)]]]), deaths: [{ from: 200, to: 300 }] },
    /^1 arrived twice/,
  ],
  [
    'a refusal for good',
    { fates: new Map([['a', { ...REFUSED, code: 552 }]]), copies: new Map(), events: [] },
    /^1 refused for good/,
  ],
  [
    'refused mail that comes',
    { fates: new Map([['a', REFUSED]]), events: [event('delivered', 'a')] },
    /^1 refused, and/,
  ],
  ['an acceptance that is not logged', { events: [event('delivered', 'a')] }, /^1 accepted, and the log does not tell/],
  ['a delivery that is not logged', { events: [event('accepted', 'a')] }, /^1 delivered, and the log does not tell/],
  [
    'a delivery that is logged twice',
    { events: [event('accepted', 'a'), event('delivered', 'a'), event('delivered', 'a')] },
    /^1 twice delivered by the log/,
  ],
] as const)
  test(`${name} is told`, () => {
    const [first, ...more] = judge(evidence(parts));
    assert.match(first ?? '', wanted);
    assert.deepEqual(more, []);
  });

test('a second copy of what was answered between a failure and a death has an excuse', () => {
  const twice = { copies: new Map([['a', [copy(250), copy(900)]]]), deaths: [{ from: 200, to: 300 }] };
  assert.deepEqual(judge(evidence(twice)), []);
});
