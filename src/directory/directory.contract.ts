/** What every store of the directory keeps, whatever it is made of. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Domain } from '../mail/domain.ts';
import { type CredentialRecord, type DirectoryStore, type SigningKeyRecord } from './directory.ts';

const A = 'a.test' as Domain;
const B = 'b.test' as Domain;

export const ANN: CredentialRecord = {
  user: 'ann',
  kind: 'smtp',
  tenant: 'acme',
  disabled: false,
  senders: ['ann@a.test', '.b.test'],
  limits: { messagesPerHour: 10, messageOctets: 1000 },
  hash: '$scrypt$ln=1,r=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2g',
  scram: {
    salt: Buffer.from('salt'),
    iterations: 4096,
    storedKey: Buffer.alloc(32, 1),
    serverKey: Buffer.alloc(32, 2),
  },
};

function key(selector: string, more: Partial<SigningKeyRecord> = {}): SigningKeyRecord {
  return { domain: A, selector, algorithm: 'rsa-sha256', privateKey: 'PEM', state: 'signing', since: 1, ...more };
}

/** Octets in one form: a backend may give any `Uint8Array`. */
function plain(record: CredentialRecord | undefined): unknown {
  const octets = (value: Uint8Array | number): unknown => (typeof value === 'number' ? value : [...value]);
  return { ...record, scram: Object.values(record?.scram ?? {}).map(octets) };
}

/** `open`: each call gives an empty one. */
export function directoryContract(open: () => DirectoryStore): void {
  const over = (name: string, use: (store: DirectoryStore) => void): void =>
    test(name, () => {
      const store = open();
      try {
        use(store);
      } finally {
        store.close();
      }
    }) as unknown as void;

  over('what was put is read back, whole', (store) => {
    store.putTenant({ name: 'acme', suspended: true, limits: { recipientsPerDay: 5 } });
    store.putCredential(ANN);
    store.putDomain({ name: A, tenant: 'acme', changedAt: 7 });
    store.putKeys([key('s1'), key('s2', { algorithm: 'ed25519-sha256', state: 'retired' })]);
    assert.deepEqual(store.tenant('acme'), { name: 'acme', suspended: true, limits: { recipientsPerDay: 5 } });
    assert.deepEqual(plain(store.credential('ann')), plain(ANN));
    assert.deepEqual(store.domain(A), { name: A, tenant: 'acme', changedAt: 7 });
    assert.deepEqual(store.domainsOf('acme'), [A]);
    assert.deepEqual(store.signingKeys(A), [key('s1')]);
    assert.equal(store.keys(A).length, 2);
  });

  over('what was asked for and was not there is found when it is', (store) => {
    assert.equal(store.credential('ann'), undefined);
    assert.equal(store.tenant('acme'), undefined);
    assert.equal(store.domain(A), undefined);
    assert.deepEqual(store.signingKeys(A), []);
    store.putCredential({ ...ANN, scram: undefined });
    assert.equal(store.signs, false);
    store.putKeys([key('s0', { state: 'published' })]);
    assert.equal(store.signs, false);
    store.putKeys([key('s1')]);
    assert.equal(store.signs, true);
    assert.equal(store.credential('ann')?.scram, undefined);
    assert.equal(store.credential('ann')?.user, 'ann');
    assert.equal(store.signingKeys(A).length, 1);
  });

  over('to put again is to replace', (store) => {
    store.putCredential(ANN);
    store.putCredential({ ...ANN, disabled: true });
    assert.equal(store.credential('ann')?.disabled, true);
    assert.equal(store.credentials().length, 1);
  });

  over('with a tenant goes all that belongs to it, and nothing else', (store) => {
    store.putTenant({ name: 'acme', suspended: false, limits: {} });
    store.putCredential(ANN);
    store.putCredential({ ...ANN, user: 'bob', tenant: '' });
    store.putDomain({ name: A, tenant: 'acme', changedAt: 1 });
    store.putDomain({ name: B, tenant: '', changedAt: 1 });
    store.putKeys([key('s1'), key('s1', { domain: B })]);
    assert.equal(store.removeTenant('acme'), true);
    assert.equal(store.removeTenant('acme'), false);
    assert.deepEqual(
      store.credentials().map(({ user }) => user),
      ['bob'],
    );
    assert.deepEqual(
      store.domains().map(({ name }) => name),
      [B],
    );
    assert.deepEqual(
      store.keys().map(({ domain }) => domain),
      [B],
    );
    assert.deepEqual(store.signingKeys(A), []);
  });

  over('what is removed is gone, and what was never there is said so', (store) => {
    store.putCredential(ANN);
    store.putDomain({ name: A, tenant: '', changedAt: 1 });
    store.putKeys([key('s1'), key('s2')]);
    assert.equal(store.removeKey(A, 's1'), true);
    assert.equal(store.removeKey(A, 's1'), false);
    assert.equal(store.removeDomain(A), true);
    assert.equal(store.removeDomain(A), false);
    assert.deepEqual(store.keys(), []);
    assert.equal(store.removeCredential('ann'), true);
    assert.equal(store.removeCredential('ann'), false);
  });

  over('names are compared as they are written, whatever is in them', (store) => {
    for (const user of ["'; DROP TABLE credential; --", 'ANN', 'änn', '%'])
      store.putCredential({ ...ANN, user, tenant: '' });
    assert.equal(store.credential('ann'), undefined);
    assert.equal(store.credential('%')?.user, '%');
    assert.equal(store.credentials().length, 4);
  });

  over('lists are in order, whatever the order of making', (store) => {
    for (const name of ['c', 'A', 'b']) store.putTenant({ name, suspended: false, limits: {} });
    for (const name of [B, A]) store.putDomain({ name, tenant: '', changedAt: 1 });
    store.putKeys([
      key('s3', { since: 2 }),
      key('s2', { since: 3 }),
      key('s1', { since: 3 }),
      key('s0', { domain: B }),
    ]);
    assert.deepEqual(
      store.tenants().map(({ name }) => name),
      ['A', 'b', 'c'],
    );
    assert.deepEqual(store.domainsOf(''), [A, B]);
    assert.deepEqual(
      store.keys().map(({ selector }) => selector),
      ['s3', 's1', 's2', 's0'],
    );
  });

  over('shares no memory with who puts', (store) => {
    const senders = ['ann@a.test'];
    store.putCredential({ ...ANN, senders });
    senders.push('*');
    assert.deepEqual(store.credential('ann')?.senders, ['ann@a.test']);
  });

  over('has a pepper', (store) => assert.equal(store.pepper.length, 32));
}
