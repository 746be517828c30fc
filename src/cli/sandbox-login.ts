/**
 * The user of the sandbox: who may log in there as a program of one's own would at a real server, and the domain that
 * signs what it sends. It is the same after each start, so that what was configured with it stays right.
 */

import { type DirectoryAdmin } from '../api/directory-contract.ts';
import { type DirectoryStore } from '../directory/directory.ts';
import { dkimRecord, wantedRecords } from '../directory/domain-records.ts';
import { verifyPassword } from '../directory/passwords.ts';
import { parseDomain } from '../mail/domain.ts';
import { SANDBOX_HOSTNAME } from '../sandbox/small-internet.ts';

export interface SandboxLogin {
  readonly user: string;
  readonly password: string;
  /** From which it sends, and which signs. */
  readonly domain: string;
  readonly tenant: string;
}

/** No secret: whoever reaches the sandbox, which is whoever is on this machine, sends without a login too. */
export const SANDBOX_LOGIN: SandboxLogin = {
  user: 'app',
  password: 'sandbox-password',
  domain: SANDBOX_HOSTNAME,
  tenant: 'sandbox',
};

/** Who it is that changes the directory. */
const BY = 'sandbox';

/** Makes what is missing, and takes back what would keep the user out. `store` is read only. */
export async function provideLogin(directory: DirectoryAdmin, store: DirectoryStore): Promise<void> {
  const { user, password, domain, tenant } = SANDBOX_LOGIN;
  const standing = store.tenants().find(({ name }) => name === tenant);
  if (standing === undefined) await directory.addTenant({ name: tenant, by: BY });
  else if (standing.suspended) await directory.changeTenant({ name: tenant, suspended: false, by: BY });
  if (!store.domains().some(({ name }) => name === domain)) await directory.addDomain({ domain, tenant, by: BY });
  const known = store.credentials().find((each) => each.user === user);
  if (known === undefined) await directory.addCredential({ user, password, tenant, by: BY });
  else if (known.disabled || !(await verifyPassword(password, known.hash)))
    await directory.changeCredential({ user, password, disabled: false, by: BY });
}

const KEY = /^([a-z0-9-]{1,63})\._domainkey\.(.+)$/;

/** The text that a domain of the directory would have published at a name: in the sandbox all of them are, at once. */
export function publishedText(store: DirectoryStore, name: string): string | undefined {
  const [, selector, signer] = KEY.exec(name) ?? [];
  if (signer !== undefined) {
    const domain = parseDomain(signer);
    const key = domain.ok ? store.keys(domain.value).find((each) => each.selector === selector) : undefined;
    return key && dkimRecord(key);
  }
  const owner = store.domains().find((each) => name === each.name || name.endsWith(`.${each.name}`));
  if (owner === undefined) return undefined;
  const wanted = wantedRecords({
    ...{ domain: owner.name, hostname: SANDBOX_HOSTNAME, keys: [] },
    ...{ stsRecord: undefined, reportsTo: undefined },
  });
  return wanted.find((record) => record.type === 'TXT' && record.name === name)?.value;
}
