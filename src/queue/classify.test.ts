import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DAY, HOUR, MINUTE, SECOND } from '../lib/time.ts';
import { type HoldReason } from '../mail/hold-reason.ts';
import { classify, classifyReply, namedWait } from './classify.ts';

const REPLIES: readonly (readonly [HoldReason, string])[] = [
  [
    'greylisted',
    '450 4.2.0 <a@b.test>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/b.test.html',
  ],
  ['greylisted', '451 4.7.1 Greylisting in action, please come back in 00:04:38'],
  ['greylisted', '451 Temporary greylisting, try again in 4 minutes'],
  ['greylisted', '450 4.7.1 Graylisted, please try again later'],
  ['greylisted', '451-192.0.2.1 is not yet authorized to deliver mail from <a@b>; greylisted.'],
  [
    'mailboxFull',
    '452 4.2.2 The email account that you tried to reach is over quota. Please direct the recipient to https://support.google.com',
  ],
  ['mailboxFull', '552 5.2.2 Mailbox full'],
  ['mailboxFull', '452 Mailbox is full'],
  ['mailboxFull', "550 5.7.1 user's mailbox is over quota"],
  ['mailboxFull', '554 delivery error: dd Not enough; mailbox over quota'],
  ['mailboxFull', "422 4.2.2 The recipient's inbox is out of storage space."],
  [
    'rateLimited',
    '421 4.7.28 [192.0.2.1] Our system has detected an unusual rate of unsolicited mail originating from your IP address.',
  ],
  [
    'rateLimited',
    '450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered.',
  ],
  [
    'rateLimited',
    '421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes',
  ],
  ['rateLimited', '421 4.7.0 Too many connections from 192.0.2.1'],
  ['rateLimited', '451 4.7.500 Server busy. Please try again later: throttled from [192.0.2.1]. (S77719)'],
  ['rateLimited', '452 4.5.3 Too many recipients'],
  ['rateLimited', '421 4.2.1 RL000001 192.0.2.1 Throttled - try again later'],
  ['rateLimited', '450 4.7.1 Error: too much mail from 192.0.2.1'],
  [
    'reputation',
    '421 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation. For e-mail delivery information see https://aka.ms/postmaster',
  ],
  [
    'reputation',
    "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150).",
  ],
  [
    'reputation',
    '421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed.',
  ],
  ['reputation', '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org'],
  ['content', '550 5.7.1 Message rejected: it looks like spam'],
  ['content', '554 5.6.0 Message contains a virus'],
  ['policy', '550 5.7.26 This mail has been blocked because the sender is unauthenticated.'],
  ['policy', '550 5.7.1 Relaying denied'],
  ['policy', '554 5.7.1 <a@b.test>: Relay access denied'],
  ['badAddress', '550 5.1.1 The email account that you tried to reach does not exist.'],
  ['badAddress', '550 5.1.1 <x@b.test>: Recipient address rejected: User unknown in virtual mailbox table'],
  ['badAddress', '550 No such user here'],
  ['dns', '450 4.4.3 cannot look it up'],
  ['tls', '530 5.7.10 Encryption needed'],
  ['protocol', '503 5.5.1 Bad sequence of commands'],
  ['transient', '451 4.3.0 Temporary server error. Please try again later'],
  ['transient', '450 busy'],
];

describe('classifyReply', () => {
  for (const [want, text] of REPLIES)
    test(`${want}: ${text.slice(0, 90)}`, () => assert.equal(classifyReply(text), want));

  test('our own words are never matched', () => {
    const outcome = {
      diagnostic: 'postrider: greylisted, try again in 5 minutes',
      status: '4.0.0',
      cause: 'reply',
    } as const;
    assert.equal(classify(outcome), 'transient');
    assert.equal(namedWait(outcome.diagnostic), undefined);
  });

  test('a cause that the transport knows decides', () => {
    for (const cause of ['dns', 'connection', 'tls', 'protocol', 'local', 'policy'] as const)
      assert.equal(classify({ diagnostic: '450 greylisted', status: '4.7.1', cause }), cause);
    assert.equal(classify({ diagnostic: '450 greylisted', status: '4.7.1', cause: 'reply' }), 'greylisted');
  });

  test('any text has one of the reasons', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 2000 }), (text) => assert.equal(typeof classifyReply(text), 'string')),
    );
  });

  // Texts built to make a careless pattern try every split of itself. One of 1,000 characters must cost what any other does.
  const HOSTILE = [
    'user ',
    'try again ',
    'exceeded the ',
    'mailbox ',
    'greylist',
    'a',
    ' ',
    '0',
    'again:',
    'recipient address ',
  ];
  for (const piece of HOSTILE)
    test(`a megabyte of ${JSON.stringify(piece)} is cut and classified`, () => {
      const text = piece.repeat(Math.ceil(1_000_000 / piece.length));
      for (let i = 0; i < 100; i++) classifyReply(text);
      for (let i = 0; i < 100; i++) namedWait(text);
    });
});

describe('namedWait', () => {
  const WAITS: readonly (readonly [number | undefined, string])[] = [
    [300 * SECOND, '451 4.7.1 Please try again in 300 seconds'],
    [4 * MINUTE, '451 Temporary greylisting, try again in 4 minutes'],
    [4 * MINUTE + 38 * SECOND, '451 4.7.1 Greylisting in action, please come back in 00:04:38'],
    [5 * MINUTE, '450 greylisted, wait 5 min'],
    [HOUR, '421 Too many messages, please retry after 1h'],
    [300 * SECOND, '450 4.7.1 Greylisted for 300 seconds (see http://help.test)'],
    [5 * MINUTE, '450 in 00:05:00'],
    [2 * HOUR, '421 slow down; retry in 2 hours.'],
    [DAY, '450 Try again in 1 day'],
    [90 * SECOND, '451 TRY AGAIN IN 90 SECS'],
    [undefined, '450 try again later'],
    [undefined, '450 4.2.0 Greylisted, see http://postgrey.schweikert.ch/help/b.test.html'],
    [undefined, '450 You sent 5 messages in 10 minutes'],
    [undefined, '450 try again later: 450 messages in 10 minutes'],
    [undefined, '450 try again in 0 seconds'],
    [undefined, '450 try again in 9999999 days'],
    [undefined, '450 try again from 192.0.2.1'],
    [undefined, ''],
  ];
  for (const [want, text] of WAITS) test(`${want}: ${text}`, () => assert.equal(namedWait(text), want));
});
