import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ScriptReceiver } from '../../../test/lib/dialogue.ts';
import { expected, type ModelCommand } from '../../../test/lib/smtp-model.ts';
import { splitAt } from '../../../test/lib/split.ts';
import { formatReply, reply } from '../../mail/reply.ts';
import { type ContentSink } from '../../receive/transaction.ts';
import { type Action, type Decision, type Question, type ServerOptions, serverOptions, SmtpServer } from './server.ts';

const OPTIONS = serverOptions({ hostname: 'mx.test', maxContentOctets: 100, maxErrors: 1e9, maxJunk: 1e9 });
const CONTENT = { good: 'x\r\n', bareNewline: 'x\ny\r\n', tooLarge: `${'x'.repeat(200)}\r\n` };

/** One session: a machine, a receiver that checks the order of what it is asked, and all that was said. */
class Session {
  readonly machine: SmtpServer;
  readonly receiver = new ScriptReceiver();
  said = '';
  closed = false;
  /** What the receiver says next. */
  answer: ModelCommand['receiver'] = 'accepts';
  #sink: ContentSink | undefined;

  constructor(options: ServerOptions = OPTIONS, tls: 'absent' | 'available' = 'absent', commandsAtOnce?: number) {
    this.machine = new SmtpServer(options, tls, commandsAtOnce);
    this.perform(this.machine.start());
  }

  receive(octets: Buffer | string): this {
    this.perform(this.machine.receive(Buffer.from(octets)));
    return this;
  }

  perform(actions: readonly Action[]): void {
    for (const action of actions) {
      if (action.kind === 'send') this.said += formatReply(action.reply);
      else if (action.kind === 'ask') this.perform(this.#answer(action.question));
      else if (action.kind === 'content') void this.#sink?.write(action.octets);
      else if (action.kind === 'abort') this.#sink?.abort();
      else if (action.kind === 'reset') this.receiver.reset();
      else if (action.kind === 'close') this.closed = true;
    }
  }

  #answer(question: Question): readonly Action[] {
    if (question.kind === 'connect' || question.kind === 'startTls') return this.machine.answer('go');
    if (question.kind === 'finish') {
      // It keeps its message before it says anything.
      void this.#sink?.finish();
      this.#sink = undefined;
      return this.machine.answer(reply(250, '2.0.0', 'taken'));
    }
    if (this.answer === 'refuses') return this.machine.answer(reply(550, '5.7.1', 'refused'));
    if (this.answer === 'fails') return this.machine.fault();
    return this.machine.answer(this.#accept(question));
  }

  #accept(question: Exclude<Question, { kind: 'connect' | 'finish' | 'startTls' }>): Decision {
    const { helloName, protocol } = question.kind === 'hello' ? question : this.machine;
    const peer = { address: '192.0.2.1', port: 1, listener: 'test', helloName, protocol, tls: undefined };
    if (question.kind === 'hello') return this.receiver.hello(peer);
    if (question.kind === 'sender') return this.receiver.sender(peer, question.sender);
    if (question.kind === 'recipient') return this.receiver.recipient(question.recipient);
    const sink = this.receiver.content();
    if ('code' in sink) return sink;
    this.#sink = sink;
    return 'go';
  }
}

function octetsOf({ verb, last, content }: ModelCommand): string {
  const text = CONTENT[content];
  const lines = {
    EHLO: 'EHLO client.test\r\n',
    HELO: 'HELO client.test\r\n',
    MAIL: 'MAIL FROM:<ann@client.test>\r\n',
    RCPT: 'RCPT TO:<bob@mx.test>\r\n',
    DATA: 'DATA\r\n',
    BDAT: `BDAT ${text.length}${last ? ' LAST' : ''}\r\n${text}`,
    RSET: 'RSET\r\n',
    NOOP: 'NOOP\r\n',
    VRFY: 'VRFY bob\r\n',
    STARTTLS: 'STARTTLS\r\n',
    JUNK: '__proto__ x\r\n',
  };
  return lines[verb];
}

const COMMANDS: fc.Arbitrary<ModelCommand> = fc.record({
  verb: fc.constantFrom(
    'EHLO',
    'HELO',
    'MAIL',
    'MAIL',
    'RCPT',
    'RCPT',
    'DATA',
    'BDAT',
    'BDAT',
    'RSET',
    'NOOP',
    'VRFY',
    'STARTTLS',
    'JUNK',
  ),
  receiver: fc.constantFrom('accepts', 'accepts', 'accepts', 'refuses', 'fails'),
  last: fc.boolean(),
  content: fc.constantFrom('good', 'good', 'bareNewline', 'tooLarge'),
});

// Group 6: after any failure at any stage, the next transaction is a fresh one (the receiver checks that).
test('the server does what the model says, whatever is said to it', () => {
  fc.assert(
    fc.property(fc.array(COMMANDS, { maxLength: 40 }), (commands) => {
      const session = new Session();
      for (const command of commands) {
        const state = session.machine.state;
        if (state === 'closed') break;
        const { codes, next } = expected(state, command);
        session.said = '';
        session.answer = command.receiver;
        session.receive(octetsOf(command));
        if (session.said.startsWith('354')) session.said = '';
        if (session.said === '') session.receive(`${CONTENT[command.content]}.\r\n`);
        const code = Number(/(\d{3}) [^\n]*\r\n$/.exec(session.said)?.[1]);
        const told = `${command.verb} ${command.receiver} ${command.content} in ${state}: ${session.said}`;
        assert.ok(codes.includes(code), told);
        assert.equal(session.machine.state, next, told);
      }
      session.perform(session.machine.disconnect());
      session.receiver.close();
    }),
    { numRuns: 1000 },
  );
});

test('a machine that stops after some commands says in the end what one says that does not stop', () => {
  fc.assert(
    fc.property(fc.array(COMMANDS, { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (commands, atOnce) => {
      const octets = Buffer.from(commands.map(octetsOf).join(''));
      const whole = new Session().receive(octets);
      const stopping = new Session(OPTIONS, 'absent', atOnce).receive(octets);
      for (let turns = 0; stopping.machine.stopped; turns += 1) {
        assert.ok(turns <= commands.length, 'it stops for ever');
        stopping.perform(stopping.machine.goOn());
      }
      assert.equal(stopping.said, whole.said);
      assert.deepEqual(stopping.receiver.calls, whole.receiver.calls);
      assert.equal(stopping.machine.state, whole.machine.state);
    }),
    { numRuns: 500 },
  );
});

test('no more commands are read at once than it is told', () => {
  const session = new Session(OPTIONS, 'absent', 3);
  session.said = '';
  session.receive('NOOP\r\n'.repeat(8));
  const replies = (): number => session.said.split('\r\n').length - 1;
  assert.equal(replies(), 3);
  session.perform(session.machine.goOn());
  assert.equal(replies(), 6);
  session.perform(session.machine.goOn());
  assert.equal(replies(), 8);
  assert.ok(!session.machine.stopped);
});

describe('any octets', () => {
  const pieces = fc.constantFrom(
    'EHLO c.test\r\n',
    'MAIL FROM:<ann@client.test>\r\n',
    'RCPT TO:<bob@mx.test>\r\n',
    'DATA\r\n',
    'BDAT 3\r\nabc',
    'BDAT 2 LAST\r\nab',
    'BDAT 999999\r\n',
    'RSET\r\n',
    '.\r\n',
    'x\r\n',
    '\r',
    '\n',
    '\0',
    'é',
    ' ',
    'MAIL FROM:<"a\\"@b',
    'SIZE=1',
    ...['\xff', '<', '>', '=', 'AUTH PLAIN =\r\n', 'QUIT\r\n'],
  );

  // Early talk and what stands behind STARTTLS are the two things that depend on time, so neither is here.
  test('in any split give the same replies and the same messages, and nothing is thrown', () => {
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), fc.array(fc.nat(400)), (texts, cuts) => {
        const whole = Buffer.from(texts.join(''), 'latin1');
        const one = new Session().receive(whole);
        const many = new Session();
        for (const piece of splitAt(whole, cuts)) many.receive(piece);
        assert.equal(many.said, one.said);
        assert.equal(many.closed, one.closed);
        assert.deepEqual(many.receiver.calls, one.receiver.calls);
      }),
      { numRuns: 300 },
    );
  });

  test('at random are answered or waited for', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (chunks) => {
        const session = new Session();
        for (const chunk of chunks) session.receive(Buffer.from(chunk));
        for (const line of session.said.split('\r\n').slice(0, -1)) assert.match(line, /^\d{3}[ -][\x20-\x7e]*$/);
      }),
    );
  });
});

// Group 1, CVE-2023-51764, -51765, -51766, -52354, -51747, CVE-2024-27305.
describe('smuggling', () => {
  const ENDS = [
    '\n.\n',
    '\n.\r\n',
    '\r\n.\n',
    '\r.\r',
    '\r\n.\r',
    '\n.\r',
    '\r.\r\n',
    '\r\n\0.\r\n',
    '\n.\r\r\n',
    '\r\r\n.\r\r\n',
  ];
  for (const end of ENDS)
    test(`${JSON.stringify(end)}, split at every octet: at most one message, and never a second MAIL`, () => {
      const before = 'EHLO c.test\r\nMAIL FROM:<ann@client.test>\r\nRCPT TO:<bob@mx.test>\r\nDATA\r\nbody';
      const smuggled = 'MAIL FROM:<eve@client.test>\r\nRCPT TO:<bob@mx.test>\r\nDATA\r\nsmuggled\r\n.\r\nQUIT\r\n';
      const whole = Buffer.from(`${before}${end}${smuggled}`);
      for (let place = before.length; place <= before.length + end.length + 1; place += 1) {
        const session = new Session();
        for (const piece of splitAt(whole, [place])) session.receive(piece);
        assert.equal(session.receiver.calls.filter((call) => call === 'sender').length, 1);
        assert.ok(session.receiver.messages.length <= 1);
      }
    });
});

// Group 3, CVE-2011-0411, CVE-2021-38542, CVE-2022-28220, CVE-2024-34083.
describe('STARTTLS', () => {
  test('in one segment with a command: refused and closed', () => {
    const session = new Session(OPTIONS, 'available').receive('EHLO c.test\r\nSTARTTLS\r\nMAIL FROM:<>\r\n');
    assert.match(session.said, /554 5\.5\.1 [^\n]*\r\n$/);
    assert.ok(session.closed && !session.receiver.calls.includes('sender'));
  });

  test('in two segments: closed without a word', () => {
    const session = new Session(OPTIONS, 'available')
      .receive('EHLO c.test\r\nSTARTTLS\r\n')
      .receive('MAIL FROM:<>\r\n');
    assert.match(session.said, /220 2\.0\.0 [^\n]*\r\n$/);
    assert.ok(session.closed && !session.receiver.calls.includes('sender'));
  });

  test('a fragment behind it is no better', () => {
    const session = new Session(OPTIONS, 'available').receive('EHLO c.test\r\nSTARTTLS\r\nM');
    assert.ok(session.closed);
  });
});

// Group 8, CVE-2020-7247, CVE-2020-28021, CVE-2020-28026.
describe('injection through parameters', () => {
  const BAD = ['\0', '\x7f', '\t', '\x01', '+0A', '+0D', '+00', '+0a', '+', '=', '+7F'];
  const places = {
    ENVID: (bad: string) => `MAIL FROM:<ann@client.test> ENVID=a${bad}b\r\n`,
    RET: (bad: string) => `MAIL FROM:<ann@client.test> RET=FULL${bad}\r\n`,
    SIZE: (bad: string) => `MAIL FROM:<ann@client.test> SIZE=1${bad}\r\n`,
    BODY: (bad: string) => `MAIL FROM:<ann@client.test> BODY=7BIT${bad}\r\n`,
  };
  for (const [name, line] of Object.entries(places))
    for (const bad of BAD)
      test(`${name} with ${JSON.stringify(bad)} is refused`, () => {
        const session = new Session().receive('EHLO c.test\r\n');
        session.said = '';
        session.receive(line(bad));
        assert.match(session.said, /^5\d\d /);
        assert.ok(!session.receiver.calls.includes('sender'));
      });
  for (const bad of BAD)
    test(`ORCPT with ${JSON.stringify(bad)} is refused`, () => {
      const session = new Session().receive('EHLO c.test\r\nMAIL FROM:<>\r\n');
      session.said = '';
      session.receive(`RCPT TO:<bob@mx.test> ORCPT=rfc822;a${bad}b\r\n`);
      assert.match(session.said, /^5\d\d /);
    });

  test('a receiver whose words hold a line end cannot end our line', () => {
    const session = new Session();
    session.machine.receive(Buffer.from('EHLO c.test\r\n'));
    const machine = new SmtpServer(OPTIONS, 'absent');
    machine.start();
    const [action] = machine.answer(reply(554, '5.7.1', 'no\r\n250 yes'));
    assert.equal(action?.kind === 'send' ? formatReply(action.reply) : '', '554 5.7.1 no?250 yes\r\n');
  });
});

// Group 14, and the history of tiny chunks.
test('a hundred thousand chunks of one octet are one message', () => {
  const session = new Session({ ...OPTIONS, maxContentOctets: 1e6, maxLineOctets: 1e6 });
  session.receive('EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<bob@mx.test>\r\n');
  for (let i = 0; i < 1000; i += 1) session.receive('BDAT 1\r\nx'.repeat(100));
  session.receive('BDAT 0 LAST\r\n');
  assert.match(session.said.slice(-100), /250 2\.0\.0 taken\r\n$/);
  assert.equal(session.receiver.messages[0]?.length, 100_000);
});

// Group 17, CVE-2026-34752.
test('names of JavaScript are no commands and no parameters', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
    const session = new Session().receive('EHLO c.test\r\n');
    session.said = '';
    session.receive(`${name}\r\nMAIL FROM:<> ${name.replaceAll('_', '')}\r\n`);
    assert.match(session.said, /^500 5\.5\.1 [^\n]*\r\n555 5\.5\.4 /);
  }
});
