import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localUsers, unknownUsers, userIn } from './local-users.ts';

const PASSWD = [
  'root:x:0:0:root:/root:/bin/bash',
  'ann:x:1000:1000:Ann Smith,,,:/home/ann:/bin/sh',
  'bob:x:1001:1001:& Miller:/home/bob:/bin/sh',
  'eve:x:1002:1002::/home/eve:/bin/sh',
  'short:x:1003',
  ':x:1004:1:nobody:/:/bin/sh',
  '',
].join('\n');

for (const [uid, want] of Object.entries({
  0: { name: 'root', fullName: 'root' },
  1000: { name: 'ann', fullName: 'Ann Smith' },
  1001: { name: 'bob', fullName: 'Bob Miller' },
  1002: { name: 'eve', fullName: '' },
  1003: { name: 'short', fullName: '' },
  1004: undefined,
  7: undefined,
}))
  test(`user ${uid}`, () => assert.deepEqual(userIn(PASSWD, Number(uid)), want));

test('a user is asked for once in a minute; those that the file does not know, of the system', async () => {
  const asked: string[] = [];
  let now = 0;
  const userOf = localUsers({
    passwd: async () => (asked.push('passwd'), PASSWD),
    getent: async (uid) => (asked.push(`getent ${uid}`), uid === 5000 ? 'dir:x:5000:1:From LDAP:/:/bin/sh\n' : ''),
    now: () => now,
  });
  assert.deepEqual(await userOf(1000), { name: 'ann', fullName: 'Ann Smith' });
  assert.deepEqual(await userOf(1000), { name: 'ann', fullName: 'Ann Smith' });
  assert.deepEqual(await userOf(5000), { name: 'dir', fullName: 'From LDAP' });
  assert.equal(await userOf(6000), undefined);
  assert.equal(await userOf(6000), undefined);
  assert.deepEqual(asked, ['passwd', 'passwd', 'getent 5000', 'passwd', 'getent 6000']);
  now = 61_000;
  await userOf(1000);
  assert.equal(asked.length, 6);
});

test('a file that cannot be read is one that knows nobody', async () => {
  const userOf = localUsers({
    passwd: () => Promise.reject(new Error('EACCES')),
    getent: async () => '',
    now: () => 0,
  });
  assert.equal(await userOf(0), undefined);
});

test('names that nobody has, but for root', async () => {
  const sources = {
    passwd: async () => 'ann:x:1000:1000::/:/bin/sh\nanna:x:1001:1001::/:/bin/sh\n',
    getent: async (user: number | string) => (user === 'ldap' ? 'ldap:x:9000:9000::/:/bin/sh\n' : ''),
  };
  assert.deepEqual(await unknownUsers(['root', 'ann', 'ldap', 'an', 'nosuchuser'], sources), ['an', 'nosuchuser']);
});
