/**
 * Dialogues: SMTP sessions as text, readable by a postmaster, played against the server.
 *
 *     # Why this must be so (RFC and section).
 *     # option: maxRecipients 2              an option of the machine
 *     # tls: available                       STARTTLS can be had (or `active`: TLS from the start)
 *     # drive: whole                         only in whole groups: the script is about what comes together
 *     # receiver: recipient nobody@mx.test 550 5.1.1 No such user
 *     # receiver: finish 250 2.0.0 Kept | 452 4.2.2 Full
 *     # receiver: content throw              the receiver fails
 *     # message: "Subject: x\r\n"            content that was taken, in order, as JSON
 *     S: 220 mx.test                         a reply line that begins so
 *     S: 250...                              all lines of one reply
 *     C: EHLO client.test                    a line to send, with CRLF
 *     C> a\n.\r\n                            octets to send as they are, with \r \n \t \0 \xNN \\
 *     C*300: a line                          300 of them; `C>*300: octets`
 *     E: tls                                 the client begins TLS (`certified`: with a certificate); also timeout, drain, gone
 *     S!                                     the server has closed
 *
 * Lines from the client up to the next line of another kind are one group, sent at once.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { type Recipient, type SenderParameters } from '../../src/mail/envelope.ts';
import { formatMailbox } from '../../src/mail/path.ts';
import { type EnhancedStatus, formatReply, type Reply, reply } from '../../src/mail/reply.ts';
import { type ContentSink, type Peer, type Receiver, type SessionLogins } from '../../src/receive/transaction.ts';
import {
  type Action,
  type Decision,
  type Question,
  type ServerOptions,
  serverOptions,
  SmtpServer,
  type TlsState,
} from '../../src/wire/smtp/server.ts';
import { answerLogin } from '../../src/receive/login-answers.ts';
import { splitWhole } from './split.ts';

export type Step =
  | { readonly kind: 'client'; readonly octets: Buffer }
  | { readonly kind: 'server'; readonly lines: readonly string[] }
  | { readonly kind: 'event'; readonly name: DialogueEvent }
  | { readonly kind: 'closed' };

export type DialogueEvent = 'tls' | 'certified' | 'timeout' | 'drain' | 'gone';

export interface Dialogue {
  readonly name: string;
  readonly options: ServerOptions;
  readonly tls: TlsState;
  readonly drive: 'any' | 'whole';
  readonly rules: ReadonlyMap<string, Rule>;
  /** Undefined: the script does not say. */
  readonly messages: readonly string[] | undefined;
  readonly steps: readonly Step[];
}

export type Rule = 'throw' | readonly Reply[];

const FOLDER = new URL('../dialogue/', import.meta.url);
const EVENTS: readonly string[] = ['tls', 'certified', 'timeout', 'drain', 'gone'] satisfies DialogueEvent[];

export function allDialogues(): Dialogue[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.txt'))
    .map((name) => parseDialogue(name, readFileSync(new URL(name, FOLDER), 'utf8')));
}

export function parseDialogue(name: string, script: string): Dialogue {
  const options: Record<string, unknown> = {};
  const rules = new Map<string, Rule>();
  const messages: string[] = [];
  const steps: Step[] = [];
  let tls: TlsState = 'absent';
  let drive: 'any' | 'whole' = 'any';
  for (const line of script.split('\n')) {
    const [, directive, value = ''] = /^# (option|tls|drive|receiver|message): (.*)$/.exec(line) ?? [];
    if (directive === 'option') Object.assign(options, optionOf(value));
    else if (directive === 'tls') tls = value as TlsState;
    else if (directive === 'drive') drive = value as 'whole';
    else if (directive === 'receiver') rules.set(...parseRule(value));
    else if (directive === 'message') messages.push(JSON.parse(value) as string);
    else if (line !== '' && !line.startsWith('#')) addStep(steps, line, name);
  }
  return {
    name,
    options: serverOptions({ hostname: 'mx.test', ...options }),
    tls,
    drive,
    rules,
    messages: messages.length === 0 ? undefined : messages,
    steps,
  };
}

function optionOf(text: string): Record<string, unknown> {
  const [name = ''] = text.split(' ', 1);
  const value = valueOf(text.slice(name.length + 1));
  // What the clock says, a script cannot.
  return { [name]: name === 'futureRelease' ? { ...(value as object), now: () => 0 } : value };
}

function valueOf(text: string): unknown {
  return /^[[{\d]/.test(text) ? JSON.parse(text) : text;
}

/** `recipient bob@mx.test 550 5.1.1 text`, `finish 250 2.0.0 a | 452 4.2.2 b`, `content throw`. */
function parseRule(text: string): [string, Rule] {
  const [, key, answers] = /^(.*?) (throw|[245]\d\d .*)$/.exec(text) ?? [];
  if (key === undefined || answers === undefined) throw new Error(`bad receiver line: ${text}`);
  return [key, answers === 'throw' ? 'throw' : answers.split(' | ').map(parseReply)];
}

function parseReply(text: string): Reply {
  const [, code, status, words = ''] = /^(\d{3})(?: ([245]\.\d+\.\d+))?(?: (.*))?$/.exec(text) ?? [];
  return reply(Number(code), status as EnhancedStatus | undefined, words);
}

function addStep(steps: Step[], line: string, name: string): void {
  if (line.startsWith('C')) addOctets(steps, octetsOf(line));
  else if (line.startsWith('S: ')) addLine(steps, line.slice(3));
  else if (line === 'S!') steps.push({ kind: 'closed' });
  else if (line.startsWith('E: ') && EVENTS.includes(line.slice(3)))
    steps.push({ kind: 'event', name: line.slice(3) as DialogueEvent });
  else throw new Error(`${name}: what is ${JSON.stringify(line)}?`);
}

function octetsOf(line: string): Buffer {
  const [, raw, times = '1', text = ''] = /^C(>?)(?:\*(\d+))?:? ?(.*)$/.exec(line) ?? [];
  const unit = raw === '>' ? unescaped(text) : Buffer.from(`${text}\r\n`);
  return Buffer.concat(Array<Buffer>(Number(times)).fill(unit));
}

function addOctets(steps: Step[], octets: Buffer): void {
  const last = steps.at(-1);
  if (last?.kind !== 'client') steps.push({ kind: 'client', octets });
  else steps[steps.length - 1] = { kind: 'client', octets: Buffer.concat([last.octets, octets]) };
}

function addLine(steps: Step[], line: string): void {
  const last = steps.at(-1);
  if (last?.kind !== 'server') steps.push({ kind: 'server', lines: [line] });
  else steps[steps.length - 1] = { kind: 'server', lines: [...last.lines, line] };
}

const ESCAPES: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\' };

function unescaped(text: string): Buffer {
  return Buffer.from(
    text.replaceAll(/\\(x[0-9a-f]{2}|[rnt0\\])/g, (_, what: string) =>
      what.startsWith('x') ? String.fromCharCode(Number.parseInt(what.slice(1), 16)) : ESCAPES[what]!,
    ),
    'latin1',
  );
}

/** Answers as the script says, else accepts; keeps what it took, and checks the order in which it is asked. */
export class ScriptReceiver implements Receiver {
  readonly messages: string[] = [];
  readonly calls: string[] = [];
  readonly #rules: ReadonlyMap<string, Rule>;
  #sender: SenderParameters | undefined;
  #recipients = 0;
  #sink: 'open' | 'none' = 'none';
  #closed = false;

  /** `ann` has the password `secret`; `down` cannot be looked up now. */
  readonly logins: SessionLogins = {
    scram: () => Promise.resolve(reply(454, '4.7.0', 'No SCRAM here')),
    check: (_, { user = 'ann', ...check }) => {
      if (user === 'down') return Promise.resolve('unavailable');
      const certified = check.kind === 'certificate' && user === 'ann';
      const trusted = check.kind === 'token' && check.token === 'secret' && user === 'ann';
      const right =
        certified || trusted || (user === 'ann' && check.kind === 'password' && check.password === 'secret');
      return Promise.resolve(right ? { user, tenant: '', senders: ['*'], limits: {} } : 'refused');
    },
    failed: () => undefined,
  };

  constructor(rules: ReadonlyMap<string, Rule> = new Map()) {
    this.#rules = rules;
  }

  connect(): Reply | undefined {
    this.#note('connect');
    return this.#rule('connect');
  }

  hello(peer: Peer): Reply {
    this.#note('hello');
    assert.notEqual(peer.helloName, '');
    return this.#rule(`hello ${peer.helloName}`, 'hello') ?? reply(250, undefined, 'welcome');
  }

  sender(peer: Peer, sender: SenderParameters): Reply {
    this.#note('sender');
    assert.equal(this.#sender, undefined, 'MAIL within a transaction');
    assert.notEqual(peer.helloName, '', 'MAIL before hello');
    const path = sender.reversePath === null ? '<>' : formatMailbox(sender.reversePath);
    const answer = this.#rule(`sender ${path}`, 'sender') ?? reply(250, '2.1.0', 'Sender OK');
    if (answer.code < 300) this.#sender = sender;
    return answer;
  }

  recipient({ forwardPath }: Recipient): Reply {
    this.#note('recipient');
    assert.notEqual(this.#sender, undefined, 'RCPT outside a transaction');
    const path = formatMailbox(forwardPath);
    const answer = this.#rule(`recipient ${path}`, 'recipient') ?? reply(250, '2.1.5', 'Recipient OK');
    if (answer.code < 300) this.#recipients += 1;
    return answer;
  }

  content(): ContentSink | Reply {
    this.#note('content');
    assert.ok(this.#recipients > 0, 'content without recipients');
    assert.equal(this.#sink, 'none', 'content within content');
    const refusal = this.#rule('content');
    if (refusal !== undefined) return refusal;
    this.#sink = 'open';
    const kept: Buffer[] = [];
    return {
      write: (chunk) => {
        assert.equal(this.#sink, 'open', 'content after its end');
        this.#rule('write');
        kept.push(Buffer.from(chunk));
      },
      finish: async () => {
        this.#note('finish');
        this.#end();
        const replies = this.#rules.get('finish') ?? [reply(250, '2.0.0', 'Message taken')];
        if (replies === 'throw') throw new Error('the script says so');
        this.messages.push(Buffer.concat(kept).toString('latin1'));
        return replies.length === 1 ? replies[0]! : replies;
      },
      abort: () => {
        this.#note('abort');
        assert.equal(this.#sink, 'open', 'abort without content');
        this.#sink = 'none';
      },
    };
  }

  reset(): void {
    this.#note('reset');
    assert.equal(this.#sink, 'none', 'reset before abort');
    this.#sender = undefined;
    this.#recipients = 0;
  }

  close(): void {
    this.#note('close');
    assert.equal(this.#sink, 'none', 'closed with open content');
    assert.equal(this.#closed, false, 'closed twice');
    this.#closed = true;
  }

  #end(): void {
    assert.equal(this.#sink, 'open', 'finish without content');
    this.#sink = 'none';
    this.#sender = undefined;
    this.#recipients = 0;
  }

  #note(call: string): void {
    assert.equal(this.#closed, false, `${call} after close`);
    this.calls.push(call);
  }

  #rule(...keys: readonly string[]): Reply | undefined {
    const rule = keys.map((key) => this.#rules.get(key)).find((found) => found !== undefined);
    if (rule === 'throw') throw new Error('the script says so');
    return rule?.[0];
  }
}

export interface Coverage {
  readonly replies: Set<string>;
  /** `VERB state` */
  readonly pairs: Set<string>;
}

/** Plays the dialogue against the machine; what it covered is added. */
export async function playDialogue(dialogue: Dialogue, drive: 'whole' | 'octets', covered?: Coverage): Promise<void> {
  const player = new Player(dialogue, drive, covered);
  await player.play();
}

/** How much of what was said is the line that the script wants; 0 when it is not said, or not yet. */
export function matchReply(said: string, line: string): number {
  if (/^\d{3}\.\.\.$/.test(line)) {
    const code = line.slice(0, 3);
    return new RegExp(`^(?:${code}-.*\r\n)*${code} .*\r\n`).exec(said)?.[0].length ?? 0;
  }
  const end = said.indexOf('\r\n');
  return end !== -1 && said.slice(0, end).startsWith(line) ? end + 2 : 0;
}

/** One machine and one receiver, without sockets. */
class Player {
  readonly #dialogue: Dialogue;
  readonly #drive: 'whole' | 'octets';
  readonly #covered: Coverage | undefined;
  readonly #machine: SmtpServer;
  readonly #receiver: ScriptReceiver;
  #sink: ContentSink | undefined;
  #said = '';
  #closed = false;
  #line = '';

  constructor(dialogue: Dialogue, drive: 'whole' | 'octets', covered: Coverage | undefined) {
    this.#dialogue = dialogue;
    this.#drive = drive;
    this.#covered = covered;
    this.#machine = new SmtpServer(dialogue.options, dialogue.tls);
    this.#receiver = new ScriptReceiver(dialogue.rules);
  }

  async play(): Promise<void> {
    const { steps, messages } = this.#dialogue;
    // What a client sends before the greeting is there when the connection is being judged.
    const early = steps[0]?.kind === 'client' ? steps[0].octets : undefined;
    const first = this.#machine.start();
    const actions = early === undefined ? [] : this.#machine.receive(Buffer.from(early));
    await this.#perform([...first, ...actions]);
    for (const step of early === undefined ? steps : steps.slice(1)) await this.#step(step);
    assert.equal(this.#said, '', 'the server says nothing more');
    if (messages !== undefined) assert.deepEqual(this.#receiver.messages, messages);
    await this.#perform(this.#machine.disconnect());
    this.#receiver.close();
  }

  async #step(step: Step): Promise<void> {
    switch (step.kind) {
      case 'client':
        for (const piece of this.#drive === 'whole' ? [Buffer.from(step.octets)] : splitWhole(step.octets))
          await this.#send(piece);
        return;
      case 'server':
        for (const line of step.lines) this.#expect(line);
        return;
      case 'closed':
        assert.ok(this.#closed, 'the server closes');
        return;
      case 'event':
        await this.#event(step.name);
    }
  }

  async #send(piece: Buffer): Promise<void> {
    if (this.#drive === 'octets') this.#notePair(piece);
    await this.#perform(this.#machine.receive(piece));
  }

  /** Which command ends with this octet, and in which state. */
  #notePair(octet: Buffer): void {
    if (!this.#machine.readsCommands) this.#line = '';
    else if (octet[0] !== 0x0a) this.#line += octet.toString('latin1');
    else {
      this.#covered?.pairs.add(`${this.#line.trim().split(' ')[0]!.toUpperCase()} ${this.#machine.state}`);
      this.#line = '';
    }
  }

  #expect(line: string): void {
    const taken = matchReply(this.#said, line);
    assert.notEqual(taken, 0, `wanted ${JSON.stringify(line)}, the server said ${JSON.stringify(this.#said)}`);
    this.#said = this.#said.slice(taken);
  }

  async #event(name: DialogueEvent): Promise<void> {
    const { drain, timeout, tlsStarted, disconnect } = {
      drain: () => this.#machine.drain(),
      timeout: () => this.#machine.timeout(),
      tlsStarted: () => this.#machine.tlsStarted(name === 'certified' ? 'certified' : 'active'),
      disconnect: () => this.#machine.disconnect(),
    };
    await this.#perform({ drain, timeout, tls: tlsStarted, certified: tlsStarted, gone: disconnect }[name]());
  }

  async #perform(actions: readonly Action[]): Promise<void> {
    for (const action of actions) {
      switch (action.kind) {
        case 'send':
          if (action.name !== undefined) this.#covered?.replies.add(action.name);
          assert.equal(this.#closed, false, 'a reply after the close');
          this.#said += formatReply(action.reply);
          break;
        case 'ask':
          await this.#perform(await this.#decide(action.question));
          break;
        case 'content':
          await this.#write(action.octets);
          break;
        case 'abort':
          this.#sink?.abort();
          this.#sink = undefined;
          break;
        case 'reset':
          this.#receiver.reset();
          break;
        case 'close':
          this.#closed = true;
          break;
        case 'startTls':
          break;
      }
    }
  }

  async #write(octets: Buffer): Promise<void> {
    try {
      await this.#sink?.write(octets);
    } catch {
      this.#sink?.abort();
      this.#sink = undefined;
    }
  }

  async #decide(question: Question): Promise<readonly Action[]> {
    let decision: Decision;
    try {
      decision = await this.#ask(question);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return this.#machine.fault();
    }
    return this.#machine.answer(decision);
  }

  async #ask(question: Question): Promise<Decision> {
    const { helloName, protocol } = question.kind === 'hello' ? question : this.#machine;
    const peer: Peer = { address: '192.0.2.1', port: 1, listener: 'test', helloName, protocol, tls: undefined };
    switch (question.kind) {
      case 'connect':
        return this.#receiver.connect() ?? 'go';
      case 'hello':
        return this.#receiver.hello(peer);
      case 'sender':
        return this.#receiver.sender(peer, question.sender);
      case 'recipient':
        return this.#receiver.recipient(question.recipient);
      case 'content':
        return this.#begin();
      case 'finish':
        return this.#finish();
      case 'startTls':
        return this.#dialogue.rules.has('startTls') ? 'unavailable' : 'go';
      default:
        return (await answerLogin(question, { logins: this.#receiver.logins, peer, socket: new Socket() })).decision;
    }
  }

  #begin(): Decision {
    const answer = this.#receiver.content();
    if ('code' in answer) return answer;
    this.#sink = answer;
    return 'go';
  }

  async #finish(): Promise<Decision> {
    const sink = this.#sink;
    this.#sink = undefined;
    if (sink === undefined) throw new Error('the content could not be taken');
    return sink.finish();
  }
}
