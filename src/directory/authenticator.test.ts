import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type Domain } from '../mail/domain.ts';
import { DirectoryAuthenticator } from './authenticator.ts';
import { type CredentialRecord, type TenantRecord } from './directory.ts';
import { hashPassword, madeUpHash, madeUpSecret, scramSecretOf, verifyPassword } from './passwords.ts';

const PASSWORD = 'correct horse';
const SALT = Buffer.alloc(16, 7);
const PEPPER = Buffer.alloc(32, 9);
let hash: string;

before(async () => {
  hash = await hashPassword(PASSWORD, SALT);
});

interface World {
  readonly credentials?: readonly Partial<CredentialRecord>[];
  readonly tenants?: readonly TenantRecord[];
}

function authenticator({ credentials = [{}], tenants = [] }: World = {}) {
  const records = new Map(
    credentials.map((more) => {
      const record: CredentialRecord = {
        ...{ user: 'ann', kind: 'smtp', tenant: '', disabled: false, senders: ['a.test'], limits: {}, hash },
        scram: undefined,
        ...more,
      };
      return [record.user, record] as const;
    }),
  );
  const made = new DirectoryAuthenticator({
    directory: {
      credential: (user) => records.get(user),
      tenant: (name) => tenants.find((tenant) => tenant.name === name),
      domain: () => undefined,
      domainsOf: (tenant) => [`${tenant || 'nobody'}.test` as Domain],
      signingKeys: () => [],
      pepper: PEPPER,
    },
    key: Buffer.alloc(32, 3),
  });
  return { made, records };
}

describe('a password', () => {
  test('that is right gives the identity', async () => {
    const { made } = authenticator();
    assert.deepEqual(await made.password('ann', PASSWORD), {
      kind: 'identity',
      identity: { user: 'ann', tenant: '', senders: ['a.test'], limits: {} },
    });
  });

  for (const [name, user, password, world] of [
    ['of nobody', 'eve', PASSWORD, {}],
    ['that is wrong', 'ann', 'wrong horse', {}],
    ['that is empty', 'ann', '', {}],
    ['without end', 'ann', 'x'.repeat(2000), {}],
    ['of a name without end', 'x'.repeat(400), PASSWORD, {}],
    ['of a user who is switched off', 'ann', PASSWORD, { credentials: [{ disabled: true }] }],
    ['that is a key of the API', 'ann', PASSWORD, { credentials: [{ kind: 'api' }] }],
    ['of a tenant that is gone', 'ann', PASSWORD, { credentials: [{ tenant: 'acme' }] }],
    [
      'of a tenant that is suspended',
      'ann',
      PASSWORD,
      { credentials: [{ tenant: 'acme' }], tenants: [{ name: 'acme', suspended: true, limits: {} }] },
    ],
  ] as const)
    test(`${name} is refused`, async () => {
      assert.deepEqual(await authenticator(world).made.password(user, password), { kind: 'refused' });
    });

  test('is not taken from memory when the record has changed', async () => {
    const { made, records } = authenticator();
    assert.equal((await made.password('ann', PASSWORD)).kind, 'identity');
    assert.equal((await made.password('ann', PASSWORD)).kind, 'identity');
    assert.equal((await made.password('ann', 'wrong horse')).kind, 'refused');
    const ann = records.get('ann');
    assert.ok(ann);
    records.set('ann', { ...ann, hash: await hashPassword('another horse', SALT) });
    assert.equal((await made.password('ann', PASSWORD)).kind, 'refused');
    assert.equal((await made.password('ann', 'another horse')).kind, 'identity');
    records.set('ann', { ...ann, disabled: true });
    assert.equal((await made.password('ann', 'another horse')).kind, 'refused');
  });

  test('many at once wait for their turn, and too many are told to come back', async () => {
    const { made } = authenticator();
    const answers = await Promise.all(Array.from({ length: 80 }, (_, n) => made.password('eve', `guess number ${n}`)));
    const kinds = answers.map(({ kind }) => kind);
    assert.ok(kinds.includes('unavailable'));
    assert.ok(kinds.filter((kind) => kind === 'refused').length >= 64);
    assert.equal((await made.password('ann', PASSWORD)).kind, 'identity');
  });

  test('a directory that cannot be read is no refusal', async () => {
    const { made, records } = authenticator();
    records.get = () => {
      throw new Error('disk I/O error');
    };
    assert.deepEqual(await made.password('ann', PASSWORD), { kind: 'unavailable', reason: 'disk I/O error' });
  });
});

describe('what an identity may', () => {
  test('without a list of its own it sends as its tenant, within the limits of both', async () => {
    const { made } = authenticator({
      credentials: [{ tenant: 'acme', senders: [], limits: { messagesPerHour: 10, messageOctets: 500 } }],
      tenants: [{ name: 'acme', suspended: false, limits: { messagesPerHour: 20, recipientsPerDay: 7 } }],
    });
    assert.deepEqual(await made.user('ann'), {
      kind: 'identity',
      identity: {
        user: 'ann',
        tenant: 'acme',
        senders: ['acme.test'],
        limits: { messagesPerHour: 10, recipientsPerDay: 7, messageOctets: 500 },
      },
    });
  });
});

describe('SCRAM', () => {
  test('a user who does not exist has a secret like any other, the same each time', async () => {
    const { made } = authenticator();
    const first = await made.scram('eve');
    assert.deepEqual(await made.scram('eve'), first);
    assert.deepEqual(await authenticator().made.scram('eve'), first);
    assert.notDeepEqual((await made.scram('bob')).salt, first.salt);
    const real = await scramSecretOf(PASSWORD, SALT);
    assert.equal(first.salt.length, real.salt.length);
    assert.equal(first.iterations, real.iterations);
    assert.equal(first.storedKey.length, real.storedKey.length);
  });

  test('the example of RFC 7677 §3', async () => {
    const secret = await scramSecretOf('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'));
    assert.equal(Buffer.from(secret.storedKey).toString('base64'), 'WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=');
    assert.equal(Buffer.from(secret.serverKey).toString('base64'), 'wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=');
  });

  test('is of the password as clients prepare it (RFC 4013; figures of libgsasl)', async () => {
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
    const { storedKey, serverKey } = await scramSecretOf('pass\u2168wo\u00adrd \ufb01 x', salt);
    assert.equal(Buffer.from(storedKey).toString('base64'), '9onl4XevMwFsrfx99rcYSkrZhOKV1U2eg5i/i1xvXQY=');
    assert.equal(Buffer.from(serverKey).toString('base64'), 'X1NsxXXZ0FpMba8bsD2FeHisxYyri46GaNcK6P+q6/o=');
    assert.deepEqual((await scramSecretOf('passIXword fi\u00a0x', salt)).storedKey, storedKey);
  });

  test('made up: differs with the pepper', () => {
    assert.notDeepEqual(madeUpSecret('eve', PEPPER), madeUpSecret('eve', Buffer.alloc(32)));
  });
});

describe('a stored hash', () => {
  test('says its cost', () => assert.match(hash, /^\$scrypt\$ln=15,r=8,p=1\$/));

  test('fits its password in any form of the same letters', async () => {
    const stored = await hashPassword('caf\u00e9 au\u00a0lait', SALT);
    assert.equal(await verifyPassword('cafe\u0301 au lait', stored), true);
  });

  test('that is made up has the form and the cost of a real one, and is the same each time', () => {
    const parts = (text: string): readonly unknown[] => text.split('$').map((part, i) => (i > 2 ? part.length : part));
    assert.deepEqual(parts(madeUpHash(PEPPER)), parts(hash));
    assert.equal(madeUpHash(PEPPER), madeUpHash(PEPPER));
  });

  for (const stored of ['', 'plain', '$scrypt$ln=99,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA', '$argon2id$x'])
    test(`of another form fits nothing: ${stored}`, async () => assert.equal(await verifyPassword('', stored), false));
});
