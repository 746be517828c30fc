import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, test } from 'node:test';
import { directoryCalls, DirectoryOperations } from '../runtime/directory-operations.ts';
import { type DirectoryStore } from '../directory/directory.ts';
import { dkimRecord } from '../directory/domain-records.ts';
import { memoryDirectory } from '../directory/memory/memory-directory.ts';
import { verifyPassword } from '../directory/passwords.ts';
import { type Domain } from '../mail/domain.ts';
import { portIn } from './sandbox.ts';
import { provideLogin, publishedText, SANDBOX_LOGIN } from './sandbox-login.ts';

const { user, password, domain, tenant } = SANDBOX_LOGIN;
let store: DirectoryStore;
let changes: number;

function provide(): Promise<void> {
  const facts = () => ({
    hostname: 'sandbox.test',
    stsRecord: () => undefined,
    sendsBy: [],
    reportsTo: undefined,
    notes: () => [],
  });
  const changed = () => Promise.resolve(void (changes += 1));
  const operations = new DirectoryOperations({ store, now: () => 0, changed, record: () => Promise.resolve(), facts });
  return provideLogin(directoryCalls(operations), store);
}

async function isReady(): Promise<boolean> {
  const found = store.credential(user);
  return (
    found !== undefined &&
    !found.disabled &&
    (await verifyPassword(password, found.hash)) &&
    store.tenant(tenant)?.suspended === false &&
    store.domain(domain as Domain)?.tenant === tenant &&
    store.signingKeys(domain as Domain).length === 2
  );
}

beforeEach(() => {
  store = memoryDirectory();
  changes = 0;
});

describe('the user of the sandbox', () => {
  test('is made, and then left as it is', async () => {
    await provide();
    assert.ok(await isReady());
    changes = 0;
    const keys = store.keys();
    await provide();
    assert.equal(changes, 0);
    assert.deepEqual(store.keys(), keys);
  });

  for (const [what, change] of [
    ['a disabled user', () => store.putCredential({ ...store.credential(user)!, disabled: true })],
    ['another password', () => store.putCredential({ ...store.credential(user)!, hash: '$scrypt$' })],
    ['a suspended tenant', () => store.putTenant({ ...store.tenant(tenant)!, suspended: true })],
    ['a tenant that is gone', () => store.removeTenant(tenant)],
    ['a domain that is gone', () => store.removeDomain(domain as Domain)],
  ] as const)
    test(`can log in again after ${what}`, async () => {
      await provide();
      change();
      assert.ok(!(await isReady()));
      await provide();
      assert.ok(await isReady());
    });
});

test('what a domain of the directory would publish is published', async () => {
  await provide();
  for (const key of store.keys())
    assert.equal(publishedText(store, `${key.selector}._domainkey.${domain}`), dkimRecord(key));
  assert.match(publishedText(store, domain) ?? '', /^v=spf1 a:sandbox\.test /);
  assert.match(publishedText(store, `_dmarc.${domain}`) ?? '', /^v=DMARC1; /);
  for (const name of ['', '.', 'x._domainkey.sandbox.test', 'x._domainkey.inbox.test', 'x._domainkey.', 'inbox.test'])
    assert.equal(publishedText(store, name), undefined, name);
  const { privateKey } = generateKeyPairSync('ed25519', {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const later = { domain: domain as Domain, selector: 'later', algorithm: 'ed25519-sha256', privateKey } as const;
  store.putKeys([{ ...later, state: 'published', since: 1 }]);
  assert.match(publishedText(store, `later._domainkey.${domain}`) ?? '', /k=ed25519/);
});

describe('a port of the sandbox', () => {
  const portOf = (text?: string): number => portIn({ POSTRIDER_SMTP_PORT: text }, 'POSTRIDER_SMTP_PORT', 2525);
  test('is what the variable says', () => assert.deepEqual(['0', '2600'].map(portOf), [0, 2600]));
  test('stays where nothing is said', () => assert.deepEqual([portOf(), portOf('')], [2525, 2525]));
  for (const text of ['abc', '70000', '-1', '25.5', ' 25'])
    test(`is never taken from "${text}"`, () =>
      assert.throws(() => portOf(text), {
        message: `POSTRIDER_SMTP_PORT=${text}: write a port from 0 to 65535; 0 lets the system choose`,
      }));
});
