import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type DsnRecipientFields, foldField, formatDsn, oneLine } from './dsn.ts';
import { wantsNotice } from './dsn-notify.ts';
import { type NoticeAction } from './notice.ts';

const bob: DsnRecipientFields = {
  originalRecipient: { type: 'rfc822', address: 'bob@old.example' },
  finalRecipient: { type: 'rfc822', address: 'bob@example.com' },
  action: 'failed',
  status: '5.1.1',
  remoteMta: 'mx.example.com',
  diagnosticType: 'smtp',
  diagnostic: '550 5.1.1 No such user',
  lastAttemptDate: 0,
  willRetryUntil: 1000,
};
const message = { originalEnvelopeId: 'QQ1', reportingMta: 'mta.test', arrivalDate: 0 };

describe('formatDsn', () => {
  test('per-message fields, then a group for each recipient, empty lines between', () => {
    assert.equal(
      formatDsn(message, [bob, { ...bob, action: 'delayed', status: '4.2.2', originalRecipient: undefined }], 'ascii'),
      [
        'Original-Envelope-Id: QQ1',
        'Reporting-MTA: dns; mta.test',
        'Arrival-Date: Thu, 1 Jan 1970 00:00:00 +0000',
        '',
        'Original-Recipient: rfc822;bob@old.example',
        'Final-Recipient: rfc822;bob@example.com',
        'Action: failed',
        'Status: 5.1.1',
        'Remote-MTA: dns; mx.example.com',
        'Diagnostic-Code: smtp; 550 5.1.1 No such user',
        'Last-Attempt-Date: Thu, 1 Jan 1970 00:00:00 +0000',
        '',
        'Final-Recipient: rfc822;bob@example.com',
        'Action: delayed',
        'Status: 4.2.2',
        'Remote-MTA: dns; mx.example.com',
        'Diagnostic-Code: smtp; 550 5.1.1 No such user',
        'Last-Attempt-Date: Thu, 1 Jan 1970 00:00:00 +0000',
        'Will-Retry-Until: Thu, 1 Jan 1970 00:00:01 +0000',
        '',
      ].join('\r\n'),
    );
  });

  const hosts = [
    { name: 'an IPv4 address stands in brackets', remoteMta: '192.0.2.1', want: 'Remote-MTA: dns; [192.0.2.1]' },
    { name: 'so does an IPv6 address', remoteMta: '2001:db8::1', want: 'Remote-MTA: dns; [IPv6:2001:db8::1]' },
    {
      name: 'a hostile host name stays on its line',
      remoteMta: 'a\r\nStatus: 2.0.0',
      want: /dns; .*a Status: 2\.0\.0/,
    },
  ];
  for (const { name, remoteMta, want } of hosts) {
    test(name, () => {
      const line = formatDsn(message, [{ ...bob, remoteMta }], 'ascii')
        .split('\r\n')
        .find((l) => l.startsWith('Remote'));
      if (typeof want === 'string') assert.equal(line, want);
      else assert.match(line!, want);
    });
  }

  test('fields that are not known are not written', () => {
    const bare = { ...bob, originalRecipient: undefined, remoteMta: '', diagnostic: '', lastAttemptDate: undefined };
    const text = formatDsn(
      { reportingMta: 'a.test', originalEnvelopeId: undefined, arrivalDate: undefined },
      [bare],
      'ascii',
    );
    assert.equal(
      text,
      'Reporting-MTA: dns; a.test\r\n\r\nFinal-Recipient: rfc822;bob@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n',
    );
  });

  test('a status that is none becomes the general one of its action', () => {
    const statuses = (['failed', 'delayed', 'relayed'] as const).map((action) => {
      const text = formatDsn(message, [{ ...bob, action, status: '5.x\r\nAction: x' as '5.1.1' }], 'ascii');
      return /^Status: (.*)$/m.exec(text)?.[1];
    });
    assert.deepEqual(statuses, ['5.0.0', '4.0.0', '2.0.0']);
  });

  test('no value adds a line, whatever is in it', () => {
    const fieldLine =
      /^(?:(?:Original|Final)-Recipient|Action|Status|Remote-MTA|Diagnostic-Code|Last-Attempt-Date|Original-Envelope-Id|Reporting-MTA|Arrival-Date): \S|^ \S/;
    const hostile = fc.string({
      unit: fc.constantFrom('\r', '\n', '\0', ' ', '\t', 'a', ':', 'ä', '\u2028', '\u0085', '𝒳'),
    });
    fc.assert(
      fc.property(hostile, hostile, fc.constantFrom('ascii', 'utf-8'), (text, address, charset) => {
        const recipient = {
          ...bob,
          diagnostic: text,
          remoteMta: `x${text}`,
          finalRecipient: { type: 'rfc822', address: `b${address}` },
        };
        const written = formatDsn({ ...message, originalEnvelopeId: `x${text}` }, [recipient], charset);
        assert.equal(written.replaceAll('\r\n', '').search(/[\r\n\0]/), -1);
        if (charset === 'ascii') assert.match(written, /^[\r\n\x20-\x7e]*$/);
        const lines = written.split('\r\n');
        assert.equal(lines.filter((line) => line === '').length, 2);
        for (const line of lines) {
          assert.ok(Buffer.byteLength(line) <= 998);
          if (line !== '') assert.match(line, fieldLine);
        }
      }),
    );
  });

  test('long values are cut, and a character is not', () => {
    const long = { ...bob, diagnostic: '€'.repeat(5000), finalRecipient: { type: 'utf-8', address: '€'.repeat(5000) } };
    const text = formatDsn(message, [long], 'utf-8');
    for (const line of text.split('\r\n')) assert.ok(Buffer.byteLength(line) <= 998, line.slice(0, 40));
    assert.doesNotMatch(text, /\ufffd/);
  });
});

describe('foldField', () => {
  test('lines are at most 78 characters where words allow it', () => {
    const lines = foldField('Diagnostic-Code', 'smtp; 550 ' + 'word '.repeat(60)).split('\r\n');
    assert.ok(lines.length > 4);
    for (const line of lines) assert.ok(line.length <= 78);
  });
  test('a word that is too long is not broken, and no line is blank', () => {
    assert.equal(foldField('A', 'b'.repeat(100)), `A: ${'b'.repeat(100)}\r\n`);
    assert.equal(foldField('A', `b ${'c'.repeat(100)} d`), `A: b\r\n ${'c'.repeat(100)}\r\n d\r\n`);
  });
});

describe('oneLine', () => {
  const cases = [
    { name: 'line breaks become spaces', text: 'a\r\n b\nc', want: 'a b c' },
    { name: 'NUL and escape become spaces', text: 'a\0b\x1b[2J', want: 'a b [2J' },
    { name: 'marks that turn the direction go', text: 'a\u202eb', want: 'a b' },
    { name: 'other characters are questioned in ASCII', text: 'ä€𝒳', want: '???' },
  ];
  for (const { name, text, want } of cases) test(name, () => assert.equal(oneLine(text, 'ascii'), want));
  test('a lone surrogate does not survive', () => assert.ok(oneLine('a\ud800b', 'utf-8').isWellFormed()));
  test('it is bounded', () => assert.equal(oneLine('a'.repeat(1e6), 'ascii', 10), 'aaaaaaaaaa'));
});

describe('wantsNotice', () => {
  const actions: readonly NoticeAction[] = ['failed', 'delayed', 'delivered', 'relayed', 'expanded'];
  const cases = [
    { notify: undefined, told: ['failed', 'delayed'] },
    { notify: [], told: ['failed', 'delayed'] },
    { notify: ['NEVER'], told: [] },
    { notify: ['FAILURE'], told: ['failed'] },
    { notify: ['DELAY'], told: ['delayed'] },
    { notify: ['SUCCESS'], told: ['delivered', 'relayed', 'expanded'] },
    { notify: ['SUCCESS', 'FAILURE', 'DELAY'], told: actions },
  ] as const;
  for (const { notify, told } of cases) {
    test(`NOTIFY=${notify?.join(',') ?? 'absent'}`, () => {
      assert.deepEqual(
        actions.filter((action) => wantsNotice({ notify }, action)),
        told,
      );
    });
  }
});
