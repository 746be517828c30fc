import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ReceivedMail, subjectOf } from './received-mail.ts';

const message = (subject: string, text = '') => Buffer.from(`Subject: ${subject}\r\n\r\n${text}`);
const facts = (recipient: string) => ({
  recipients: [recipient],
  reversePath: 'a@b.test',
  receivedAt: 1,
  server: 'mx.inbox.test',
});

describe('what is kept', () => {
  test('is told newest first, and its content is given back as it came', () => {
    const mail = new ReceivedMail(10);
    mail.keep(facts('one@inbox.test'), message('first', '.dot\r\n'));
    mail.keep(facts('two@inbox.test'), message('second'));
    const [second, first] = mail.list({});
    assert.deepEqual(
      [second, first].map((each) => [each?.id, each?.subject, each?.recipients[0]]),
      [
        ['2', 'second', 'two@inbox.test'],
        ['1', 'first', 'one@inbox.test'],
      ],
    );
    assert.deepEqual(mail.raw('1'), message('first', '.dot\r\n'));
    assert.equal(mail.raw('3'), undefined);
    assert.equal('content' in first!, false);
  });
  test('can be asked for by recipient, in any case, and by number', () => {
    const mail = new ReceivedMail(10);
    for (const recipient of ['one@inbox.test', 'two@inbox.test', 'One@inbox.test'])
      mail.keep(facts(recipient), message('s'));
    assert.deepEqual(
      mail.list({ recipient: 'ONE@inbox.test' }).map(({ id }) => id),
      ['3', '1'],
    );
    assert.deepEqual(
      mail.list({ limit: 2 }).map(({ id }) => id),
      ['3', '2'],
    );
  });
  test('is bounded by number: the oldest go', () => {
    const mail = new ReceivedMail(3);
    for (let at = 0; at < 10; at += 1) mail.keep(facts('a@inbox.test'), message('s'));
    assert.deepEqual(
      mail.list({}).map(({ id }) => id),
      ['10', '9', '8'],
    );
  });
  test('is bounded by octets, however few there are, and reading makes nobody younger', () => {
    const mail = new ReceivedMail(1000, 10_000);
    for (let at = 0; at < 3; at += 1) {
      mail.keep(facts('a@inbox.test'), message('s', 'x'.repeat(3000)));
      mail.raw('1');
    }
    assert.deepEqual(
      mail.list({}).map(({ id }) => id),
      ['3', '2'],
    );
    mail.keep(facts('a@inbox.test'), message('too large', 'x'.repeat(20_000)));
    assert.deepEqual(
      mail.list({}).map(({ id }) => id),
      ['3', '2'],
    );
  });
});

describe('subjects', () => {
  const cases: readonly (readonly [name: string, content: string, want: string])[] = [
    ['plain', 'From: a\r\nSubject: Hello\r\n\r\n', 'Hello'],
    ['any case of the name', 'SUBJECT: Hello\r\n\r\n', 'Hello'],
    ['folded', 'Subject: Hello\r\n world\r\n\r\n', 'Hello world'],
    ['encoded words', 'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?b?4oKs?=\r\n\r\n', 'Grüße€'],
    ['raw UTF-8', 'Subject: Grüße\r\n\r\n', 'Grüße'],
    ['none', 'From: a\r\n\r\nSubject: not in the header\r\n', ''],
    ['no header section', '\r\nSubject: in the body\r\n', ''],
    ['nothing at all', '', ''],
    ['the first of two', 'Subject: one\r\nSubject: two\r\n\r\n', 'one'],
    ['no end of the header section', 'Subject: one\r\n', 'one'],
  ];
  for (const [name, content, want] of cases) test(name, () => assert.equal(subjectOf(Buffer.from(content)), want));

  test('a long one is shortened', () => {
    const subject = subjectOf(message('x'.repeat(5000)));
    assert.equal(subject.length, 200);
    assert.ok(subject.endsWith('…'));
  });
  test('control characters do not reach a terminal', () => {
    assert.doesNotMatch(subjectOf(message('=?utf-8?q?=1B[2Jgone=00?=')), /\p{Cc}/u);
  });
  test('whatever the octets, it is short, well-formed text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
        const subject = subjectOf(Buffer.concat([Buffer.from('Subject: '), octets]));
        assert.ok(subject.length <= 200 && subject.isWellFormed());
      }),
    );
  });
});
