import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CredentialRecord } from '../../directory/directory.ts';
import { entry, message } from '../../spool/spool.fixtures.contract.ts';
import { UserRates } from './user-rates.ts';

const APP = { user: 'app', tenant: 'acme', limits: { messagesPerHour: 2 } } as CredentialRecord;

function rates(credential: () => CredentialRecord | undefined = () => APP) {
  return new UserRates(
    {
      credential,
      tenant: (name) => ({ name, suspended: false, limits: { recipientsPerDay: 30 } }),
    },
    { now: () => 1_000_000_000_000, monotonic: () => 0 },
  );
}

function mail(user: string | undefined) {
  const made = message(1);
  const client = { ...made.envelope.client, ...(user !== undefined && { user }) };
  return { ...made, envelope: { ...made.envelope, client }, entries: [entry(`${made.id}/0`)] };
}

describe('rates of users', () => {
  test('whoever has not logged in is not counted', () => {
    const counted = rates();
    for (let n = 0; n < 50; n += 1) assert.equal(counted.excess(mail(undefined)), undefined);
  });

  test('the limit is named, and whose it is', () => {
    const counted = rates();
    assert.equal(counted.excess(mail('app')), undefined);
    assert.equal(counted.excess(mail('app')), undefined);
    assert.deepEqual(counted.excess(mail('app')), { kind: 'tooMuch', of: 'user app', limit: 'messagesPerHour' });
  });

  test('a tenant has limits of its own', () => {
    const counted = rates(() => ({ ...APP, limits: {} }));
    const answers = Array.from({ length: 40 }, () => counted.excess(mail('app')));
    assert.deepEqual(
      answers.find((answer) => answer !== undefined),
      { kind: 'tooMuch', of: 'tenant acme', limit: 'recipientsPerDay' },
    );
  });

  test('a directory that cannot be read is told of, and nothing is thrown', () => {
    const counted = rates(() => {
      throw new Error('the directory is damaged');
    });
    assert.deepEqual(counted.excess(mail('app')), { kind: 'unavailable', reason: 'the directory is damaged' });
  });
});
