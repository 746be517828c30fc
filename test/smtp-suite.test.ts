/** Dialogues of another server, played against ours: codes only, since the texts are its own. */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { formatReply, type Reply, reply } from '../src/mail/reply.ts';
import { type Action, serverOptions, SmtpServer } from '../src/wire/smtp/server.ts';

const FOLDER = new URL('../../shared/suites/smtp-dialogues/', import.meta.url);

/** Where we answer otherwise, and why. Key: file and the line that was sent last. */
const DIFFERENCES: Readonly<Record<string, { readonly ours: string; readonly why: string }>> = {
  'auth_not_tls AUTH PLAIN': { ours: '502', why: 'AUTH is not offered at all yet' },
  'bad_data .': {
    ours: '250',
    why: 'content is relayed as it came; nothing of it is parsed for the sake of refusing it',
  },
  'bad_data_dot That was a bad line ending, this is a good one.': { ours: '550', why: '521 is for hosts without mail' },
  'bad_data_dot_2 That was a bad line ending, this is a good one.': { ours: '550', why: 'as above' },
  'bad_data_dot_on_message_too_big .': { ours: '550', why: 'as above' },
  'bad_rcpt_to RCPT TO:<henryⅣ@testserver>': { ours: '553', why: 'RFC 6531 §3.5: non-ASCII without SMTPUTF8' },
  'line_too_long HELO aaaaaaaaa1aaaaaaaaa1aaaaaaaaa1aaaaaaaaa1aaaaaaaaa1aaaaa': {
    ours: '501',
    why: 'within our limit of a line, and no name',
  },
  'bad_mail_from MAIL LALA: <>': { ours: '501', why: 'the command is known, its argument is not' },
  'bad_mail_from MAIL FROM:': { ours: '501', why: 'as above' },
  'bad_rcpt_to RCPT LALA: <>': { ours: '501', why: 'as above' },
  'bad_rcpt_to RCPT TO:': { ours: '501', why: 'as above' },
  'wrong_proto GET /evil HTTP/1.1': { ours: '554', why: '554 and close: the session is over' },
  'wrong_proto POST /evil HTTP/1.1': { ours: '554', why: 'as above' },
  'wrong_proto CONNECT www.evil.com:80 HTTP/1.1': { ours: '554', why: 'as above' },
};
/** They need AUTH or a listener with TLS. */
const NOT_YET = new Set(['auth_too_many_failures', 'auth_multi_dialog']);

const skip = existsSync(FOLDER) ? false : 'the suites are not beside the project';
const names = skip === false ? readdirSync(FOLDER).filter((name) => name.endsWith('.cmy')) : ['smtp-dialogues'];

for (const file of names) {
  const name = file.replace('.cmy', '');
  const reason = NOT_YET.has(name) ? 'needs AUTH' : skip;
  test(`${name} gets the same codes`, { skip: reason }, () => play(name, readFileSync(new URL(file, FOLDER), 'utf8')));
}

function play(name: string, script: string): void {
  let client = new Client();
  let last = '';
  for (const line of script.split('\n')) {
    const [, what = '', rest = ''] = /^c (tcp_connect|->|~>|<)[-~.]* ?(.*)$/.exec(line) ?? [];
    if (what === 'tcp_connect') [client, last] = [new Client(), ''];
    if (what === '->') client.send(Buffer.from(`${bracketed((last = rest))}\r\n`));
    if (what === '~>') client.send(octetsOf(rest));
    if (what !== '<') continue;
    const wanted = DIFFERENCES[`${name} ${last.slice(0, 60)}`]?.ours ?? /\d{3}/.exec(rest)?.[0];
    assert.equal(client.next(), wanted, `${name}: ${last.slice(0, 80)}`);
  }
}

/** They send paths without angle brackets, which RFC 5321 §4.1.2 does not have and we refuse with 501. */
function bracketed(line: string): string {
  return line.replace(/^(RCPT TO:) (user@testserver)$/, '$1<$2>');
}

/** `'text\n'`, `('a' * 899 + '\r\n') * 1165`, `'b' * 55 + '\r\n'`. */
function octetsOf(expression: string): Buffer {
  const [, inner, times] = /^\((.*)\) \* (\d+)$/.exec(expression) ?? [];
  if (inner !== undefined) return Buffer.from(octetsOf(inner).toString('latin1').repeat(Number(times)), 'latin1');
  const terms = [...expression.matchAll(/'([^']*)'(?: \* (\d+))?/g)];
  const text = terms.map(([, unit = '', count = '1']) => unit.repeat(Number(count))).join('');
  return Buffer.from(text.replaceAll(String.raw`\r`, '\r').replaceAll(String.raw`\n`, '\n'), 'latin1');
}

class Client {
  readonly #machine = new SmtpServer(
    serverOptions({ hostname: 'mx.test', maxContentOctets: 2 ** 20, maxCommandOctets: 1024 }),
    'absent',
  );
  readonly #codes: string[] = [];

  constructor() {
    this.#perform(this.#machine.start());
  }

  send(octets: Buffer): void {
    this.#perform(this.#machine.receive(octets));
  }

  next(): string | undefined {
    return this.#codes.shift();
  }

  #perform(actions: readonly Action[]): void {
    for (const action of actions) {
      if (action.kind === 'send') this.#codes.push(/(\d{3}) [^\n]*\r\n$/.exec(formatReply(action.reply))?.[1] ?? '');
      if (action.kind === 'ask') this.#perform(this.#machine.answer(answerTo(action.question.kind)));
    }
  }
}

function answerTo(kind: string): 'go' | Reply {
  return kind === 'connect' || kind === 'content' ? 'go' : reply(250, '2.0.0', 'OK');
}
