import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseDomain } from '../mail/domain.ts';
import { type DirectoryChange } from './changes.ts';
import { DirectoryAdministration, DirectoryFault } from './administration.ts';
import { memoryDirectory } from './memory/memory-directory.ts';
import { verifyPassword } from './passwords.ts';

const NOVEMBER = Date.UTC(2026, 10, 26);

function world() {
  const store = memoryDirectory();
  const clock = { now: NOVEMBER };
  let changes = 0;
  const told: DirectoryChange[] = [];
  const administration = new DirectoryAdministration({
    ...{ store, now: () => clock.now },
    changed: (what) => {
      changes += 1;
      told.push(...what);
    },
  });
  return { store, clock, administration, changes: () => changes, told };
}

type World = ReturnType<typeof world>;

function fault(kind: DirectoryFault['kind'], text: RegExp) {
  return (error: unknown) => error instanceof DirectoryFault && error.kind === kind && text.test(error.message);
}

describe('what goes while something is made for it', () => {
  test('is a domain: its keys are not kept', async () => {
    const { administration, store } = world();
    await administration.addDomain({ domain: 'a.test' });
    for (const make of [
      () => administration.addKey({ domain: 'a.test', state: 'signing' }),
      () => administration.rotate({ domain: 'a.test' }),
    ]) {
      const making = make();
      administration.removeDomain({ domain: 'a.test' });
      await assert.rejects(making, fault('notFound', /domain add a.test/));
      assert.deepEqual(store.keys(), []);
      await administration.addDomain({ domain: 'a.test' });
    }
  });

  test('is a tenant: its users and domains are not kept', async () => {
    const { administration, store } = world();
    for (const make of [
      () => administration.addCredential({ user: 'ann', tenant: 'acme' }),
      () => administration.addDomain({ domain: 'a.test', tenant: 'acme' }),
    ]) {
      administration.addTenant({ name: 'acme' });
      const making = make();
      administration.removeTenant({ name: 'acme' });
      await assert.rejects(making, fault('notFound', /tenant add acme/));
    }
    assert.deepEqual([store.credentials(), store.domains(), store.keys()], [[], [], []]);
  });
});

describe('what cannot be done says why, and changes nothing', () => {
  const cases: readonly (readonly [string, (of: World) => unknown, DirectoryFault['kind'], RegExp])[] = [
    ['a tenant without a name', (w) => w.administration.addTenant({ name: '' }), 'invalid', /a tenant's name/],
    ['a tenant with a colon', (w) => w.administration.addTenant({ name: 'a:b' }), 'invalid', /not "a:b"/],
    ['a tenant twice', (w) => w.administration.addTenant({ name: 'acme' }), 'conflict', /there is a tenant acme/],
    ['a change of no tenant', (w) => w.administration.changeTenant({ name: 'x' }), 'notFound', /tenant add x/],
    ['a removal of no tenant', (w) => w.administration.removeTenant({ name: 'x' }), 'notFound', /tenant add x/],
    ['a user of no tenant', (w) => w.administration.addCredential({ tenant: 'x' }), 'notFound', /tenant add x/],
    ['a user with a space', (w) => w.administration.addCredential({ user: 'a b' }), 'invalid', /not "a b"/],
    ['a user twice', (w) => w.administration.addCredential({ user: 'ann' }), 'conflict', /change --reset/],
    ['a user without end', (w) => w.administration.addCredential({ user: 'x'.repeat(256) }), 'invalid', /login name/],
    ['a short password', (w) => w.administration.addCredential({ password: '123456789' }), 'invalid', /10 to 1024/],
    [
      'a password with NUL',
      (w) => w.administration.addCredential({ password: '12345\u00006789' }),
      'invalid',
      /control/,
    ],
    [
      'a sender that is none',
      (w) => w.administration.addCredential({ senders: ['a@'] }),
      'invalid',
      /"a@" is no sender/,
    ],
    [
      'a sender with an empty label',
      (w) => w.administration.addCredential({ senders: ['nonsense..x'] }),
      'invalid',
      /"nonsense\.\.x" is no sender/,
    ],
    [
      'a sender with a dot at its end',
      (w) => w.administration.addCredential({ senders: ['ann@example.com', 'ann@example.com.'] }),
      'invalid',
      /"ann@example\.com\." is no sender/,
    ],
    [
      'a star in a domain, which would be held against whole addresses',
      (w) => w.administration.addCredential({ senders: ['news*.example.com'] }),
      'invalid',
      /"news\*\.example\.com" is no sender/,
    ],
    ['a change of nobody', (w) => w.administration.changeCredential({ user: 'x' }), 'notFound', /credential list/],
    ['a removal of nobody', (w) => w.administration.removeCredential({ user: 'x' }), 'notFound', /credential list/],
    ['a domain that is none', (w) => w.administration.addDomain({ domain: 'a b' }), 'invalid', /"a b" is no domain/],
    ['a domain twice', (w) => w.administration.addDomain({ domain: 'A.test' }), 'conflict', /a.test is there already/],
    [
      'a removal of no domain',
      (w) => w.administration.removeDomain({ domain: 'x.test' }),
      'notFound',
      /no domain x\.test: postrider domain list/,
    ],
    ['a key of no domain', (w) => w.administration.addKey({ domain: 'x.test' }), 'notFound', /domain add x/],
    [
      'a selector with a dot',
      (w) => w.administration.addKey({ domain: 'a.test', selector: 'a.b' }),
      'invalid',
      /"a.b"/,
    ],
    ['keys of no domain', (w) => w.administration.keys({ domain: 'x.test' }), 'notFound', /domain add x/],
    ['a switch to nothing', (w) => w.administration.switchKeys('a.test'), 'notFound', /key rotate a.test/],
    [
      'a removal of a key that signs',
      (w) => w.administration.removeKey({ domain: 'a.test', selector: 'p202611r' }),
      'conflict',
      /retire it first/,
    ],
    [
      'a change of no key',
      (w) => w.administration.changeKey({ domain: 'a.test', selector: 'x', state: 'retired' }),
      'notFound',
      /key list a.test/,
    ],
  ];
  for (const [name, act, kind, text] of cases)
    test(name, async () => {
      const of = world();
      of.administration.addTenant({ name: 'acme' });
      await of.administration.addCredential({ user: 'ann' });
      await of.administration.addDomain({ domain: 'a.test' });
      const before = contentOf(of);
      const changes = of.changes();
      await assert.rejects(async () => act(of), fault(kind, text));
      assert.deepEqual(contentOf(of), before);
      assert.equal(of.changes(), changes);
    });
});

function contentOf({ store }: World): unknown {
  return [store.tenants(), store.credentials(), store.domains(), store.keys()];
}

describe('a change is told of', () => {
  test('as what is different, and not at all where nothing is', async () => {
    const { administration, told } = world();
    administration.addTenant({ name: 'acme', limits: { messagesPerHour: 5, messageOctets: 9 } });
    administration.changeTenant({ name: 'acme', suspended: false });
    administration.changeTenant({ name: 'acme', suspended: true, limits: { messageOctets: 9, recipientsPerDay: 0 } });
    await administration.addCredential({ user: 'ann', kind: 'api', tenant: 'acme', senders: ['a.test', '*'] });
    await administration.changeCredential({ user: 'ann' });
    await administration.changeCredential({ user: 'ann', senders: [] });
    await administration.changeCredential({ user: 'ann', password: 'correct horse', disabled: true });
    await administration.changeCredential({ user: 'ann', reset: true });
    administration.removeCredential({ user: 'ann' });
    const of = { what: 'apiKey', name: 'ann', tenant: 'acme' };
    assert.deepEqual(told, [
      {
        ...{ action: 'added', what: 'tenant', name: 'acme', tenant: 'acme' },
        changes: ['suspended: no', 'messagesPerHour: 5', 'messageOctets: 9'],
      },
      {
        ...{ action: 'changed', what: 'tenant', name: 'acme', tenant: 'acme' },
        changes: ['suspended: no → yes', 'messagesPerHour: 5 → none', 'recipientsPerDay: none → 0'],
      },
      { action: 'added', ...of, changes: ['disabled: no', 'senders: a.test *'] },
      { action: 'changed', ...of, changes: ['senders: a.test * → none'] },
      { action: 'changed', ...of, changes: ['disabled: no → yes', 'password: a new one'] },
      { action: 'changed', ...of, changes: ['password: a new one'] },
      { action: 'removed', ...of, changes: [] },
    ]);
    assert.doesNotMatch(JSON.stringify(told), /correct horse|scrypt/);
  });

  test('with all that went along', async () => {
    const { administration, told } = world();
    administration.addTenant({ name: 'acme' });
    for (const domain of ['a.test', 'b.test']) await administration.addDomain({ domain, tenant: 'acme' });
    await administration.addDomain({ domain: 'other.test' });
    await administration.addCredential({ user: 'ann', tenant: 'acme' });
    told.length = 0;
    administration.removeDomain({ domain: 'b.test' });
    administration.removeTenant({ name: 'acme' });
    assert.ok(told.every(({ action, tenant }) => action === 'removed' && tenant === 'acme'));
    assert.deepEqual(told.map(({ what, name }) => `${what} ${name}`).toSorted(), [
      ...['domain a.test', 'domain b.test'],
      ...['signingKey p202611e._domainkey.a.test', 'signingKey p202611e._domainkey.b.test'],
      ...['signingKey p202611r._domainkey.a.test', 'signingKey p202611r._domainkey.b.test'],
      ...['tenant acme', 'user ann'],
    ]);
  });
});

describe('a user', () => {
  test('gets a password that is made up and fits, once', async () => {
    const { administration, store } = world();
    const { credential, secret } = await administration.addCredential({ user: 'ann' });
    assert.match(secret ?? '', /^[\w-]{27}$/);
    const record = store.credential('ann');
    assert.equal(await verifyPassword(secret ?? '', record?.hash ?? ''), true);
    assert.ok((record?.scram?.iterations ?? 0) >= 4096);
    assert.doesNotMatch(JSON.stringify(credential), /hash|scram|scrypt/);
    assert.doesNotMatch(JSON.stringify(administration.credentials()), /hash|scram|scrypt/);
  });

  test('of its own choice is not told again', async () => {
    const { administration } = world();
    assert.equal((await administration.addCredential({ password: 'correct horse' })).secret, undefined);
  });

  test('without a name gets one, and a key of the API no SCRAM', async () => {
    const { administration, store } = world();
    const { credential } = await administration.addCredential({ kind: 'api' });
    assert.match(credential.user, /^api-[0-9a-f]{12}$/);
    assert.equal(store.credential(credential.user)?.scram, undefined);
  });

  test('a change of one thing leaves the others', async () => {
    const { administration, store } = world();
    administration.addTenant({ name: 'acme' });
    await administration.addCredential({
      user: 'ann',
      tenant: 'acme',
      senders: ['a.test'],
      limits: { messagesPerHour: 1 },
    });
    const hash = store.credential('ann')?.hash;
    await administration.changeCredential({ user: 'ann', disabled: true });
    assert.deepEqual(administration.credentials(), [
      {
        user: 'ann',
        kind: 'smtp',
        tenant: 'acme',
        disabled: true,
        senders: ['a.test'],
        limits: { messagesPerHour: 1 },
      },
    ]);
    assert.equal(store.credential('ann')?.hash, hash);
    const { secret } = await administration.changeCredential({ user: 'ann', reset: true, disabled: false });
    assert.equal(await verifyPassword(secret ?? '', store.credential('ann')?.hash ?? ''), true);
    assert.equal(store.credential('ann')?.disabled, false);
  });

  test('two at once of one name are one', async () => {
    const { administration } = world();
    const made = await Promise.allSettled([1, 2].map(() => administration.addCredential({ user: 'ann' })));
    assert.deepEqual(made.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  });

  test('that was removed while its password was made is not there again', async () => {
    const { administration, store } = world();
    await administration.addCredential({ user: 'ann' });
    const reset = administration.changeCredential({ user: 'ann', reset: true });
    administration.removeCredential({ user: 'ann' });
    await assert.rejects(reset, fault('notFound', /no user ann/));
    assert.equal(store.credential('ann'), undefined);
  });
});

describe('a domain', () => {
  test('has a key of each algorithm that sign', async () => {
    const { administration } = world();
    await administration.addDomain({ domain: 'a.test' });
    assert.deepEqual(
      administration.keys().map(({ selector, algorithm, state }) => `${selector} ${algorithm} ${state}`),
      ['p202611e ed25519-sha256 signing', 'p202611r rsa-sha256 signing'],
    );
    const [ed, rsa] = administration.keys().map(({ privateKey }) => createPrivateKey(privateKey));
    assert.equal(ed?.asymmetricKeyType, 'ed25519');
    assert.equal(rsa?.asymmetricKeyDetails?.modulusLength, 2048);
  });

  test('goes with its keys, and with its tenant', async () => {
    const { administration, store } = world();
    administration.addTenant({ name: 'acme' });
    await administration.addDomain({ domain: 'a.test', tenant: 'acme' });
    await administration.addDomain({ domain: 'b.test' });
    administration.removeTenant({ name: 'acme' });
    administration.removeDomain({ domain: 'b.test' });
    assert.deepEqual(store.keys(), []);
  });
});

describe('the keys of a domain', () => {
  async function rotating() {
    const of = world();
    await of.administration.addDomain({ domain: 'a.test' });
    of.clock.now += 1;
    const made = await of.administration.rotate({ domain: 'a.test' });
    const states = () =>
      Object.fromEntries(of.administration.keys().map(({ selector, state }) => [selector, state] as const));
    return { ...of, made, states };
  }

  test('successors are published, and sign nothing yet', async () => {
    const { states, store } = await rotating();
    assert.deepEqual(states(), {
      p202611r: 'signing',
      p202611e: 'signing',
      p202611r2: 'published',
      p202611e2: 'published',
    });
    assert.equal(store.signingKeys(domain('a.test')).length, 2);
  });

  test('a switch retires those before, and says since when', async () => {
    const { administration, clock, states } = await rotating();
    clock.now += 10;
    administration.switchKeys('a.test');
    assert.deepEqual(states(), {
      p202611r: 'retired',
      p202611e: 'retired',
      p202611r2: 'signing',
      p202611e2: 'signing',
    });
    assert.deepEqual(new Set(administration.keys().map(({ since }) => since)), new Set([clock.now]));
  });

  test('a key of one algorithm takes the place of that one alone', async () => {
    const { administration } = world();
    await administration.addDomain({ domain: 'a.test' });
    await administration.addKey({ domain: 'a.test', algorithm: 'ed25519-sha256', selector: 'mine' });
    administration.switchKeys('a.test');
    assert.deepEqual(
      administration.keys().map(({ selector, state }) => `${selector} ${state}`),
      ['mine signing', 'p202611e retired', 'p202611r signing'],
    );
  });

  test('one that was switched by mistake can be taken back', async () => {
    const { administration, states } = await rotating();
    administration.switchKeys('a.test');
    administration.changeKey({ domain: 'a.test', selector: 'p202611r', state: 'signing' });
    administration.changeKey({ domain: 'a.test', selector: 'p202611r2', state: 'retired' });
    assert.equal(administration.removeKey({ domain: 'a.test', selector: 'p202611r2' }).selector, 'p202611r2');
    assert.deepEqual(states(), { p202611r: 'signing', p202611e: 'retired', p202611e2: 'signing' });
  });
});

test('whatever is asked for, the answer is a record or a fault', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const { administration } = world();
      for (const act of [
        () => administration.addTenant({ name: text }),
        () => administration.changeTenant({ name: text, suspended: true }),
        () => administration.removeDomain({ domain: text }),
        () => administration.removeCredential({ user: text }),
      ])
        try {
          act();
        } catch (error) {
          assert.ok(error instanceof DirectoryFault);
        }
    }),
  );
});

function domain(text: string) {
  const parsed = parseDomain(text);
  assert.ok(parsed.ok);
  return parsed.value;
}
