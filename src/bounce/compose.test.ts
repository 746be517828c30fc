import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Domain } from '../mail/domain.ts';
import { type Envelope } from '../mail/envelope.ts';
import { type Notice } from '../mail/notice.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { parseEvent } from '../events/format.ts';
import { composeDsn, DSN_DEFAULTS, type DsnInput, type DsnResult, MAX_DSN_RECIPIENTS, withholdDsn } from './compose.ts';

const GOLDEN = new URL('../../test/golden/dsn/', import.meta.url);
const NOW = Date.UTC(2026, 10, 23, 12, 0, 0);
const HOUR = 3_600_000;

const mailbox = (localPart: string, domain: string) => ({ localPart, domain: domain as Domain });

const envelope: Envelope = {
  reversePath: mailbox('ann', 'sender.test'),
  body: '7BIT',
  smtpUtf8: false,
  ret: undefined,
  envid: 'QQ+2B1',
  client: { address: '192.0.2.7', port: 4242, helloName: 'c.test', protocol: 'ESMTP', tls: undefined, listener: 'in' },
  tenant: 'acme',
  campaign: 'spring',
};

const CONTENT = [
  'Received: from c.test by mta.test; Mon, 23 Nov 2026 10:00:00 +0000',
  'From: ann@sender.test',
  'Message-ID: <first@sender.test>',
  'Subject: Hello',
  '',
  'The body.',
  '',
].join('\r\n');

const notice: Notice = {
  message: '01first0000000000000' as QueueId,
  recipientIndex: 0,
  recipient: { forwardPath: mailbox('bob', 'far.test'), orcpt: 'rfc822;robert+2Bwork@old.test', notify: undefined },
  action: 'failed',
  status: '5.1.1',
  diagnostic: '550 5.1.1 <bob@far.test>: Recipient address rejected: User unknown in virtual mailbox table',
  remoteMta: 'mx.far.test',
  at: NOW - HOUR,
  willRetryUntil: undefined,
};

const input: DsnInput = {
  id: '01dsn000000000000000' as QueueId,
  now: NOW,
  reportingMta: 'mta.test',
  postmaster: mailbox('postmaster', 'mta.test'),
  about: { id: notice.message, envelope, acceptedAt: NOW - 2 * HOUR, class: 'transactional', report: false },
  notices: [notice],
  content: { octets: Buffer.from(CONTENT), complete: true },
  options: DSN_DEFAULTS,
};

const delayed: Notice = {
  ...notice,
  recipientIndex: 1,
  recipient: { forwardPath: mailbox('carl', 'slow.test'), orcpt: undefined, notify: undefined },
  action: 'delayed',
  status: '4.4.1',
  diagnostic: 'postrider: no answer from any of the 2 hosts of slow.test',
  remoteMta: '',
  willRetryUntil: NOW + 72 * HOUR,
};

const asking = (notify: 'SUCCESS' | 'FAILURE' | 'DELAY') => ({
  ...notice.recipient,
  orcpt: undefined,
  notify: [notify],
});
const withEnvelope = (changes: Partial<Envelope>): DsnInput => ({
  ...input,
  about: { ...input.about, envelope: { ...envelope, ...changes } },
});

/** Each golden file's first line says why it is there. */
const GOLDEN_CASES: Readonly<Record<string, DsnInput>> = {
  'failed-headers': input,
  'failed-whole': withEnvelope({ ret: 'FULL' }),
  delayed: { ...input, notices: [delayed] },
  'failed-and-delayed': { ...input, notices: [delayed, notice] },
  delivered: {
    ...withEnvelope({ ret: 'FULL' }),
    notices: [
      {
        ...notice,
        recipient: asking('SUCCESS'),
        action: 'delivered',
        status: '2.0.0',
        diagnostic: '',
        remoteMta: '',
      },
    ],
  },
  relayed: {
    ...input,
    notices: [
      {
        ...notice,
        recipient: asking('SUCCESS'),
        action: 'relayed',
        status: '2.0.0',
        diagnostic: '250 2.0.0 Ok: queued',
      },
    ],
  },
  utf8: {
    ...withEnvelope({ reversePath: mailbox('änne', 'sender.test'), smtpUtf8: true, body: '8BITMIME', ret: 'FULL' }),
    notices: [
      {
        ...notice,
        recipient: {
          forwardPath: mailbox('jürgen', 'xn--bcher-kva.test'),
          orcpt: 'utf-8;j\\x{FC}rgen@alt.test',
          notify: undefined,
        },
        diagnostic: '550 5.1.1 Kein solches Postfach: jürgen',
      },
    ],
    content: { octets: Buffer.from(CONTENT.replace('Hello', 'Grüße')), complete: true },
  },
  'double-bounce': { ...input, about: { ...input.about, report: true, envelope: { ...envelope, reversePath: null } } },
  hostile: {
    ...withEnvelope({ envid: 'x+0D+0ABcc:+20eve@evil.test' }),
    notices: [
      {
        ...notice,
        recipient: { ...notice.recipient, orcpt: 'rfc822;x+0D+0AAction:+20delivered' },
        diagnostic: '550 5.7.1 no\r\n\r\nAction: delivered\r\nStatus: 2.0.0\0 \x1b[2J --=_01dsn000000000000000_0--',
        remoteMta: 'mx.evil.test\r\nStatus: 2.0.0',
      },
    ],
    content: {
      octets: Buffer.from(
        `Message-ID: <a@b>\r\n x: y\r\nX: --=_01dsn000000000000000_0\r\n--=_01dsn000000000000000_0--\r\n\r\n\0`,
      ),
      complete: true,
    },
  },
};

function dsnOf(result: DsnResult) {
  assert.equal(result.kind, 'dsn');
  return result.kind === 'dsn' ? result : assert.fail();
}

function textOf(made: DsnInput): string {
  return Buffer.from(dsnOf(composeDsn(made)).message.content.octets).toString();
}

describe('golden DSNs', () => {
  for (const [name, made] of Object.entries(GOLDEN_CASES)) {
    test(name, () => {
      const file = new URL(`${name}.eml`, GOLDEN);
      const text = textOf(made);
      if (process.env['POSTRIDER_WRITE_GOLDEN'] === '1') writeFileSync(file, text);
      assert.equal(text, readFileSync(file, 'utf8'));
      assert.ok(existsSync(new URL(`${name}.reason`, GOLDEN)), 'a golden file says why it is there');
    });
  }
});

describe('the form of every DSN', () => {
  for (const [name, made] of Object.entries(GOLDEN_CASES)) {
    test(`${name}: CRLF ends every line, and lines are short enough`, () => {
      const lines = Buffer.from(dsnOf(composeDsn(made)).message.content.octets)
        .toString('latin1')
        .split('\r\n');
      for (const line of lines) {
        assert.doesNotMatch(line, /[\r\n\0]/);
        assert.ok(line.length <= 998);
      }
    });
  }
});

const PARSER = `
import email, email.policy, json, sys
m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
parts = list(m.iter_parts())
groups = [[list(f) for f in g.items()] for g in parts[1].get_payload()] if parts[1].get_content_type() == 'message/delivery-status' else []
def defects(p):
    found = [type(d).__name__ for d in p.defects]
    return found + [d for q in p.iter_parts() for d in defects(q)] if p.is_multipart() and p.get_content_maintype() == 'multipart' else found
print(json.dumps({'type': m.get_content_type(), 'report': m.get_param('report-type'), 'from': str(m['From']), 'to': str(m['To']),
  'fields': [k for k in m.keys()], 'parts': [p.get_content_type() for p in parts], 'groups': groups, 'defects': defects(m),
  'returned': parts[2].get_payload()[0]['Subject'] if len(parts) > 2 and parts[2].get_content_type() == 'message/rfc822' else None}))
`;

interface Seen {
  readonly type: string;
  readonly report: string;
  readonly from: string;
  readonly to: string;
  readonly fields: readonly string[];
  readonly parts: readonly string[];
  readonly groups: readonly (readonly [string, string])[][];
  readonly defects: readonly string[];
  readonly returned: string | null;
}

const hasPython = spawnSync('python3', ['-c', 'import email']).status === 0;
const asPythonSees = (octets: Uint8Array): Seen =>
  JSON.parse(execFileSync('python3', ['-c', PARSER], { input: octets, encoding: 'utf8' })) as Seen;
const seenBy = (made: DsnInput): Seen => asPythonSees(dsnOf(composeDsn(made)).message.content.octets);

describe("as another parser reads it (python's email)", { skip: hasPython ? false : 'no python3 here' }, () => {
  test('a failure has the three parts and one group for its recipient', () => {
    const seen = seenBy(withEnvelope({ ret: 'FULL' }));
    assert.equal(seen.type, 'multipart/report');
    assert.equal(seen.report, 'delivery-status');
    assert.deepEqual(seen.parts, ['text/plain', 'message/delivery-status', 'message/rfc822']);
    assert.deepEqual(seen.defects, []);
    assert.equal(seen.from, 'Mail Delivery System <MAILER-DAEMON@mta.test>');
    assert.equal(seen.to, 'ann@sender.test');
    assert.equal(seen.returned, 'Hello');
    assert.deepEqual(seen.groups[0], [
      ['Original-Envelope-Id', 'QQ+1'],
      ['Reporting-MTA', 'dns; mta.test'],
      ['Arrival-Date', 'Mon, 23 Nov 2026 10:00:00 +0000'],
    ]);
    assert.deepEqual(
      seen.groups[1]!.map(([name]) => name),
      [
        'Original-Recipient',
        'Final-Recipient',
        'Action',
        'Status',
        'Remote-MTA',
        'Diagnostic-Code',
        'Last-Attempt-Date',
      ],
    );
  });

  test('a hundred recipients give a hundred groups', () => {
    const notices = Array.from({ length: 100 }, (_, i) => ({
      ...(i % 2 === 0 ? notice : delayed),
      recipientIndex: i,
      recipient: { ...notice.recipient, forwardPath: mailbox(`r${i}`, 'far.test') },
    }));
    const seen = seenBy({ ...input, notices });
    assert.deepEqual(
      seen.groups.slice(1).map((group) => group.find(([name]) => name === 'Final-Recipient')?.[1]),
      notices.map((_, i) => `rfc822;r${i}@far.test`),
    );
  });

  test('hostile values add neither a field, a group nor a part', () => {
    const seen = seenBy(GOLDEN_CASES['hostile']!);
    assert.deepEqual(seen.parts, ['text/plain', 'message/delivery-status', 'text/rfc822-headers']);
    assert.equal(seen.groups.length, 2);
    assert.deepEqual(
      seen.groups[1]!.filter(([name]) => name === 'Action' || name === 'Status'),
      [
        ['Action', 'failed'],
        ['Status', '5.1.1'],
      ],
    );
    assert.ok(!seen.fields.includes('Bcc'));
  });

  test('the UTF-8 parts have their own types', () => {
    assert.deepEqual(seenBy(GOLDEN_CASES['utf8']!).parts, [
      'text/plain',
      'message/global-delivery-status',
      'message/global',
    ]);
  });
});

describe('to whom, and about what', () => {
  test('the DSN goes from the null reverse-path to the reverse-path, in the class below', () => {
    const { message, recipient, told } = dsnOf(composeDsn(input));
    assert.equal(message.envelope.reversePath, null);
    assert.deepEqual(recipient.forwardPath, envelope.reversePath);
    assert.equal(message.class, 'normal');
    assert.equal(message.report, true);
    assert.equal(message.envelope.tenant, 'acme');
    assert.equal(message.envelope.campaign, '');
    assert.deepEqual(told, [0]);
  });

  test('of a message with REQUIRETLS it asks for it too', () => {
    assert.equal(dsnOf(composeDsn(withEnvelope({ requireTls: true }))).message.envelope.requireTls, true);
    assert.ok(!('requireTls' in dsnOf(composeDsn(input)).message.envelope));
  });

  test('no class is below bulk', () => {
    const { message } = dsnOf(composeDsn({ ...input, about: { ...input.about, class: 'bulk' } }));
    assert.equal(message.class, 'bulk');
  });

  const toNull = withEnvelope({ reversePath: null });
  const report = { ...input, about: { ...input.about, report: true } };
  const toPostmaster = {
    ...notice,
    recipient: { ...notice.recipient, forwardPath: mailbox('Postmaster', 'MTA.test') },
  };
  const silent: readonly { name: string; made: DsnInput }[] = [
    { name: 'a delay of a message from the null reverse-path', made: { ...toNull, notices: [delayed] } },
    { name: 'a delay of a report', made: { ...report, notices: [delayed] } },
    { name: 'a report that failed on its way to the postmaster', made: { ...report, notices: [toPostmaster] } },
    {
      name: 'a report, when nobody is to hear of it',
      made: { ...report, options: { ...DSN_DEFAULTS, doubleBounce: 'nobody' } },
    },
    {
      name: 'NOTIFY=NEVER',
      made: { ...input, notices: [{ ...notice, recipient: { ...notice.recipient, notify: ['NEVER'] } }] },
    },
    {
      name: 'a success nobody asked for',
      made: { ...input, notices: [{ ...notice, action: 'delivered', status: '2.0.0' }] },
    },
  ];
  for (const { name, made } of silent) {
    test(`nothing is made of ${name}, and the notices are settled`, () => {
      const result = composeDsn(made);
      assert.equal(result.kind, 'nothing');
      assert.deepEqual(result.told, [made.notices[0]!.recipientIndex]);
      const event = parseEvent(result.kind === 'nothing' ? result.events[0]! : '');
      assert.ok(event.ok && event.value.kind === 'dsn' && event.value.queueId === '');
    });
  }

  test('a failed report, and failed mail from the null reverse-path, go to the postmaster', () => {
    for (const made of [toNull, report]) {
      const { recipient, message } = dsnOf(composeDsn(made));
      assert.deepEqual(recipient.forwardPath, input.postmaster);
      assert.equal(message.envelope.reversePath, null);
    }
  });

  test('the event names the DSN, what it is about, and the worst action', () => {
    const { message } = dsnOf(composeDsn({ ...input, notices: [delayed, notice] }));
    const event = parseEvent(message.events[0]!);
    assert.deepEqual(event, {
      ok: true,
      value: {
        kind: 'dsn',
        at: NOW,
        queueId: input.id,
        about: notice.message,
        to: 'ann@sender.test',
        action: 'failed',
        recipients: ['carl@slow.test', 'bob@far.test'],
      },
    });
  });

  test('a DSN that is withheld settles the same notices, and is logged', () => {
    const { told, events } = withholdDsn({ ...input, notices: [delayed, notice] });
    assert.deepEqual(told, [1, 0]);
    const event = parseEvent(events[0]!);
    assert.ok(event.ok && event.value.kind === 'dsn');
    const { queueId, to, about, action } = event.value;
    assert.deepEqual({ queueId, to, about, action }, { queueId: '', to: '', about: notice.message, action: 'failed' });
  });

  test('without notices there is nothing to do and nothing to log', () => {
    assert.deepEqual(composeDsn({ ...input, notices: [] }), { kind: 'nothing', told: [], events: [] });
  });

  test('more recipients than one DSN takes wait for the next', () => {
    const notices = Array.from({ length: MAX_DSN_RECIPIENTS + 5 }, (_, i) => ({ ...notice, recipientIndex: i }));
    const { told } = dsnOf(composeDsn({ ...input, notices }));
    assert.deepEqual([told.length, told.at(-1)], [MAX_DSN_RECIPIENTS, MAX_DSN_RECIPIENTS - 1]);
  });
});

describe('what is returned', () => {
  const large = { octets: Buffer.concat([Buffer.from(CONTENT), Buffer.alloc(60_000, 'line\r\n')]), complete: true };
  const eight = { octets: Buffer.from(CONTENT.replace('The body', 'Größe')), complete: true };
  const full = withEnvelope({ ret: 'FULL' });
  const cases: readonly { name: string; made: DsnInput; want: string }[] = [
    { name: 'RET=FULL and a failure: the message', made: full, want: 'message/rfc822' },
    { name: 'RET=HDRS: the header section', made: withEnvelope({ ret: 'HDRS' }), want: 'text/rfc822-headers' },
    {
      name: 'RET=FULL and REQUIRETLS: the header section (RFC 8689 §5)',
      made: withEnvelope({ ret: 'FULL', requireTls: true }),
      want: 'text/rfc822-headers',
    },
    { name: 'no RET: the header section', made: input, want: 'text/rfc822-headers' },
    {
      name: 'no RET, told otherwise: the message',
      made: { ...input, options: { ...DSN_DEFAULTS, returnUnasked: 'FULL' } },
      want: 'message/rfc822',
    },
    { name: 'a delay: the header section', made: { ...full, notices: [delayed] }, want: 'text/rfc822-headers' },
    { name: 'too large: the header section', made: { ...full, content: large }, want: 'text/rfc822-headers' },
    {
      name: 'the beginning only: the header section',
      made: { ...full, content: { ...large, complete: false } },
      want: 'text/rfc822-headers',
    },
    {
      name: 'binary: the header section',
      made: withEnvelope({ ret: 'FULL', body: 'BINARYMIME' }),
      want: 'text/rfc822-headers',
    },
    {
      name: 'a line too long: the header section',
      made: { ...full, content: { octets: Buffer.from(`${CONTENT}${'x'.repeat(999)}\r\n`), complete: true } },
      want: 'text/rfc822-headers',
    },
    {
      name: 'a bare line feed: the header section',
      made: { ...full, content: { octets: Buffer.from(`${CONTENT}a\nb\r\n`), complete: true } },
      want: 'text/rfc822-headers',
    },
    {
      name: 'eight-bit UTF-8 in the body only',
      made: { ...full, about: { ...full.about, envelope: { ...full.about.envelope, smtpUtf8: true } }, content: eight },
      want: 'message/rfc822',
    },
    { name: 'nothing readable', made: { ...full, content: undefined }, want: 'message/delivery-status' },
    {
      name: 'no header section at all',
      made: { ...input, content: { octets: Buffer.from('\r\nbody'), complete: true } },
      want: 'message/delivery-status',
    },
  ];
  for (const { name, made, want } of cases) {
    test(name, () => {
      const types = [...textOf(made).matchAll(/^Content-Type: (message\/[a-z0-9-]+|text\/rfc822-headers)/gm)];
      assert.equal(types.at(-1)?.[1], want);
    });
  }

  test('eight-bit content is declared on the part, on the whole and on the envelope', () => {
    const { message } = dsnOf(composeDsn({ ...full, content: eight }));
    assert.equal(message.eightBit, true);
    assert.equal(message.envelope.body, '8BITMIME');
    assert.equal(message.envelope.smtpUtf8, false);
    assert.equal(
      Buffer.from(message.content.octets)
        .toString()
        .match(/^Content-Transfer-Encoding: 8bit\r$/gm)?.length,
      2,
    );
  });

  test('a seven-bit DSN says nothing of the sort', () => {
    const { message } = dsnOf(composeDsn(full));
    assert.equal(message.eightBit, false);
    assert.equal(message.envelope.body, '7BIT');
    assert.doesNotMatch(textOf(full), /Transfer-Encoding/);
  });

  test('SMTPUTF8 is asked for only when the sender has such an address', () => {
    assert.equal(dsnOf(composeDsn(GOLDEN_CASES['utf8']!)).message.envelope.smtpUtf8, true);
    assert.equal(dsnOf(composeDsn(withEnvelope({ smtpUtf8: true }))).message.envelope.smtpUtf8, false);
  });

  test('a header section without end is cut behind a whole line', () => {
    const endless = Buffer.from('X-Field: value\r\n'.repeat(10_000));
    const text = textOf({ ...input, content: { octets: endless.subarray(0, 40_005), complete: false } });
    assert.ok(text.length < 40_000);
    assert.match(text, /X-Field: value\r\n\r\n--=_/);
  });

  const ids: readonly { name: string; field: string; want: string | undefined }[] = [
    { name: 'a plain one', field: 'Message-ID: <a.b@c>', want: '<a.b@c>' },
    { name: 'a folded one', field: 'Message-ID:\r\n <a.b@c>', want: '<a.b@c>' },
    { name: 'one with a space', field: 'Message-ID: <a b@c>', want: undefined },
    { name: 'two of them', field: 'Message-ID: <a@c> <b@c>', want: undefined },
    { name: 'one too long', field: `Message-ID: <${'a'.repeat(300)}@c>`, want: undefined },
    { name: 'one that is not ASCII', field: 'Message-ID: <ä@c>', want: undefined },
  ];
  for (const { name, field, want } of ids) {
    test(`In-Reply-To takes from the Message-ID: ${name}`, () => {
      const text = textOf({ ...input, content: { octets: Buffer.from(`${field}\r\n\r\n`), complete: true } });
      const head = text.slice(0, text.indexOf('\r\n\r\n'));
      assert.equal(/^In-Reply-To: (.*)\r$/m.exec(head)?.[1], want);
      assert.equal(/^References: (.*)\r$/m.exec(head)?.[1], want);
    });
  }
});

test('any content and any words give a DSN of whole, bounded lines with exactly its parts', () => {
  const words = fc.string({
    unit: fc.constantFrom('\r', '\n', '\r\n', '\0', ' ', 'a', ':', '-', 'ä', '--=_01dsn000000000000000_0'),
    maxLength: 60,
  });
  fc.assert(
    fc.property(words, words, fc.constantFrom('FULL', 'HDRS'), fc.boolean(), (content, diagnostic, ret, smtpUtf8) => {
      const made = {
        ...withEnvelope({ ret, smtpUtf8 }),
        notices: [{ ...notice, diagnostic }],
        content: { octets: Buffer.from(content), complete: true },
      };
      const text = textOf(made);
      const boundary = /boundary="([^"]+)"/.exec(text)![1]!;
      const delimiters = text.split(`--${boundary}`).length - 1;
      assert.ok(delimiters === 3 || delimiters === 4, String(delimiters));
      assert.ok(text.endsWith(`\r\n--${boundary}--\r\n`));
      assert.equal(text.replaceAll('\r\n', '').search(/[\r\n\0]/), -1);
    }),
  );
});
