import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Checked } from '../oauth/claims.ts';
import { type Authenticated } from '../receive/authenticator.ts';
import { withTokens } from './authentication.ts';

const ANN: Authenticated = { kind: 'identity', identity: { user: 'ann', tenant: '', senders: [], limits: {} } };

function login(checked: Checked, wanted?: string): Promise<Authenticated> {
  const users = {
    user: (user: string): Promise<Authenticated> => Promise.resolve(user === 'ann' ? ANN : { kind: 'refused' }),
    password: () => Promise.reject(new Error('not asked here')),
    scram: () => Promise.reject(new Error('not asked here')),
  };
  return withTokens(users, () => Promise.resolve(checked)).token('t', wanted);
}

const of = (user: string): Checked => ({ kind: 'user', user, until: undefined });

test('a token logs in the user that it names, under whose name the client may not be another', async () => {
  assert.equal(await login(of('ann')), ANN);
  assert.equal(await login(of('ann'), 'ann'), ANN);
  for (const wanted of ['boss', 'Ann', ''])
    assert.deepEqual(await login(of('ann'), wanted), {
      ...{ kind: 'refused', reason: 'The token is of another user than the client says' },
    });
});

test('a token of nobody who may log in is refused', async () => {
  const found = await login(of('bob'), 'bob');
  assert.ok(found.kind === 'refused');
  assert.match(found.reason ?? '', /not in the directory/);
});

test('a token that cannot be checked now is no failure', async () => {
  assert.equal((await login({ kind: 'unavailable', reason: 'slow' })).kind, 'unavailable');
});
