import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reply } from '../../mail/reply.ts';
import { type Action, type Decision, type Question, serverOptions, SmtpServer } from './server.ts';

const OPTIONS = serverOptions({
  hostname: 'mx.test',
  auth: { mechanisms: ['SCRAM-SHA-256', 'PLAIN'], required: true, clearText: 'allowed' },
});
const SECRET: Decision = {
  ...{ salt: Buffer.alloc(16), iterations: 4096, storedKey: Buffer.alloc(32), serverKey: Buffer.alloc(32) },
  ...{ nonce: 'ours', binding: undefined },
};
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const PROOF = Buffer.alloc(32, 1).toString('base64');

/** A session that has said EHLO; `say` gives the question that the line leads to. */
function session() {
  const machine = new SmtpServer(OPTIONS, 'absent');
  const asked = (actions: readonly Action[]): Question | undefined =>
    actions.flatMap((action) => (action.kind === 'ask' ? [action.question] : []))[0];
  const say = (line: string): Question | undefined => asked(machine.receive(Buffer.from(`${line}\r\n`)));
  machine.start();
  machine.answer('go');
  say('EHLO client.test');
  machine.answer(reply(250, undefined, 'welcome'));
  return { machine, say };
}

describe('a proof that does not fit counts against', () => {
  test('the user whose secret was asked for', () => {
    const { machine, say } = session();
    assert.equal(say(`AUTH SCRAM-SHA-256 ${base64('n,,n=ann,r=abc')}`)?.kind, 'scram');
    machine.answer(SECRET);
    const question = say(base64(`c=biws,r=abcours,p=${PROOF}`));
    assert.deepEqual(question, { kind: 'loginFailed', user: 'ann' });
  });

  test('nobody, where no name was given, or one that acts as another', () => {
    const { machine, say } = session();
    say(`AUTH SCRAM-SHA-256 ${base64('n,,n=ann,r=abc')}`);
    machine.answer(SECRET);
    say('*');
    assert.deepEqual(say(`AUTH PLAIN ${base64('boss\0ann\0secret')}`), { kind: 'loginFailed', user: undefined });
  });
});
