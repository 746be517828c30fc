/** The calls of the directory as requests. They give and take secrets, and go through the control socket alone. */

import { SENDING_LIMITS } from '../directory/limits.ts';
import { type Call, get, NAME, object, post } from './call.ts';
import { type DirectoryAdmin, type DirectoryChecks } from './directory-contract.ts';

const LIMITS = object(Object.fromEntries(SENDING_LIMITS.map((name) => [name, { type: 'integer', minimum: 0 }])));
const BY_NAME = object({ name: NAME }, 'name');
const BY_USER = object({ user: NAME }, 'user');
const BY_DOMAIN = object({ domain: NAME }, 'domain');
const SENDERS = { type: 'array', items: NAME, maxItems: 1000 } as const;
const FLAG = { type: 'boolean' } as const;
const STATE = { type: 'string', enum: ['published', 'signing', 'retired'] } as const;
const ALGORITHM = { type: 'string', enum: ['rsa-sha256', 'ed25519-sha256'] } as const;
const PASSWORD = { type: 'string', minLength: 1, maxLength: 1024 } as const;

const BY = { type: 'string', minLength: 1, maxLength: 1000 } as const;

/** A change names who makes it. */
function secret(call: Call): Call {
  const { argument } = call;
  const signed = call.method === 'POST' ? { ...argument, properties: { ...argument.properties, by: BY } } : argument;
  return { ...call, argument: signed, access: 'controlSocket' };
}

export const DIRECTORY_CALLS: { readonly [K in keyof (DirectoryAdmin & DirectoryChecks)]: Call } = {
  tenants: secret(get('/tenants', object({}), 'All tenants.')),
  addTenant: secret(post('/tenants/add', object({ name: NAME, limits: LIMITS }, 'name'), 'Makes a tenant.')),
  changeTenant: secret(
    post(
      '/tenants/change',
      object({ name: NAME, limits: LIMITS, suspended: FLAG }, 'name'),
      'Other limits for a tenant, or a suspension: its users may not log in.',
    ),
  ),
  removeTenant: secret(post('/tenants/remove', BY_NAME, 'Removes a tenant with its domains, users and keys.')),
  credentials: secret(get('/credentials', object({}), 'All users and API keys, without what proves them.')),
  addCredential: secret(
    post(
      '/credentials/add',
      object({
        user: NAME,
        kind: { type: 'string', enum: ['smtp', 'api'] },
        tenant: { type: 'string', maxLength: 128 },
        senders: SENDERS,
        limits: LIMITS,
        password: PASSWORD,
      }),
      'Makes a user; a password that was made up is in the answer, this once.',
    ),
  ),
  changeCredential: secret(
    post(
      '/credentials/change',
      object({ user: NAME, senders: SENDERS, limits: LIMITS, disabled: FLAG, reset: FLAG, password: PASSWORD }, 'user'),
      'Other senders, limits or password for a user, or none of its logins.',
    ),
  ),
  removeCredential: secret(post('/credentials/remove', BY_USER, 'Removes a user.')),
  domains: secret(get('/domains', object({}), 'Domains that mail is sent from.')),
  domain: secret(get('/domains/:domain', BY_DOMAIN, 'A domain and the DNS records that it needs.')),
  addDomain: secret(
    post(
      '/domains/add',
      object({ domain: NAME, tenant: { type: 'string', maxLength: 128 } }, 'domain'),
      'Makes a domain with its signing keys, and says what to publish in DNS.',
    ),
  ),
  removeDomain: secret(post('/domains/remove', BY_DOMAIN, 'Removes a domain with its keys.')),
  checkDomain: secret(get('/domains/:domain/check', BY_DOMAIN, 'Looks its DNS records up, and says what is wrong.')),
  keys: secret(get('/keys', object({ domain: NAME }), 'Signing keys, without their private halves.')),
  addKey: secret(
    post(
      '/keys/add',
      object(
        { domain: NAME, algorithm: ALGORITHM, selector: { type: 'string', minLength: 1, maxLength: 63 }, state: STATE },
        'domain',
      ),
      'Makes a key that is to be published and signs nothing yet.',
    ),
  ),
  changeKey: secret(
    post(
      '/keys/change',
      object({ domain: NAME, selector: NAME, state: STATE }, 'domain', 'selector', 'state'),
      'Another state for a key.',
    ),
  ),
  removeKey: secret(
    post('/keys/remove', object({ domain: NAME, selector: NAME }, 'domain', 'selector'), 'Removes a key.'),
  ),
  rotateKeys: secret(post('/keys/rotate', BY_DOMAIN, 'Makes the successors of the keys that sign.')),
  switchKeys: secret(post('/keys/switch', BY_DOMAIN, 'Lets the successors sign, and retires the others.')),
};
