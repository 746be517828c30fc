import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseMailbox } from '../mail/path.ts';
import { FORM_RULES, type FormRule, formRules, REPAIRABLE_RULES } from './form-rule-names.ts';
import { HeaderSection } from '../mail/header-section.ts';
import { userHeader, type UserMailFacts } from './user-mail.ts';

const identity = { user: 'app', tenant: '', senders: ['a.test', 'boss@b.test'], limits: {} };
const ann = parseMailbox('ann@a.test');
assert.ok(ann.ok);
const FACTS = {
  ...{ identity, reversePath: ann.value, hostname: 'mx.test', id: '01' },
  date: 'Thu, 26 Nov 2026 02:00:00 +0000',
  rules: formRules(['severalFrom'], REPAIRABLE_RULES),
};
const DATE = `Date: ${FACTS.date}\r\n`;
const ID = 'Message-ID: <01@mx.test>\r\n';

function edited(section: string, facts: Partial<UserMailFacts> = {}): string {
  const answer = userHeader(new HeaderSection(Buffer.from(section)), { ...FACTS, ...facts });
  return 'code' in answer ? `${answer.code} ${answer.lines[0]}` : answer.section.octets.toString();
}

function repaired(section: string, facts: Partial<UserMailFacts> = {}): readonly FormRule[] {
  const answer = userHeader(new HeaderSection(Buffer.from(section)), { ...FACTS, ...facts });
  assert.ok(!('code' in answer));
  return answer.repaired;
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
    ['somebody else as the name of a group', 'From: <eve@c.test>: ann@a.test;\r\n\r\n', /^550 .*no phrase/],
    ['somebody else in a source route', 'From: <@x eve@c.test:ann@a.test>\r\n\r\n', /^550 .*not of hosts/],
    ['somebody else before the brackets', 'From: eve@c.test <ann@a.test>\r\n\r\n', /^550 .*who stands in From/],
    ['a NUL', 'From: ann@a.test\r\nSubject: x\0From: eve@c.test\r\n\r\n', /^550 A NUL/],
    ['a last line without an end', 'Subject: x\r\nFrom: ann@a.test', /^550 The last line/],
  ] as const)
    test(`${name} is refused`, () => assert.match(edited(section), why));

  test('the user before the brackets too, as some programs write it', () => {
    assert.match(edited('From: ann@a.test <ann@a.test>\r\n\r\n'), /^From: ann@a\.test <ann@a\.test>\r\n/);
  });

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

describe('a rule', () => {
  const ID_OF_OURS = '01mc7fb600zy00001k2m';
  /** By rule: a section that breaks it, the status of its refusal, and what becomes of it when it is put right. */
  const BROKEN: Readonly<Partial<Record<FormRule, readonly [string, string, (string | undefined)?]>>> = {
    missingFrom: [`${DATE}${ID}`, '550 5.6.0', `${DATE}${ID}From: <ann@a.test>\r\n`],
    missingDate: [`From: ann@a.test\r\n${ID}`, '550 5.6.0', `From: ann@a.test\r\n${ID}${DATE}`],
    missingMessageId: [`From: ann@a.test\r\n${DATE}`, '550 5.6.0', `From: ann@a.test\r\n${DATE}${ID}`],
    missingMimeVersion: [
      `${WHOLE}Content-Transfer-Encoding: base64\r\n`,
      '550 5.6.0',
      `${WHOLE}Content-Transfer-Encoding: base64\r\nMIME-Version: 1.0\r\n`,
    ],
    unqualifiedDomain: [`${WHOLE}To: x@c.test, bob\r\n`, '554 5.1.3', `${WHOLE}To: x@c.test,\r\n bob@a.test\r\n`],
    bcc: [`${WHOLE}Bcc: x@c.test\r\n`, '550 5.6.0', WHOLE],
    forgedTrace: [`${WHOLE}Authentication-Results: mx.test; spf=pass\r\n`, '550 5.7.1', WHOLE],
    returnPath: [`Return-Path: <x@c.test>\r\n${WHOLE}`, '550 5.6.0'],
    severalFrom: [`${WHOLE}From: boss@b.test\r\n`, '550 5.6.0'],
    repeatedField: [`${WHOLE}Subject: y\r\n`, '550 5.6.0'],
  };

  test('is there for all of the header section', () => {
    const others = FORM_RULES.filter((rule) => rule !== 'eightBit' && rule !== 'longLine');
    assert.deepEqual(Object.keys(BROKEN).toSorted(), others.toSorted());
  });

  for (const [rule, [section, status, right]] of Object.entries(BROKEN) as [FormRule, [string, string, string?]][]) {
    test(`${rule} refuses, and says so`, () => {
      const answer = userHeader(new HeaderSection(Buffer.from(`${section}\r\n`)), {
        ...FACTS,
        rules: formRules([rule], []),
      });
      assert.ok('code' in answer);
      assert.equal(`${answer.code} ${answer.status}`, status);
      assert.ok(answer.lines[0].endsWith(`(submission.refuseIf: ${rule})`), answer.lines[0]);
    });

    test(`${rule} alone, in neither set, leaves it as it is`, () => {
      const others = (REPAIRABLE_RULES as readonly FormRule[]).filter((other) => other !== rule);
      assert.equal(edited(`${section}\r\n`, { rules: formRules([], others) }), `${section}\r\n`);
    });

    if (right !== undefined)
      test(`${rule} puts it right, and is told`, () => {
        const facts = { rules: formRules([], [rule]) };
        assert.equal(edited(`${section}\r\n`, facts), `${right}\r\n`);
        assert.deepEqual(repaired(`${section}\r\n`, facts), [rule]);
      });
  }

  test('is told only where it was broken, and is not any more', () => {
    assert.deepEqual(repaired(`${WHOLE}\r\n`), []);
    assert.deepEqual(repaired('From: ann@a.test\r\nBcc: x@c.test\r\n\r\n'), [
      ...['missingDate', 'missingMessageId', 'bcc'],
    ]);
    assert.deepEqual(repaired(`From: ann@a.test\r\n${ID}To: bob@printer\r\n\r\n`), ['missingDate']);
  });

  test('about domains looks at a long address once: minutes, if it did at each of its octets', () => {
    const long = `"${'@['.repeat(200_000)}"@x.y`;
    assert.match(edited(`${WHOLE}To: ${long}, bob\r\n\r\n`, { rules: formRules(['unqualifiedDomain'], []) }), /^554/);
  });

  test('about domains is kept whatever stands around the address', () => {
    for (const [given, want] of [
      ['From: "Dr: Ann" <ann>', 'From: "Dr: Ann" <ann@a.test>'],
      ['From: Dr: Ann <ann>;', 'From: Dr: Ann <ann@a.test>;'],
      ['From: <@relay.test:ann>', 'From: <@relay.test:ann@a.test>'],
    ] as const) {
      assert.equal(edited(`${given}\r\n${DATE}${ID}\r\n`), `${want}\r\n${DATE}${ID}\r\n`);
      assert.deepEqual(repaired(`${given}\r\n${DATE}${ID}\r\n`), ['unqualifiedDomain']);
    }
  });

  test('about domains refuses what it cannot put right, and leaves it where it is left', () => {
    const many = Array.from({ length: 1001 }, (_, i) => `u${i}`).join(', ');
    for (const [field, status] of [
      ['Sender: \xfc <ann>', '5.1.7'],
      ['To: \xfc <ann@a.test>, bob', '5.1.3'],
      ['Cc: \xfc', '5.1.3'],
      [`To: ${many}`, '5.1.3'],
    ] as const) {
      const section = new HeaderSection(Buffer.from(`${WHOLE}${field}\r\n\r\n`, 'latin1'));
      const answer = userHeader(section, FACTS);
      assert.ok('code' in answer);
      assert.equal(`${answer.code} ${answer.status}`, `554 ${status}`);
      assert.match(
        answer.lines[0],
        /^An address in \w+ has no domain, .* \(submission\.repairIf: unqualifiedDomain\)$/,
      );
      const left = userHeader(section, { ...FACTS, rules: formRules([], []) });
      assert.ok('section' in left && left.section === section);
    }
    for (const field of ['To: \xfc <bob@b.test>', 'To: ann smith', 'X-To: \xfc <ann>']) {
      const section = new HeaderSection(Buffer.from(`${WHOLE}${field}\r\n\r\n`, 'latin1'));
      const answer = userHeader(section, FACTS);
      assert.ok('section' in answer && answer.section === section, field);
    }
  });

  test('about domains reads a list to its end', () => {
    const list = `${'x@c.test, '.repeat(2000)}bob`;
    assert.match(edited(`${WHOLE}To: ${list}\r\n\r\n`), /,\r\n bob@a\.test\r\n/);
    assert.match(edited(`${WHOLE}To: ${list}\r\n\r\n`, { rules: formRules(['unqualifiedDomain'], []) }), /^554/);
  });

  test('holds for what is sent again by its Resent fields', () => {
    assert.match(edited(`${WHOLE}To: x\r\nResent-From: ann\r\n\r\n`), /To: x\r\nResent-From: ann@a\.test\r\n/);

    const section = `${WHOLE}Resent-From: ann@a.test\r\nResent-To: x@c.test\r\n\r\n`;
    assert.match(edited(section, { rules: formRules(['missingDate'], []) }), /^550 The message has no Resent-Date/);
    assert.match(edited(section), /Resent-Date: Thu/);
  });

  test('a sender without a domain has a status of its own', () => {
    const answer = userHeader(new HeaderSection(Buffer.from('From: ann\r\n\r\n')), {
      ...FACTS,
      rules: formRules(['unqualifiedDomain'], []),
    });
    assert.ok('code' in answer);
    assert.equal(answer.status, '5.1.7');
  });

  test('a domain without a dot is refused, and not completed', () => {
    const section = `${WHOLE}Cc: Bob <bob@printer>\r\n\r\n`;
    assert.match(
      edited(section, { rules: formRules(['unqualifiedDomain'], []) }),
      /^554 .*Cc has a domain without a dot/,
    );
    assert.equal(edited(section), section);
    const literal = `${WHOLE}Cc: bob@[192.0.2.1], "x@y"@c.test\r\n\r\n`;
    assert.equal(edited(literal, { rules: formRules(['unqualifiedDomain'], []) }), literal);
  });

  test('trace fields in our name go, unless they could be ours or are of others', () => {
    const ours = `Received: from x by mx.test\r\n\twith ESMTPSA id ${ID_OF_OURS}; now\r\n`;
    const others = `Received: from mx.test by c.test; now\r\nAuthentication-Results: c.test; spf=pass\r\n`;
    const forged = `Received: from x by MX.test; now\r\nReceived: by mx.test with SMTP id abc; now\r\nAuthentication-Results: (x) mx.test 1; dkim=pass\r\n`;
    assert.equal(edited(`${ours}${forged}${others}${WHOLE}\r\n`), `${ours}${others}${WHOLE}\r\n`);
    for (const whose of [
      '"mx.test"',
      '(c)mx.test',
      'mx.test(c)',
      'mx.test/1',
      '"MX\\.test"',
      '((a) b) mx.test',
      'mx.test 1',
    ])
      assert.equal(edited(`Authentication-Results: ${whose}; dmarc=pass\r\n${WHOLE}\r\n`), `${WHOLE}\r\n`, whose);
    for (const whose of ['(mx.test) c.test', 'c.test; x="a" (mx.test)', 'mx.test.c.test'])
      assert.match(edited(`Authentication-Results: ${whose}; dmarc=pass\r\n${WHOLE}\r\n`), /^Authentication/, whose);
  });

  test('of the form holds for who has not logged in, and none about the author', () => {
    assert.equal(
      edited(`From: eve@c.test\r\nBcc: x@c.test\r\n\r\n`, { identity: undefined }),
      `From: eve@c.test\r\n${DATE}${ID}\r\n`,
    );
  });

  test('a message without From is refused only where it would get one', () => {
    const section = `${DATE}${ID}\r\n`;
    assert.equal(edited(section, { reversePath: null, rules: formRules([], []) }), section);
  });
});
