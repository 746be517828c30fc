import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DsnRecipientFields } from '../mail/dsn.ts';
import { humanPart, type HumanPartInput } from './human-part.ts';

const bob: DsnRecipientFields = {
  originalRecipient: undefined,
  finalRecipient: { type: 'rfc822', address: 'bob@far.test' },
  action: 'failed',
  status: '5.1.1',
  remoteMta: 'mx.far.test',
  diagnosticType: 'smtp',
  diagnostic: '550 5.1.1 No such user',
  lastAttemptDate: 0,
  willRetryUntil: undefined,
};
const input: HumanPartInput = {
  reportingMta: 'mta.test',
  postmaster: 'postmaster@mta.test',
  queueId: 'q1',
  acceptedAt: 0,
  recipients: [bob],
  returned: 'nothing',
  doubleBounce: false,
  charset: 'ascii',
};
const paragraphOf = (recipient: Partial<DsnRecipientFields>) =>
  humanPart({ ...input, recipients: [{ ...bob, ...recipient }] })
    .split('\r\n\r\n')
    .find((text) => text.startsWith('<'))!
    .split('\r\n')
    .map((line) => line.trim())
    .slice(1)
    .join(' ');

describe('what is said of a recipient', () => {
  const cases: readonly { name: string; recipient: Partial<DsnRecipientFields>; want: string }[] = [
    { name: 'refused', recipient: {}, want: 'Not delivered. mx.far.test answered: 550 5.1.1 No such user' },
    {
      name: 'expired',
      recipient: { status: '4.4.7', diagnostic: '450 4.2.0 Later' },
      want: 'Not delivered: it was tried until its time was up. mx.far.test answered: 450 4.2.0 Later',
    },
    {
      name: 'our own words',
      recipient: { diagnosticType: 'x-postrider', diagnostic: 'no such domain', remoteMta: '' },
      want: 'Not delivered. This system found: no such domain',
    },
    { name: 'no words at all', recipient: { diagnostic: '' }, want: 'Not delivered.' },
    {
      name: 'an answer of nobody',
      recipient: { remoteMta: '' },
      want: 'Not delivered. The answer was: 550 5.1.1 No such user',
    },
    {
      name: 'delayed',
      recipient: { action: 'delayed', willRetryUntil: 0 },
      want: 'Not delivered yet. mx.far.test answered: 550 5.1.1 No such user It is tried again until Thu, 1 Jan 1970 00:00:00 +0000.',
    },
    {
      name: 'delayed without an end',
      recipient: { action: 'delayed', diagnostic: '' },
      want: 'Not delivered yet. It is tried again from time to time.',
    },
    {
      name: 'handed on',
      recipient: { action: 'relayed', diagnostic: '250 Ok' },
      want: 'Handed on to mx.far.test, which said: 250 Ok',
    },
    {
      name: 'handed on in silence',
      recipient: { action: 'relayed', diagnostic: '', remoteMta: '' },
      want: 'Handed on.',
    },
    {
      name: 'delivered here',
      recipient: { action: 'delivered', diagnostic: '', remoteMta: '' },
      want: 'Delivered to the mailbox.',
    },
    { name: 'delivered there', recipient: { action: 'delivered', diagnostic: '' }, want: 'Delivered to mx.far.test.' },
    { name: 'a list', recipient: { action: 'expanded', diagnostic: '' }, want: 'Sent on to the members of a list.' },
  ];
  for (const { name, recipient, want } of cases) test(name, () => assert.equal(paragraphOf(recipient), want));
});

describe('the text as a whole', () => {
  test('each fate has a section, the worst first', () => {
    const recipients = (['delivered', 'failed', 'delayed'] as const).map((action) =>
      Object.assign({}, bob, { action }),
    );
    const text = humanPart({ ...input, recipients });
    const places = [/could not be delivered/, /not been delivered yet/, /was delivered to the/].map((words) =>
      text.search(words),
    );
    assert.ok(places[0]! > 0);
    assert.deepEqual(
      places,
      [...places].sort((a, b) => a - b),
    );
  });

  test('of very many recipients some are described and the others counted', () => {
    const recipients = Array.from({ length: 1000 }, () => bob);
    const text = humanPart({ ...input, recipients });
    assert.equal(text.split('<bob@far.test>').length - 1, 50);
    assert.match(text, /^\.\.\. and 950 more, listed in the next part\.\r$/m);
  });

  test('an alias is named only when it is another address', () => {
    const sameAs = humanPart({ ...input, recipients: [{ ...bob, originalRecipient: bob.finalRecipient }] });
    assert.doesNotMatch(sameAs, /addressed as/);
  });

  for (const [returned, words] of [
    ['whole', /The message is attached\./],
    ['headers', /Its\s+header is attached\./],
  ] as const) {
    test(`it says what is attached: ${returned}`, () => assert.match(humanPart({ ...input, returned }), words));
  }

  test('lines are at most 76 characters where words allow it, and each ends with CRLF', () => {
    const diagnostic = `550 ${'words and more words '.repeat(30)}`;
    const text = humanPart({ ...input, recipients: [{ ...bob, diagnostic }], doubleBounce: true });
    assert.ok(text.endsWith('\r\n'));
    for (const line of text.split('\r\n')) assert.match(line, /^[^\r\n]{0,76}$/);
  });
});
