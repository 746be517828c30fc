import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type RelayConnection } from '../deliver/smtp/open-relay.ts';
import { reply } from '../mail/reply.ts';
import { relayTransaction } from './relay-transaction.ts';

function world(finish: () => ReturnType<RelayConnection['finish']>) {
  const calls: string[] = [];
  const ok = async () => reply(250, '2.0.0', 'ok');
  const connection: RelayConnection = {
    ...{ sender: ok, recipient: ok, begin: async () => reply(354, undefined, 'go'), write: async () => undefined },
    ...{ finish, abort: () => void calls.push('abort'), quit: () => void calls.push('quit') },
  };
  return { calls, transaction: relayTransaction(connection, 'next.test', () => void calls.push('release')) };
}

const taken = async () => reply(250, '2.0.0', 'taken');

describe('the place among the connections to a next hop is given back exactly once', () => {
  test('after the end of the content, and the connection is closed politely', async () => {
    const { calls, transaction } = world(taken);
    assert.equal((await transaction.finish()).code, 250);
    transaction.abort();
    assert.deepEqual(calls, ['quit', 'release']);
  });

  test('when the transaction is given up, however often', () => {
    const { calls, transaction } = world(taken);
    transaction.abort();
    transaction.abort();
    assert.deepEqual(calls, ['abort', 'release']);
  });

  test('when the end goes wrong', async () => {
    const { calls, transaction } = world(() => Promise.reject(new Error('a bug')));
    await assert.rejects(transaction.finish(), /a bug/);
    assert.deepEqual(calls, ['abort', 'release']);
  });

  test('when the client goes while the end is awaited', async () => {
    let answer: (value: ReturnType<typeof reply>) => void = () => undefined;
    const { calls, transaction } = world(() => new Promise((resolve) => (answer = resolve)));
    const finishing = transaction.finish();
    transaction.abort();
    answer(reply(250, '2.0.0', 'taken'));
    await finishing;
    assert.deepEqual(calls, ['abort', 'release']);
  });
});
