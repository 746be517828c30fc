import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Recipient, type SenderParameters } from '../../mail/envelope.ts';
import { type Outcome } from '../../mail/outcome.ts';
import { type Mailbox } from '../../mail/path.ts';
import { DataEncoder } from './client-content.ts';
import { MAX_CHUNK_OCTETS, type ClientMessage } from './client-transaction.ts';
import { type ClientAction, type ClientOptions, type Refusal, SmtpClient } from './client.ts';

const OPTIONS: ClientOptions = {
  protocol: 'smtp',
  helloName: 'us.test',
  peer: 'mx.test',
  tls: 'none',
  credentials: undefined,
  loopback: false,
};

const ESMTP = ['220 mx.test\r\n', '250-mx.test\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n'];
const PLAIN = ['220 mx.test\r\n', '250 mx.test\r\n'];
const hello = (...keywords: string[]): string[] => [
  '220 mx.test\r\n',
  `${['mx.test', ...keywords].map((each, i, all) => `250${i === all.length - 1 ? ' ' : '-'}${each}\r\n`).join('')}`,
];

function mailbox(text: string): Mailbox {
  const [localPart = '', domain = ''] = text.split('@');
  return { localPart, domain: domain as Mailbox['domain'] };
}

const sender: SenderParameters = {
  reversePath: mailbox('ann@us.test'),
  body: '7BIT',
  smtpUtf8: false,
  ret: undefined,
  envid: undefined,
};
const to = (text: string, more: Partial<Recipient> = {}): Recipient => ({
  forwardPath: mailbox(text),
  orcpt: undefined,
  notify: undefined,
  ...more,
});

interface Mail extends Partial<Omit<ClientMessage, 'sender' | 'recipients'>> {
  readonly sender?: Partial<SenderParameters>;
  readonly recipients?: readonly Recipient[];
  readonly content?: string;
}

/** Plays the part of the driver, and of a server that says its lines one after the other, one for each write of the client. */
class Stage {
  readonly client: SmtpClient;
  readonly sent: string[] = [];
  readonly outcomes: Outcome[] = [];
  refusal: Refusal | undefined;
  finished = 0;
  closed = false;
  handshakes = 0;
  answers: number[] = [];
  #content = '';

  constructor(options: Partial<ClientOptions> = {}) {
    this.client = new SmtpClient({ ...OPTIONS, ...options });
  }

  says(...texts: readonly string[]): this {
    // No server in its right mind answers content before it has come.
    for (const text of texts.flatMap((each) => each.split(/(?<=^354 [^\n]*\n)/m)))
      this.perform(this.client.receive(Buffer.from(text)));
    return this;
  }

  begins({ sender: more, content = 'Subject: x\r\n\r\nHello\r\n', ...mail }: Mail = {}): this {
    this.#content = content;
    const recipients = [to('bob@mx.test')];
    this.perform(
      this.client.begin({
        recipients,
        octets: content.length,
        bdat: 'never',
        ...mail,
        sender: { ...sender, ...more },
      }),
    );
    return this;
  }

  perform(actions: readonly ClientAction[]): void {
    for (const action of actions) {
      assert.ok(!this.closed, `nothing comes after close, but ${action.kind} did`);
      switch (action.kind) {
        case 'send':
          this.sent.push(action.octets);
          break;
        case 'content':
          this.#sendContent(action.framing);
          break;
        case 'outcome':
          assert.equal(this.outcomes[action.index], undefined, 'one outcome for each recipient');
          this.outcomes[action.index] = action.outcome;
          break;
        case 'refused':
          this.refusal = action.refusal;
          break;
        case 'finished':
          this.finished += 1;
          break;
        case 'startTls':
          this.handshakes += 1;
          break;
        case 'answer':
          this.answers.push(action.reply.code);
          break;
        case 'close':
          this.closed = true;
          break;
        case 'ready':
      }
    }
  }

  #sendContent(framing: 'data' | 'bdat'): void {
    if (framing === 'bdat') {
      const chunk = this.#content.slice(0, MAX_CHUNK_OCTETS);
      this.#content = this.#content.slice(MAX_CHUNK_OCTETS);
      this.sent.push(this.client.chunk(chunk.length, this.#content === '' ? 'last' : 'more'), chunk);
      return;
    }
    const encoder = new DataEncoder();
    this.sent.push(String(encoder.push(Buffer.from(this.#content))) + String(encoder.end()));
    this.perform(this.client.contentSent());
  }

  /** `kind status scope` of each outcome. */
  get verdicts(): string[] {
    return this.outcomes.map((outcome) =>
      outcome.kind === 'delivered' ? 'delivered' : `${outcome.kind} ${outcome.status} ${outcome.scope}`,
    );
  }
}

describe('the dialogue of one message', () => {
  test('without PIPELINING each command waits for its reply', () => {
    const stage = new Stage().says(...PLAIN).begins();
    assert.deepEqual(stage.sent, ['EHLO us.test\r\n', 'MAIL FROM:<ann@us.test>\r\n']);
    stage.says('250 ok\r\n');
    assert.equal(stage.sent.at(-1), 'RCPT TO:<bob@mx.test>\r\n');
    stage.says('250 ok\r\n');
    assert.equal(stage.sent.at(-1), 'DATA\r\n');
    stage.says('354 go\r\n');
    assert.equal(stage.sent.at(-1), 'Subject: x\r\n\r\nHello\r\n.\r\n');
    assert.deepEqual(stage.outcomes, []);
    stage.says('250 2.0.0 queued as 1\r\n');
    assert.deepEqual(stage.outcomes, [
      {
        kind: 'delivered',
        status: '2.0.0',
        diagnostic: '250 2.0.0 queued as 1',
        remoteMta: 'mx.test',
        dsnPassedOn: false,
        final: false,
      },
    ]);
    assert.equal(stage.finished, 1);
    assert.ok(stage.client.ready);
  });

  test('with PIPELINING the commands go in one group', () => {
    const stage = new Stage().says(...ESMTP).begins({ recipients: [to('a@x'), to('b@x')] });
    assert.equal(stage.sent[1], 'MAIL FROM:<ann@us.test>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n');
    stage.says('250 ok\r\n250 ok\r\n550 5.1.1 no\r\n354 go\r\n', '250 ok\r\n');
    assert.deepEqual(stage.verdicts, ['delivered', 'failed 5.1.1 recipient']);
  });

  test('a connection carries one message after the other', () => {
    const stage = new Stage().says(...ESMTP);
    for (const content of ['one\r\n', 'two\r\n', 'three\r\n']) {
      stage.outcomes.length = 0;
      stage.begins({ content }).says('250 ok\r\n250 ok\r\n354 go\r\n250 done\r\n');
      assert.deepEqual(stage.verdicts, ['delivered']);
    }
    assert.equal(stage.client.completed, 3);
    assert.ok(!stage.sent.join('').includes('RSET'));
  });

  test('a server that knows no EHLO is asked by HELO', () => {
    const stage = new Stage().says('220 old\r\n', '502 what\r\n');
    assert.deepEqual(stage.sent, ['EHLO us.test\r\n', 'HELO us.test\r\n']);
    stage.says('250 old\r\n');
    assert.ok(stage.client.ready);
  });

  test('LMTP says LHLO and never HELO', () => {
    const stage = new Stage({ protocol: 'lmtp' }).says('220 lmtp\r\n', '500 what\r\n');
    assert.deepEqual(stage.sent, ['LHLO us.test\r\n']);
    assert.equal(stage.refusal?.stage, 'hello');
  });

  test('LMTP has one reply for each accepted recipient', () => {
    const recipients = [to('a@x'), to('b@x'), to('c@x'), to('d@x')];
    const stage = new Stage({ protocol: 'lmtp' }).says(...ESMTP).begins({ recipients });
    stage.says('250 ok\r\n250 ok\r\n550 5.1.1 no\r\n250 ok\r\n250 ok\r\n354 go\r\n');
    stage.says('250 2.0.0 a\r\n', '452 4.2.2 full\r\n', '552 5.2.2 full\r\n');
    assert.deepEqual(stage.verdicts, [
      'delivered',
      'failed 5.1.1 recipient',
      'deferred 4.2.2 recipient',
      'failed 5.2.2 recipient',
    ]);
    assert.deepEqual(stage.outcomes[0]?.kind === 'delivered' && stage.outcomes[0].final, true);
    assert.equal(stage.finished, 1);
  });
});

describe('parameters', () => {
  const full = { body: '8BITMIME' as const, smtpUtf8: true, ret: 'HDRS' as const, envid: 'QQ+2B1' };
  const recipients = [to('bob@mx.test', { orcpt: 'rfc822;bob@old.test', notify: ['SUCCESS', 'FAILURE'] })];

  test('are sent to a server that offers them', () => {
    const stage = new Stage().says(...hello('SIZE 1000', '8BITMIME', 'SMTPUTF8', 'DSN'));
    stage.begins({ sender: full, recipients }).says('250 ok\r\n');
    assert.equal(stage.sent[1], 'MAIL FROM:<ann@us.test> SIZE=21 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1\r\n');
    assert.equal(stage.sent[2], 'RCPT TO:<bob@mx.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@old.test\r\n');
    stage.says('250 ok\r\n', '354 go\r\n', '250 ok\r\n');
    assert.equal(stage.outcomes[0]?.kind === 'delivered' && stage.outcomes[0].dsnPassedOn, true);
  });

  for (const [offered, want] of [
    [['DELIVERBY 60', 'MT-PRIORITY MIXER'], 'MAIL FROM:<ann@us.test> MT-PRIORITY=-2 BY=90;RT\r\n'],
    [[], 'MAIL FROM:<ann@us.test>\r\n'],
  ] as const)
    test(`priority and time go to who heeds them: ${offered.join(', ') || 'nobody'}`, () => {
      const stage = new Stage().says(...hello(...offered)).begins({ sender: { priority: -2 }, by: '90;RT' });
      assert.equal(stage.sent[1], want);
    });

  test('are not sent to one that does not', () => {
    const stage = new Stage()
      .says(...PLAIN)
      .begins({ sender: full, recipients })
      .says('250 ok\r\n');
    assert.equal(stage.sent[1], 'MAIL FROM:<ann@us.test>\r\n');
    assert.equal(stage.sent[2], 'RCPT TO:<bob@mx.test>\r\n');
  });

  test('the null reverse-path is empty', () => {
    const stage = new Stage().says(...PLAIN).begins({ sender: { reversePath: null } });
    assert.equal(stage.sent[1], 'MAIL FROM:<>\r\n');
  });

  test('a message above the offered size is not offered', () => {
    const stage = new Stage().says(...hello('SIZE 20')).begins();
    assert.deepEqual(stage.verdicts, ['failed 5.3.4 message']);
    assert.equal(stage.sent.length, 1);
    assert.ok(stage.client.ready);
  });

  test('SIZE without a limit, or 0, is no limit', () => {
    for (const offer of ['SIZE', 'SIZE 0', 'SIZE many']) {
      const stage = new Stage().says(...hello(offer)).begins();
      assert.equal(stage.sent[1], 'MAIL FROM:<ann@us.test> SIZE=21\r\n');
    }
  });

  test('a keyword is only a word', () => {
    const stage = new Stage().says(...hello('__proto__ x', 'constructor', 'toString', 'hasOwnProperty', 'PIPELINING'));
    assert.ok(stage.client.offers.pipelining);
    assert.ok(!stage.client.offers.dsn);
  });
});

describe('BDAT', () => {
  const offers = hello('PIPELINING', 'CHUNKING', 'BINARYMIME', '8BITMIME');

  test('clean text goes with its commands in one group', () => {
    const stage = new Stage().says(...offers).begins({ bdat: 'possible', content: 'hello\r\n' });
    assert.equal(
      stage.sent.slice(1).join(''),
      'MAIL FROM:<ann@us.test>\r\nRCPT TO:<bob@mx.test>\r\nBDAT 7 LAST\r\nhello\r\n',
    );
    stage.says('250 ok\r\n250 ok\r\n250 done\r\n');
    assert.deepEqual(stage.verdicts, ['delivered']);
  });

  test('when every recipient is refused the chunk is answered too, and RSET comes before the next message', () => {
    const stage = new Stage().says(...offers).begins({ bdat: 'possible' });
    stage.says('250 ok\r\n550 5.1.1 no\r\n');
    assert.equal(stage.finished, 0);
    stage.says('503 no recipients\r\n');
    assert.equal(stage.finished, 1);
    stage.outcomes.length = 0;
    stage.begins({ bdat: 'possible' });
    assert.match(stage.sent.at(-3)!, /^RSET\r\nMAIL /);
    stage.says('250 ok\r\n250 ok\r\n250 ok\r\n250 done\r\n');
    assert.deepEqual(stage.verdicts, ['delivered']);
  });

  test('binary content goes in chunks, each after the reply to the last', () => {
    const content = '\0'.repeat(MAX_CHUNK_OCTETS + 5);
    const stage = new Stage().says(...offers).begins({ content, sender: { body: 'BINARYMIME' } });
    assert.match(stage.sent[1]!, /BODY=BINARYMIME/);
    assert.equal(stage.sent[2], `BDAT ${MAX_CHUNK_OCTETS}\r\n`);
    stage.says('250 ok\r\n250 ok\r\n');
    assert.equal(stage.sent.length, 4);
    stage.says('250 more\r\n');
    assert.equal(stage.sent[4], 'BDAT 5 LAST\r\n');
    stage.says('250 done\r\n');
    assert.deepEqual(stage.verdicts, ['delivered']);
  });

  test('a refused chunk ends the message', () => {
    const content = 'x'.repeat(MAX_CHUNK_OCTETS * 3);
    const stage = new Stage().says(...offers).begins({ content, sender: { body: 'BINARYMIME' } });
    stage.says('250 ok\r\n250 ok\r\n552 5.3.4 too much\r\n');
    assert.deepEqual(stage.verdicts, ['failed 5.3.4 message']);
    assert.equal(stage.finished, 1);
    stage.outcomes.length = 0;
    assert.match(stage.begins().sent.at(-1)!, /^RSET\r\n/);
  });

  test('text that BDAT may not carry, or that is large, goes by DATA', () => {
    assert.match(new Stage().says(...offers).begins({ bdat: 'never' }).sent[1]!, /DATA\r\n$/);
    const content = 'x'.repeat(MAX_CHUNK_OCTETS + 1);
    assert.match(new Stage().says(...offers).begins({ bdat: 'possible', content }).sent[1]!, /DATA\r\n$/);
  });
});

describe('what a reply does', () => {
  const two = { recipients: [to('a@x'), to('b@x')] };
  const cases: readonly { name: string; says: readonly string[]; want: readonly string[]; closed?: boolean }[] = [
    { name: '4xx to MAIL defers the message', says: ['451 4.3.0 no\r\n503 x\r\n503 x\r\n503 x\r\n'], want: ['deferred 4.3.0 message', 'deferred 4.3.0 message'] },
    { name: '5xx to MAIL fails the message', says: ['550 5.7.1 no\r\n503 x\r\n503 x\r\n503 x\r\n'], want: ['failed 5.7.1 message', 'failed 5.7.1 message'] },
    { name: '354 after a refused MAIL gets a lone dot', says: ['550 no\r\n503 x\r\n503 x\r\n354 go\r\n', '554 nobody\r\n'], want: ['failed 5.0.0 message', 'failed 5.0.0 message'] },
    { name: '4xx to RCPT defers one recipient', says: ['250 ok\r\n450 4.2.1 later\r\n250 ok\r\n354 go\r\n250 done\r\n'], want: ['deferred 4.2.1 recipient', 'delivered'] },
    { name: 'all recipients refused and 354: a lone dot', says: ['250 ok\r\n550 5.1.1 x\r\n450 4.2.0 x\r\n354 go\r\n', '554 nobody\r\n'], want: ['failed 5.1.1 recipient', 'deferred 4.2.0 recipient'] },
    { name: '251 and 252 are acceptance', says: ['250 ok\r\n251 f\r\n252 v\r\n354 go\r\n250 done\r\n'], want: ['delivered', 'delivered'] },
    { name: '4xx to DATA defers those accepted', says: ['250 ok\r\n550 5.1.1 x\r\n250 ok\r\n451 4.3.0 x\r\n'], want: ['failed 5.1.1 recipient', 'deferred 4.3.0 message'] },
    { name: '5xx to the content fails those accepted', says: ['250 ok\r\n250 ok\r\n450 4.2.0 x\r\n354 go\r\n554 5.6.0 spam\r\n'], want: ['failed 5.6.0 message', 'deferred 4.2.0 recipient'] },
    { name: '4xx to the content defers', says: ['250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n451 x\r\n'], want: ['deferred 4.0.0 message', 'deferred 4.0.0 message'] },
    { name: '354 at the end is out of place', says: ['250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n354 again\r\n'], want: ['deferred 4.5.0 message', 'deferred 4.5.0 message'] },
    { name: '250 to DATA is out of place', says: ['250 ok\r\n250 ok\r\n250 ok\r\n250 sure\r\n'], want: ['deferred 4.5.0 message', 'deferred 4.5.0 message'] },
    { name: '421 to MAIL closes the path', says: ['421 4.7.0 too many\r\n'], want: ['deferred 4.7.0 path', 'deferred 4.7.0 path'], closed: true }, 
    { name: '421 to RCPT keeps what was refused before', says: ['250 ok\r\n550 5.1.1 x\r\n421 bye\r\n'], want: ['failed 5.1.1 recipient', 'deferred 4.0.0 path'], closed: true },
    { name: '421 at the end', says: ['250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n421 4.3.2 bye\r\n'], want: ['deferred 4.3.2 path', 'deferred 4.3.2 path'], closed: true },
    { name: 'an enhanced status of another class is not believed', says: ['250 ok\r\n550 4.1.1 x\r\n550 2.1.5 x\r\n554 x\r\n'], want: ['failed 5.0.0 recipient', 'failed 5.0.0 recipient'] },
    { name: '552 to the first recipient is temporary', says: ['250 ok\r\n552 many\r\n552 5.2.2 full\r\n554 x\r\n'], want: ['deferred 4.5.3 recipient', 'failed 5.2.2 recipient'] },
    { name: 'garbage', says: ['hello there\r\n'], want: ['deferred 4.5.0 host', 'deferred 4.5.0 host'], closed: true },
    { name: 'garbage after the content', says: ['250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n', 'thanks\r\n'], want: ['deferred 4.5.0 message', 'deferred 4.5.0 message'], closed: true },
    { name: 'lines of one reply that differ in their code', says: ['250-ok\r\n550 no\r\n'], want: ['deferred 4.5.0 host', 'deferred 4.5.0 host'], closed: true },
  ]; // prettier-ignore
  for (const { name, says, want, closed = false } of cases)
    test(name, () => {
      const stage = new Stage()
        .says(...ESMTP)
        .begins(two)
        .says(...says);
      assert.deepEqual(stage.verdicts, want);
      assert.equal(stage.finished, 1);
      assert.equal(stage.closed, closed);
    });

  test('a refusal in the middle of the content is its outcome, and closes', () => {
    const client = new SmtpClient(OPTIONS);
    for (const text of PLAIN) client.receive(Buffer.from(text));
    client.begin({ sender, recipients: [to('a@x')], octets: 5, bdat: 'never' });
    client.receive(Buffer.from('250 ok\r\n'));
    client.receive(Buffer.from('250 ok\r\n'));
    client.receive(Buffer.from('354 go\r\n'));
    const kinds = client.receive(Buffer.from('552 5.3.4 too much\r\n')).map(({ kind }) => kind);
    assert.deepEqual(kinds, ['outcome', 'finished', 'close']);
  });

  test('421 after a completed transaction costs only the connection', () => {
    const stage = new Stage()
      .says(...ESMTP)
      .begins()
      .says('250 a\r\n250 a\r\n354 a\r\n250 a\r\n');
    stage.outcomes.length = 0;
    assert.deepEqual(stage.begins().says('421 enough\r\n').verdicts, ['deferred 4.0.0 connection']);
  });

  test('421 while idle closes', () => {
    const stage = new Stage().says(...ESMTP).says('421 idle\r\n');
    assert.ok(stage.closed);
    assert.equal(stage.refusal, undefined);
  });

  test('a reply that nobody asked for closes', () => {
    assert.ok(new Stage().says(...ESMTP).says('250 hello?\r\n').closed);
    const stage = new Stage()
      .says(...ESMTP)
      .begins()
      .says('250 a\r\n250 a\r\n354 a\r\n250 a\r\n250 again\r\n');
    assert.deepEqual(stage.verdicts, ['delivered']);
    assert.ok(stage.closed);
  });
});

describe('more than one batch', () => {
  const five = ['a@x', 'b@x', 'c@x', 'd@x', 'e@x'].map((each) => to(each));

  test('RCPTMAX splits the recipients', () => {
    const stage = new Stage().says(...hello('PIPELINING', 'LIMITS RCPTMAX=2')).begins({ recipients: five });
    const ok = '250 ok\r\n'.repeat(3);
    stage.says(
      `${ok}354 go\r\n`,
      '250 one\r\n',
      `${ok}354 go\r\n`,
      '550 5.7.1 two\r\n',
      '250 ok\r\n250 ok\r\n354 go\r\n',
    );
    assert.equal(stage.finished, 0);
    stage.says('250 three\r\n');
    assert.deepEqual(stage.verdicts, [
      'delivered',
      'delivered',
      'failed 5.7.1 message',
      'failed 5.7.1 message',
      'delivered',
    ]);
    assert.equal(stage.client.completed, 3);
  });

  test('those that were too many follow in a second transaction', () => {
    const stage = new Stage().says(...ESMTP).begins({ recipients: five });
    stage.says(
      '250 ok\r\n250 ok\r\n250 ok\r\n452 4.5.3 many\r\n552 many\r\n452 4.2.2 full\r\n354 go\r\n',
      '250 ok\r\n',
    );
    assert.match(stage.sent.at(-1)!, /^MAIL.*\r\nRCPT TO:<c@x>\r\nRCPT TO:<d@x>\r\nDATA\r\n$/);
    stage.says('250 ok\r\n452 4.5.3 many\r\n452 4.5.3 many\r\n354 go\r\n', '554 nobody\r\n');
    assert.deepEqual(stage.verdicts, [
      'delivered',
      'delivered',
      'deferred 4.5.3 recipient',
      'deferred 4.5.3 recipient',
      'deferred 4.2.2 recipient',
    ]);
    assert.equal(stage.finished, 1);
  });

  test('a message put off is not offered again for the rest', () => {
    const stage = new Stage().says(...hello('PIPELINING', 'LIMITS RCPTMAX=4')).begins({ recipients: five });
    stage.says('250 ok\r\n'.repeat(5), '354 go\r\n', '451 4.7.1 greylisted\r\n');
    assert.deepEqual(new Set(stage.verdicts), new Set(['deferred 4.7.1 message']));
    assert.equal(stage.finished, 1);
  });

  test('MAILMAX ends the connection', () => {
    const stage = new Stage().says(...hello('PIPELINING', 'LIMITS RCPTMAX=4 MAILMAX=1')).begins({ recipients: five });
    stage.says('250 ok\r\n'.repeat(5), '354 go\r\n', '250 ok\r\n');
    assert.deepEqual(stage.verdicts.slice(3), ['delivered', 'deferred 4.5.3 connection']);
    assert.ok(stage.client.exhausted);
  });
});

describe('a server that cannot be used', () => {
  const cases: readonly [name: string, says: readonly string[], options: Partial<ClientOptions>, want: string][] = [
    ['554 greeting', ['554 no mail here\r\n'], {}, 'permanent greeting 5.3.2 reply'],
    ['521 greeting (RFC 7504)', ['521 never\r\n'], {}, 'permanent greeting 5.3.2 reply'],
    ['421 greeting', ['421 4.7.0 busy\r\n'], {}, 'transient greeting 4.7.0 reply'],
    ['450 greeting', ['450 busy\r\n'], {}, 'transient greeting 4.3.2 reply'],
    ['354 greeting', ['354 go\r\n'], {}, 'transient greeting 4.5.0 protocol'],
    ['an HTTP server', ['HTTP/1.1 400 Bad Request\r\n'], {}, 'transient greeting 4.5.0 protocol'],
    ['4xx to EHLO', ['220 a\r\n', '450 later\r\n'], {}, 'transient hello 4.3.2 reply'],
    ['5xx to EHLO and HELO', ['220 a\r\n', '502 x\r\n', '550 5.7.1 you\r\n'], {}, 'permanent hello 5.7.1 reply'],
    ['TLS required, not offered', hello('PIPELINING'), { tls: 'required' }, 'transient tls 4.7.4 tls'],
    ['TLS required, refused', [...hello('STARTTLS'), '454 no\r\n'], { tls: 'required' }, 'transient tls 4.3.2 tls'],
    ['credentials without TLS', hello('AUTH PLAIN'), { credentials: { user: 'u', password: 'p' } }, 'transient login 4.7.4 policy'],
    ['no mechanism', hello('AUTH CRAM-MD5'), { credentials: { user: 'u', password: 'p' }, loopback: true }, 'transient login 4.7.4 policy'],
    ['wrong password', [...hello('AUTH PLAIN'), '535 5.7.8 no\r\n'], { credentials: { user: 'u', password: 'p' }, loopback: true }, 'transient login 4.7.8 reply'],
  ]; // prettier-ignore
  for (const [name, says, options, want] of cases)
    test(name, () => {
      const stage = new Stage(options).says(...says);
      const { kind, stage: at, status, cause } = stage.refusal!;
      assert.equal(`${kind} ${at} ${status} ${cause}`, want);
      assert.ok(stage.closed);
    });
});

describe('STARTTLS', () => {
  const offers = hello('STARTTLS', 'AUTH PLAIN', 'DSN');

  test('everything is learned anew behind it', () => {
    const stage = new Stage({ tls: 'opportunistic' }).says(...offers, '220 go\r\n');
    assert.equal(stage.handshakes, 1);
    stage.perform(stage.client.secured());
    assert.deepEqual(stage.sent, ['EHLO us.test\r\n', 'STARTTLS\r\n', 'EHLO us.test\r\n']);
    assert.ok(!stage.client.offers.dsn);
    stage.says('250-mx.test\r\n250 PIPELINING\r\n');
    assert.ok(stage.client.ready);
    assert.ok(!stage.client.offers.dsn);
  });

  test('a server that offers it again is not asked again', () => {
    const stage = new Stage({ tls: 'required' }).says(...offers, '220 go\r\n');
    stage.perform(stage.client.secured());
    assert.ok(stage.says('250-mx\r\n250 STARTTLS\r\n').client.ready);
  });

  for (const injected of ['250 injected\r\n', '2', '\r\n', '\x16\x03\x01'])
    test(`octets behind the 220 end the session: ${JSON.stringify(injected)}`, () => {
      const together = new Stage({ tls: 'opportunistic' }).says(...offers, `220 go\r\n${injected}`);
      const after = new Stage({ tls: 'opportunistic' }).says(...offers, '220 go\r\n', injected);
      for (const stage of [together, after]) {
        assert.equal(stage.refusal?.cause, 'protocol');
        assert.ok(stage.closed);
      }
    });

  test('opportunistic goes on in clear when it is refused', () => {
    assert.ok(new Stage({ tls: 'opportunistic' }).says(...offers, '454 not now\r\n').client.ready);
  });

  test('credentials follow behind TLS only', () => {
    const stage = new Stage({ tls: 'opportunistic', credentials: { user: 'u', password: 'p' } }).says(...offers);
    stage.says('220 go\r\n');
    stage.perform(stage.client.secured());
    stage.says('250-mx\r\n250 AUTH LOGIN PLAIN\r\n');
    assert.equal(stage.sent.at(-1), `AUTH PLAIN ${Buffer.from('\0u\0p').toString('base64')}\r\n`);
    assert.ok(stage.says('235 ok\r\n').client.ready);
  });

  test('AUTH LOGIN answers both questions, and no third', () => {
    const stage = new Stage({ credentials: { user: 'u', password: 'p' }, loopback: true }).says(...hello('AUTH=LOGIN'));
    stage.says('334 VXNlcm5hbWU6\r\n', '334 UGFzc3dvcmQ6\r\n');
    assert.deepEqual(stage.sent.slice(1), ['AUTH LOGIN\r\n', 'dQ==\r\n', 'cA==\r\n']);
    assert.equal(stage.says('334 more?\r\n').refusal?.stage, 'login');
  });
});

describe('a lost connection', () => {
  const dialogue = [
    '220 mx.test\r\n',
    '250-mx.test\r\n250-PIPELINING\r\n250 SIZE 1000\r\n',
    '250 ok\r\n250 ok\r\n354 go\r\n',
    '250 2.0.0 queued\r\n',
  ].join('');
  const gone = { cause: 'connection', status: '4.4.2', text: 'lost' } as const;

  for (const step of [1, 7])
    test(`at every octet, read ${step} at a time: an outcome, and delivered only by the whole last reply`, () => {
      for (let cut = 0; cut <= dialogue.length; cut++) {
        const stage = new Stage();
        for (let at = 0; at < cut; at += step) {
          stage.says(dialogue.slice(at, Math.min(at + step, cut)));
          if (stage.client.ready && stage.sent.length === 1) stage.begins();
        }
        stage.perform(stage.client.lost(gone));
        if (cut === dialogue.length) assert.deepEqual(stage.verdicts, ['delivered']);
        else if (stage.sent.length < 2) assert.equal(stage.refusal?.kind, 'transient');
        else
          assert.deepEqual(stage.verdicts, [stage.sent.length > 2 ? 'deferred 4.4.2 message' : 'deferred 4.4.2 host']);
        assert.ok(stage.closed);
      }
    });

  test('says whether the message may be begun anew elsewhere', () => {
    const stage = new Stage().says(...ESMTP).begins();
    assert.ok(stage.client.untouched);
    stage.says('250 ok\r\n');
    assert.ok(!stage.client.untouched);
    const chunked = new Stage().says(...hello('PIPELINING', 'CHUNKING')).begins({ bdat: 'possible' });
    assert.ok(!chunked.client.untouched);
  });

  test('twice is once', () => {
    const stage = new Stage().says(...ESMTP).begins();
    stage.perform(stage.client.lost(gone));
    assert.deepEqual(stage.client.lost(gone), []);
    assert.deepEqual(stage.client.receive(Buffer.from('250 late\r\n')), []);
  });
});

test('a reply cannot bring line ends or control characters into an outcome', () => {
  const evil = '550 5.1.1 no\rRCPT TO:<x>\0\x1b[2Jdone\r\n';
  const stage = new Stage()
    .says(...PLAIN)
    .begins()
    .says(evil);
  assert.equal(stage.outcomes[0]?.diagnostic, '550 5.1.1 no RCPT TO:<x> [2Jdone');
});

test('a long reply is cut in the outcome', () => {
  const long = `550-${'x'.repeat(1500)}\r\n550 ${'y'.repeat(1500)}\r\n`;
  const stage = new Stage()
    .says(...PLAIN)
    .begins()
    .says(long);
  assert.equal(stage.outcomes[0]?.diagnostic.length, 1000);
});

test('a caller may lead the transaction itself', () => {
  const stage = new Stage().says(...PLAIN);
  stage.perform(stage.client.ask('MAIL FROM:<>\r\n'));
  assert.equal(stage.client.waitsFor, 'command');
  stage.says('250 ok\r\n');
  assert.deepEqual(stage.answers, [250]);
  stage.perform(stage.client.ask('RCPT TO:<a@x>\r\n'));
  stage.says('421 bye\r\n');
  assert.deepEqual(stage.answers, [250, 421]);
  assert.ok(stage.closed);
});

test('whatever a server sends, in whatever pieces: no throw, one outcome for each recipient, nothing after close', () => {
  const piece = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('220 a\r\n', '250 ok\r\n', '250-a\r\n250-PIPELINING\r\n250 CHUNKING\r\n', '354 go\r\n') },
    { weight: 3, arbitrary: fc.constantFrom('450 x\r\n', '452 4.5.3 many\r\n', '550 5.1.1 x\r\n', '421 bye\r\n', '554 x\r\n') },
    { weight: 1, arbitrary: fc.constantFrom('\r\n', '25', '0 x\r\n', 'text\r\n', '250-a\r\n', '250-LIMITS RCPTMAX=1 MAILMAX=2\r\n250 DSN\r\n', '\0\xff') },
  ); // prettier-ignore
  const recipients = ['a@x', 'b@x', 'c@x'].map((each) => to(each));
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 30 }),
      fc.constantFrom('smtp', 'lmtp'),
      fc.constantFrom('possible', 'never'),
      (pieces, protocol, bdat) => {
        const stage = new Stage({ protocol });
        for (const text of pieces) {
          if (stage.client.ready && !stage.client.exhausted) {
            if (stage.finished > 0) assert.equal(stage.outcomes.filter(() => true).length, recipients.length);
            stage.outcomes.length = 0;
            stage.begins({ recipients, bdat });
          }
          stage.says(text);
        }
        const begun = stage.sent.some((line) => line.includes('MAIL FROM'));
        stage.perform(stage.client.lost({ cause: 'connection', status: '4.4.2', text: 'gone' }));
        assert.ok(stage.closed);
        assert.equal(stage.client.waitsFor, undefined);
        if (begun) assert.equal(stage.outcomes.filter(() => true).length, recipients.length);
        else assert.ok(stage.refusal !== undefined || stage.client.completed === 0);
      },
    ),
    { numRuns: 2000 },
  );
});
