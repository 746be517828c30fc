import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR } from '../lib/time.ts';
import { parseEvent } from '../events/format.ts';
import { type Domain } from '../mail/domain.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { composeSummary } from './summary.ts';

const input = {
  id: '01sum000000000000000' as QueueId,
  now: 2 * HOUR,
  reportingMta: 'mta.test',
  withheld: {
    to: { localPart: 'ann', domain: 'a.test' as Domain },
    tenant: 'acme',
    dsns: 3,
    recipients: 7,
    examples: ['x@b.test', 'evil\r\nBcc: y@b.test'],
    since: HOUR,
  },
};

test('a summary goes from the null reverse-path, as bulk, and is a report itself', () => {
  const { message, recipient } = composeSummary(input);
  assert.equal(message.envelope.reversePath, null);
  assert.equal(message.envelope.tenant, 'acme');
  assert.deepEqual([message.class, message.report, message.eightBit], ['bulk', true, false]);
  assert.deepEqual(recipient.forwardPath, input.withheld.to);
});

test('it says how much, since when, and names some; nothing in a name breaks a line', () => {
  const text = Buffer.from(composeSummary(input).message.content.octets).toString();
  assert.match(text, /^Auto-Submitted: auto-replied\r$/m);
  assert.match(text, /3 further delivery reports, about 7 recipients/);
  assert.match(text, /Between Thu, 1 Jan 1970 01:00:00 \+0000/);
  assert.match(text, /Some of the recipients:\r\n {2}<x@b\.test>\r\n {2}<evil Bcc: y@b\.test>\r\n$/);
  assert.doesNotMatch(text, /^Bcc/m);
});

test('an address in UTF-8 is declared', () => {
  const withheld = { ...input.withheld, to: { localPart: 'änne', domain: 'a.test' as Domain } };
  const { message } = composeSummary({ ...input, withheld });
  assert.deepEqual([message.eightBit, message.envelope.body, message.envelope.smtpUtf8], [true, '8BITMIME', true]);
});

test('its event is of kind dsn and about no single message', () => {
  const event = parseEvent(composeSummary(input).message.events[0]!);
  assert.ok(event.ok && event.value.kind === 'dsn');
  assert.deepEqual([event.value.about, event.value.action], ['', 'summary']);
});
