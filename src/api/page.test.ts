import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ENTRY, STATUS } from './admin.fixtures.contract.ts';
import { type SandboxMessage } from './contract.ts';
import { ago, consolePage, escapeHtml } from './page.ts';

const MESSAGE: SandboxMessage = {
  id: 'm1',
  recipients: ['bob@inbox.test', 'carl@inbox.test'],
  reversePath: 'ann@a.test',
  subject: 'Hello',
  receivedAt: 940_000,
  octets: 321,
  server: 'inbox.test',
};
const FACTS = { status: STATUS, queue: { entries: [ENTRY], next: undefined }, messages: [MESSAGE], now: 1_000_000 };

test('the page shows the inboxes and why each message waits', () => {
  const page = consolePage(FACTS);
  for (const text of [
    'bob@inbox.test',
    '>Hello</a>',
    'and 1 more',
    'ann@a.test · 60 s ago',
    'in 2 min',
    '450 4.7.1 later',
  ])
    assert.ok(page.includes(text), `${text} is not on the page`);
  assert.match(page, /the receiver asked to come back later \(greylisting\)/);
  assert.match(page, /href="\/api\/v1\/sandbox\/messages\/m1\/raw"/);
});

test('without a sandbox there are no inboxes', () => {
  assert.doesNotMatch(consolePage({ ...FACTS, messages: undefined }), /Inboxes/);
});

test('an empty page says what to do', () => {
  const page = consolePage({ ...FACTS, messages: [], queue: { entries: [], next: undefined } });
  assert.match(page, /npx postrider send --to anybody@inbox\.test/);
  assert.match(page, /Nothing waits\./);
});

test('what stops the mail stands in the head', () => {
  const status = { ...STATUS, intake: 'paused', delivery: 'paused', softBounce: true } as const;
  assert.match(consolePage({ ...FACTS, status }), /running, intake paused, delivery paused, soft bounce/);
});

describe('what strangers write', () => {
  const evil = `"><script>alert(1)</script><img src=x onerror='alert(2)'>&`;
  test('cannot become markup, wherever it stands', () => {
    const page = consolePage({
      ...FACTS,
      status: { ...STATUS, hostname: evil, version: evil },
      messages: [{ ...MESSAGE, id: evil, subject: evil, reversePath: evil, recipients: [evil, evil] }],
      queue: { entries: [{ ...ENTRY, message: evil, sender: evil, recipients: [evil], lastReply: evil }], next: evil },
    });
    assert.doesNotMatch(page, /<script|<img|onerror='/);
    assert.equal(page.match(/&lt;script&gt;/g)!.length >= 6, true);
  });
  test('cannot turn or end the text around it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        // oxlint-disable-next-line no-control-regex -- the absence of control characters is what is tested
        assert.doesNotMatch(escapeHtml(text), /[<>"'\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
      }),
    );
  });
});

test('spans are in units that say something', () => {
  assert.deepEqual([0, 119_000, 120_000, 7_200_000, 200_000_000, -5].map(ago), [
    '0 s',
    '119 s',
    '2 min',
    '2 h',
    '2 d',
    '0 s',
  ]);
});
