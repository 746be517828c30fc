import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type EntryView } from '../../api/contract.ts';
import { QueueListing } from './mailq.ts';

function entry(changes: Partial<EntryView> = {}): EntryView {
  return {
    ...{ id: '01mc7fb600zy00001k2m/0', message: '01mc7fb600zy00001k2m', queue: 'q', sender: 'ann@example.com' },
    ...{
      recipients: ['bob@example.net'],
      routingDomain: 'example.net',
      route: 'mx',
      class: 'normal',
      lane: 'deferred',
    },
    ...{ reason: 'mailbox', lastReply: '450 4.2.1 Mailbox busy', attempts: 1, acceptedAt: 0, dueAt: 0, expiresAt: 0 },
    ...{ lastAttemptAt: 0, octets: 1234, inFlight: false },
    ...changes,
  } as EntryView;
}

function listed(...entries: readonly EntryView[]): string {
  const listing = new QueueListing(() => 'Thu Nov 26 01:00:00');
  return entries.map((each) => listing.entry(each)).join('') + listing.end();
}

const OTHER = '01mc7fb601zy00002k2m';

describe('mailq', () => {
  test('an empty queue is what tools look for', () => assert.equal(listed(), 'Mail queue is empty\n'));

  test('a message that waits, one that is tried, one that is held', () => {
    const text = listed(
      entry(),
      entry({ id: '01mc7fb600zy00001k2m/1', recipients: ['eve@e.test', 'zoe@e.test'], lastReply: '' }),
      entry({ message: OTHER, sender: '', lastReply: '', inFlight: true, octets: 1 }),
      entry({ message: '01mc7fb602zy00003k2m', lane: 'held', lastReply: 'held by ann', octets: 2048 }),
    );
    assert.equal(
      text,
      [
        '----Queue ID-----     --Size-- ---Arrival Time---- --Sender/Recipient------',
        '01mc7fb600zy00001k2m      1234 Thu Nov 26 01:00:00 ann@example.com',
        '                                                       (450 4.2.1 Mailbox busy)',
        '                                                   bob@example.net',
        '                                                   eve@e.test',
        '                                                   zoe@e.test',
        '',
        '01mc7fb601zy00002k2m*        1 Thu Nov 26 01:00:00 MAILER-DAEMON',
        '                                                   bob@example.net',
        '',
        '01mc7fb602zy00003k2m!     2048 Thu Nov 26 01:00:00 ann@example.com',
        '                                                                  (held by ann)',
        '                                                   bob@example.net',
        '',
        '-- 4 Kbytes in 3 Requests.',
        '',
      ].join('\n'),
    );
  });

  test('what tools parse of a message line is there', () => {
    const [, line = ''] = listed(entry()).split('\n');
    assert.match(line, /^([0-9A-Za-z]+)[*!]?\s+(\d+)\s+([A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d)\s+(\S+)$/);
    assert.match(listed(entry()), /\n-- \d+ Kbytes in 1 Request\.\n$/);
  });

  test('a file that waits to be picked up', () => {
    const listing = new QueueListing(() => 'Thu Nov 26 01:00:00');
    const text =
      listing.file({ id: OTHER, octets: 7, at: 0, sender: 'uid 1000', recipients: ['root'] }) + listing.end();
    assert.match(
      text,
      /01mc7fb601zy00002k2m +7 Thu Nov 26 01:00:00 uid 1000\n +\(waits to be picked up by the server\)\n +root\n/,
    );
  });

  test('strangers cannot forge a line or move the cursor', () => {
    const text = listed(entry({ sender: 'a\r\nb@x', lastReply: '\u001b[2J\u202e', recipients: ['x\ny@z'] }));
    assert.match(text, /a\?\?b@x\n/);
    assert.match(text, /\(\?\[2J\?\)\n/);
    assert.match(text, /x\?y@z\n/);
  });

  test('times are by the clock on the wall, with a day of two characters', () => {
    const listing = new QueueListing();
    const at = new Date(2026, 10, 5, 1, 2, 3).getTime();
    assert.match(listing.entry(entry({ acceptedAt: at })), / Thu Nov {2}5 01:02:03 /);
  });
});
