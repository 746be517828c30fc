import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseMailbox } from '../mail/path.ts';
import { userHeader, type UserMailFacts } from './user-mail.ts';

const identity = { user: 'app', tenant: '', senders: ['a.test', 'boss@b.test'], limits: {} };
const ann = parseMailbox('ann@a.test');
assert.ok(ann.ok);
const FACTS = {
  ...{ identity, reversePath: ann.value, hostname: 'mx.test', id: '01' },
  date: 'Thu, 26 Nov 2026 02:00:00 +0000',
};
const DATE = `Date: ${FACTS.date}\r\n`;
const ID = 'Message-ID: <01@mx.test>\r\n';

function edited(section: string, facts: Partial<UserMailFacts> = {}): string {
  const answer = userHeader(Buffer.from(section), { ...FACTS, ...facts });
  return 'code' in answer ? `${answer.code} ${answer.lines[0]}` : answer.toString();
}

const WHOLE = `From: Ann <ann@a.test>\r\n${DATE}${ID}Subject:  x\r\n`;

describe('what a user submits', () => {
  for (const [name, section, want] of [
    ['a whole header stays as it is', `${WHOLE}\r\n`, `${WHOLE}\r\n`],
    ['without an empty line, too', WHOLE, WHOLE],
    ['Date and Message-ID are added', 'From: ann@a.test\r\n\r\n', `From: ann@a.test\r\n${DATE}${ID}\r\n`],
    ['so is From', `${DATE}${ID}\r\n`, `${DATE}${ID}From: <ann@a.test>\r\n\r\n`],
    [
      'MIME-Version comes to a Content-Type',
      `${WHOLE}Content-Type: text/plain\r\n\r\n`,
      `${WHOLE}Content-Type: text/plain\r\nMIME-Version: 1.0\r\n\r\n`,
    ],
    ['Bcc is taken out', `${WHOLE}Bcc: x@c.test,\r\n\ty@c.test\r\n\r\n`, `${WHOLE}\r\n`],
    ['an address without a domain gets the sender’s', `${WHOLE}To: bob\r\n\r\n`, `${WHOLE}To: bob@a.test\r\n\r\n`],
    ['an empty header is made whole', '\r\n', `From: <ann@a.test>\r\n${DATE}${ID}\r\n`],
  ] as const)
    test(name, () => assert.equal(edited(section), want));

  for (const [name, section, why] of [
    ['somebody else in From', 'From: eve@c.test\r\n\r\n', /^550 .*app may not send as who stands in From/],
    ['somebody else among the authors', 'From: ann@a.test, eve@c.test\r\n\r\n', /^550 .*From/],
    ['a second From', 'From: ann@a.test\r\nFrom: ann@a.test\r\n\r\n', /^550 More than one From/],
    [
      'a From behind what is no field',
      'From: ann@a.test\r\njunk\r\nFrom: eve@c.test\r\n\r\n',
      /^550 .*no header field/,
    ],
    ['a From that names nobody', 'From: undisclosed:;\r\n\r\n', /^550 .*names nobody/],
    ['somebody else in Resent-From', 'From: ann@a.test\r\nResent-From: eve@c.test\r\n\r\n', /^550 .*Resent-From/],
    ['what is sent again without an author', 'Resent-From: ann@a.test\r\n\r\n', /^550 .*no From/],
    ['fields without end', `From: ann@a.test\r\n${'X: y\r\n'.repeat(6000)}\r\n`, /^550 More than 5000/],
    ['somebody else behind a comment', 'From: (ann@a.test) eve@c.test\r\n\r\n', /^550 .*From/],
    ['somebody else in Sender', 'From: ann@a.test\r\nSender: eve@c.test\r\n\r\n', /^550 .*Sender/],
    ['a From that cannot be read', 'From: <ann@a.test\r\n\r\n', /^550 .*cannot be read/],
  ] as const)
    test(`${name} is refused`, () => assert.match(edited(section), why));

  test('who is listed by address may stand there', () => {
    assert.match(edited(`From: "ann@a.test" <boss@b.test>\r\n\r\n`), /^From: "ann@a\.test" <boss@b\.test>/);
  });

  test('an address without a domain is looked at as it will stand there', () => {
    const onlyAnn = { ...identity, senders: ['ann@a.test'] };
    assert.match(edited('From: ann\r\n\r\n', { identity: onlyAnn }), /^From: ann@a\.test/);
    assert.match(edited('From: boss\r\n\r\n', { identity: onlyAnn }), /^550 .*From/);
    assert.match(edited('From: postmaster\r\n\r\n', { reversePath: null }), /^550 .*From/);
  });

  test('a null reverse-path gives no From', () => {
    assert.match(edited('Subject: x\r\n\r\n', { reversePath: null }), /^550 .*no From/);
  });
});
