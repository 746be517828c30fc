import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusal } from '../api/contract.ts';
import { answerAsk, Calls, valueOf } from './calls.ts';

const methods = {
  double: (n: number) => n * 2,
  later: async () => 'done',
  refuse: () => {
    throw new Refusal('notFound', 'no such thing');
  },
  fail: () => {
    throw new Error('a bug');
  },
};
const ask = (method: string, argument?: unknown) => answerAsk(methods, { kind: 'ask', call: 1, method, argument });

test('a method is run with its argument', async () => assert.equal(valueOf(await ask('double', 21)), 42));
test('an asynchronous method is awaited', async () => assert.equal(valueOf(await ask('later')), 'done'));

test('what the caller did wrong comes back as such', async () => {
  const answer = await ask('refuse');
  assert.throws(
    () => valueOf(answer),
    (error) => error instanceof Refusal && error.kind === 'notFound',
  );
});

test('a bug comes back as an error, and so does a method that does not exist', async () => {
  for (const method of ['fail', 'toString', '__proto__', 'nothing']) {
    const answer = await ask(method);
    assert.throws(() => valueOf(answer), Error, method);
  }
});

test('answers find their questions, in any order, once', async () => {
  const calls = new Calls<string>();
  const numbers: number[] = [];
  const first = calls.ask((call) => void numbers.push(call));
  const second = calls.ask((call) => void numbers.push(call));
  calls.answered(numbers[1]!, 'two');
  calls.answered(numbers[0]!, 'one');
  calls.answered(numbers[0]!, 'again');
  assert.deepEqual(await Promise.all([first, second]), ['one', 'two']);
});

test('when the other side is gone every open question is answered', async () => {
  const calls = new Calls<string>();
  const open = [calls.ask(() => undefined), calls.ask(() => undefined)];
  calls.abandon('gone');
  assert.deepEqual(await Promise.all(open), ['gone', 'gone']);
});
