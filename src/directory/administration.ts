/**
 * What an operator does with the directory: the rules of what belongs together, and the making of secrets and keys.
 *
 * Every change is checked whole before anything is written. What cannot be done throws a `DirectoryFault`, which says
 * why and what to do instead. Secrets are given back once, here, and can never be read again.
 */

import { generateKeyPair, randomBytes as octetsByChance } from 'node:crypto';
import { type Instant } from '../lib/time.ts';
import { type Domain, parseDomain } from '../mail/domain.ts';
import { type SendingLimits } from '../mail/identity.ts';
import { fitsQueueName } from '../mail/queue-name.ts';
import {
  type CredentialRecord,
  type DirectoryStore,
  type DomainRecord,
  type KeyState,
  type SigningAlgorithm,
  type SigningKeyRecord,
  type TenantRecord,
} from './directory.ts';
import { credentialChange, type DirectoryChange, domainChange, keyChange, tenantChange } from './changes.ts';
import { hashPassword, SALT_OCTETS, scramSecretOf } from './passwords.ts';

export class DirectoryFault extends Error {
  readonly kind: 'invalid' | 'notFound' | 'conflict';
  constructor(kind: 'invalid' | 'notFound' | 'conflict', message: string) {
    super(message);
    this.kind = kind;
  }
}

/** A user as it may be shown: nothing that proves it. */
export type CredentialView = Omit<CredentialRecord, 'hash' | 'scram'>;
/** Without the private half. */
export type KeyView = Omit<SigningKeyRecord, 'privateKey'>;

export interface NewCredential {
  /** Absent: made up. */
  readonly user?: string;
  readonly kind?: 'smtp' | 'api';
  readonly tenant?: string;
  readonly senders?: readonly string[];
  readonly limits?: SendingLimits;
  /** Absent: made up, and given back. */
  readonly password?: string;
}

export interface CredentialChange {
  readonly user: string;
  readonly senders?: readonly string[];
  readonly limits?: SendingLimits;
  readonly disabled?: boolean;
  /** A new password is made up. */
  readonly reset?: boolean;
  readonly password?: string;
}

export interface CredentialMade {
  readonly credential: CredentialView;
  /** Shown this once; absent when it was given. */
  readonly secret: string | undefined;
}

export interface NewKey {
  readonly domain: string;
  readonly algorithm?: SigningAlgorithm;
  readonly selector?: string;
  /** `signing` for the first keys of a domain: nothing is signed before their record is in DNS by other means. */
  readonly state?: KeyState;
}

export interface AdministrationDeps {
  readonly store: DirectoryStore;
  readonly now: () => Instant;
  /** Something has changed, perhaps so that nothing is to be told of it: whoever remembers is to forget. */
  readonly changed: (changes: readonly DirectoryChange[]) => void;
}

const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,63}$/u;
const USER = /^[\x21-\x7e]{1,255}$/;
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const WILD_LABEL = '[a-z0-9*](?:[a-z0-9*-]{0,61}[a-z0-9*])?';
/** `*` in a domain alone would be held against whole addresses, and let in those of others. */
const SENDER = new RegExp(`^(?:\\*|\\.?${LABEL}(?:\\.${LABEL})*|[^\\s@]+@${WILD_LABEL}(?:\\.${WILD_LABEL})*)$`, 'i');
const SELECTOR = /^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$/;
const MAX_SENDERS = 1000;
const LEAST_PASSWORD = 10;
const MAX_PASSWORD = 1024;
/** 160 bits: nobody guesses them. */
const SECRET_OCTETS = 20;
const RSA_BITS = 2048;
export const ALGORITHMS: readonly SigningAlgorithm[] = ['rsa-sha256', 'ed25519-sha256'];

export class DirectoryAdministration {
  readonly #deps: AdministrationDeps;

  constructor(deps: AdministrationDeps) {
    this.#deps = deps;
  }

  tenants(): readonly TenantRecord[] {
    return this.#deps.store.tenants();
  }

  addTenant({ name, limits = {} }: { readonly name: string; readonly limits?: SendingLimits }): TenantRecord {
    if (!NAME.test(name) || !fitsQueueName(name))
      throw invalid(`a tenant's name is of letters, digits, ".", "_" and "-", at most 64, not "${name}"`);
    if (this.#deps.store.tenant(name) !== undefined) throw conflict(`there is a tenant ${name} already`);
    return this.#keepTenant({ name, suspended: false, limits });
  }

  changeTenant(change: {
    readonly name: string;
    readonly limits?: SendingLimits;
    readonly suspended?: boolean;
  }): TenantRecord {
    const { name, ...rest } = change;
    const before = this.#tenant(name);
    return this.#keepTenant({ ...before, ...defined(rest) }, before);
  }

  /** With its domains, users and keys. */
  removeTenant({ name }: { readonly name: string }): TenantRecord {
    const tenant = this.#tenant(name);
    const { store, changed } = this.#deps;
    const isOwn = (record: { readonly tenant: string }): boolean => record.tenant === name;
    const gone = [
      ...tenantChange({ before: tenant }),
      ...store.domains().flatMap((domain) => (isOwn(domain) ? this.#goneDomain(domain) : [])),
      ...store.credentials().flatMap((before) => (isOwn(before) ? credentialChange({ before }) : [])),
    ];
    store.removeTenant(name);
    changed(gone);
    return tenant;
  }

  credentials(): readonly CredentialView[] {
    return this.#deps.store.credentials().map(viewOf);
  }

  async addCredential(made: NewCredential): Promise<CredentialMade> {
    const { kind = 'smtp', tenant = '', senders = [], limits = {} } = made;
    const user = made.user ?? `${kind}-${octetsByChance(6).toString('hex')}`;
    if (!USER.test(user))
      throw invalid(
        `a login name is 1 to 255 characters of printable ASCII without spaces, not "${user.slice(0, 60)}"`,
      );
    this.#checkOwner(tenant);
    checkSenders(senders);
    const secret = secretOf(made.password);
    const proof = await proofOf(secret.text, kind);
    // Only now: somebody else may have been as quick while the password was hashed, and its owner may be gone.
    this.#checkOwner(tenant);
    if (this.#deps.store.credential(user) !== undefined)
      throw conflict(`there is a user ${user} already: credential change --reset gives it a new password`);
    return this.#keepCredential({ user, kind, tenant, senders, limits, disabled: false, ...proof }, secret.made);
  }

  async changeCredential({ user, reset, password, ...change }: CredentialChange): Promise<CredentialMade> {
    const before = this.#credential(user);
    if (change.senders !== undefined) checkSenders(change.senders);
    const secret = reset === true || password !== undefined ? secretOf(password) : undefined;
    const proof = secret && (await proofOf(secret.text, before.kind));
    const now = this.#credential(user);
    return this.#keepCredential({ ...now, ...defined(change), ...proof }, secret?.made, now);
  }

  removeCredential({ user }: { readonly user: string }): CredentialView {
    const before = this.#credential(user);
    this.#deps.store.removeCredential(user);
    this.#deps.changed(credentialChange({ before }));
    return viewOf(before);
  }

  domains(): readonly DomainRecord[] {
    return this.#deps.store.domains();
  }

  /** With a key of each algorithm, which sign from now on. */
  async addDomain({
    domain,
    tenant = '',
  }: {
    readonly domain: string;
    readonly tenant?: string;
  }): Promise<DomainRecord> {
    const name = domainOf(domain);
    this.#checkOwner(tenant);
    const keys = await Promise.all(ALGORITHMS.map((algorithm) => this.#makeKey(name, { algorithm, state: 'signing' })));
    const { store, now, changed } = this.#deps;
    this.#checkOwner(tenant);
    if (store.domain(name) !== undefined) throw conflict(`the domain ${name} is there already`);
    const record = { name, tenant, changedAt: now() };
    store.putDomain(record);
    store.putKeys(keys);
    changed([...domainChange({ after: record }), ...keys.flatMap((after) => keyChange({ after }, tenant))]);
    return record;
  }

  /** With its keys: mail that is under way will not verify once they are out of DNS. */
  removeDomain({ domain }: { readonly domain: string }): DomainRecord {
    const record = this.#deps.store.domain(domainOf(domain));
    if (record === undefined) throw notFound(`there is no domain ${domain}: postrider domain list`);
    const gone = this.#goneDomain(record);
    this.#deps.store.removeDomain(record.name);
    this.#deps.changed(gone);
    return record;
  }

  domain(written: string): DomainRecord {
    const record = this.#deps.store.domain(domainOf(written));
    if (record === undefined) throw notFound(`there is no domain ${written}: postrider domain add ${written}`);
    return record;
  }

  keys({ domain }: { readonly domain?: string } = {}): readonly SigningKeyRecord[] {
    return this.#deps.store.keys(domain === undefined ? undefined : this.domain(domain).name);
  }

  /** A key that signs nothing yet: its record is to be put into DNS first. */
  async addKey({ domain, algorithm = 'rsa-sha256', selector, state = 'published' }: NewKey): Promise<SigningKeyRecord> {
    const { name } = this.domain(domain);
    if (selector !== undefined && !SELECTOR.test(selector))
      throw invalid(`a selector is of letters, digits and "-", at most 42, not "${selector}"`);
    const key = await this.#makeKey(name, { algorithm, state, ...(selector !== undefined && { selector }) });
    if (this.#deps.store.keys(this.domain(domain).name).some((other) => other.selector === key.selector))
      throw conflict(`${name} has a key ${key.selector} already; choose another selector`);
    return this.#keepKeys([key])[0] ?? key;
  }

  /** The successors of the keys that sign: published, to be switched to once their records are seen. */
  async rotate({ domain }: { readonly domain: string }): Promise<readonly SigningKeyRecord[]> {
    const { name } = this.domain(domain);
    const keys = this.#deps.store.keys(name);
    const waiting = keys.filter(({ state }) => state === 'published');
    if (waiting.length > 0)
      throw conflict(
        `${name} is being rotated: ${waiting.map(({ selector }) => selector).join(', ')} waits for its record in DNS`,
      );
    const algorithms = new Set(keys.filter(({ state }) => state === 'signing').map(({ algorithm }) => algorithm));
    const wanted = algorithms.size === 0 ? ALGORITHMS : [...algorithms];
    const made = await Promise.all(wanted.map((algorithm) => this.#makeKey(name, { algorithm, state: 'published' })));
    this.domain(domain);
    return this.#keepKeys(made, 'rotated');
  }

  /** The published keys of a domain sign from now on, and those of the same algorithms that did are retired. */
  switchKeys(domain: string): readonly SigningKeyRecord[] {
    const { name } = this.domain(domain);
    const keys = this.#deps.store.keys(name);
    const published = keys.filter(({ state }) => state === 'published');
    if (published.length === 0)
      throw notFound(`${name} has no key that is published and does not sign: postrider key rotate ${name}`);
    const algorithms = new Set(published.map(({ algorithm }) => algorithm));
    const since = this.#deps.now();
    const retired = keys.filter(({ state, algorithm }) => state === 'signing' && algorithms.has(algorithm));
    return this.#keepKeys([
      ...published.map((key) => ({ ...key, state: 'signing' as const, since })),
      ...retired.map((key) => ({ ...key, state: 'retired' as const, since })),
    ]);
  }

  changeKey({
    domain,
    selector,
    state,
  }: {
    readonly domain: string;
    readonly selector: string;
    readonly state: KeyState;
  }): SigningKeyRecord {
    const key = this.#key(domain, selector);
    const changed = { ...key, state, since: this.#deps.now() };
    return this.#keepKeys([changed])[0] ?? changed;
  }

  removeKey({ domain, selector }: { readonly domain: string; readonly selector: string }): SigningKeyRecord {
    const key = this.#key(domain, selector);
    if (key.state === 'signing')
      throw conflict(
        `${selector} signs the mail of ${key.domain}: retire it first (postrider key change --state retired)`,
      );
    this.#deps.store.removeKey(key.domain, selector);
    this.#deps.changed(keyChange({ before: key }, this.#tenantOf(key.domain)));
    return key;
  }

  #tenant(name: string): TenantRecord {
    const tenant = this.#deps.store.tenant(name);
    if (tenant === undefined) throw notFound(`there is no tenant ${name}: postrider tenant add ${name}`);
    return tenant;
  }

  #credential(user: string): CredentialRecord {
    const credential = this.#deps.store.credential(user);
    if (credential === undefined) throw notFound(`there is no user ${user}: postrider credential list`);
    return credential;
  }

  #key(domain: string, selector: string): SigningKeyRecord {
    const { name } = this.domain(domain);
    const key = this.#deps.store.keys(name).find((each) => each.selector === selector);
    if (key === undefined) throw notFound(`${name} has no key ${selector}: postrider key list ${name}`);
    return key;
  }

  #checkOwner(tenant: string): void {
    if (tenant !== '') this.#tenant(tenant);
  }

  #tenantOf(domain: Domain): string {
    return this.#deps.store.domain(domain)?.tenant ?? '';
  }

  #goneDomain(domain: DomainRecord): readonly DirectoryChange[] {
    const keys = this.#deps.store.keys(domain.name);
    return [...domainChange({ before: domain }), ...keys.flatMap((before) => keyChange({ before }, domain.tenant))];
  }

  #keepTenant(tenant: TenantRecord, before?: TenantRecord): TenantRecord {
    this.#deps.store.putTenant(tenant);
    this.#deps.changed(tenantChange({ before, after: tenant }));
    return tenant;
  }

  #keepCredential(credential: CredentialRecord, secret: string | undefined, before?: CredentialRecord): CredentialMade {
    this.#deps.store.putCredential(credential);
    this.#deps.changed(credentialChange({ before, after: credential }));
    return { credential: viewOf(credential), secret };
  }

  /** Keys of one domain. */
  #keepKeys(keys: readonly SigningKeyRecord[], made: 'added' | 'rotated' = 'added'): readonly SigningKeyRecord[] {
    const { store, changed } = this.#deps;
    const known = store.keys(keys[0]?.domain);
    const changes = keys.flatMap((after) => {
      const before = known.find(({ selector }) => selector === after.selector);
      return keyChange({ before, after }, this.#tenantOf(after.domain));
    });
    store.putKeys(keys);
    changed(changes.map((change) => (change.action === 'added' ? { ...change, action: made } : change)));
    return keys;
  }

  async #makeKey(
    domain: Domain,
    { algorithm, state, selector }: Required<Pick<NewKey, 'algorithm' | 'state'>> & Pick<NewKey, 'selector'>,
  ): Promise<SigningKeyRecord> {
    const since = this.#deps.now();
    return {
      ...{ domain, algorithm, state, since },
      selector: selector ?? this.#freeSelector(domain, algorithm, since),
      privateKey: await makePrivateKey(algorithm),
    };
  }

  /** `p202611r`: the month, and `r` or `e` for the algorithm; a number behind it where that is taken. */
  #freeSelector(domain: Domain, algorithm: SigningAlgorithm, now: Instant): string {
    const month = new Date(now).toISOString().slice(0, 7).replace('-', '');
    const stem = `p${month}${algorithm === 'rsa-sha256' ? 'r' : 'e'}`;
    const taken = new Set(this.#deps.store.keys(domain).map(({ selector }) => selector));
    for (let n = 1; ; n += 1) {
      const selector = n === 1 ? stem : `${stem}${n}`;
      if (!taken.has(selector)) return selector;
    }
  }
}

export function viewOf({ user, kind, tenant, disabled, senders, limits }: CredentialRecord): CredentialView {
  return { user, kind, tenant, disabled, senders, limits };
}

export function keyView({ domain, selector, algorithm, state, since }: SigningKeyRecord): KeyView {
  return { domain, selector, algorithm, state, since };
}

function domainOf(written: string): Domain {
  const domain = parseDomain(written);
  if (!domain.ok) throw invalid(`"${written}" is no domain: ${domain.reason}`);
  return domain.value;
}

function checkSenders(senders: readonly string[]): void {
  if (senders.length > MAX_SENDERS) throw invalid(`more than ${MAX_SENDERS} senders`);
  const wrong = senders.find((sender) => !SENDER.test(sender));
  if (wrong !== undefined)
    throw invalid(`"${wrong}" is no sender: write ann@example.com, example.com, .example.com (subdomains) or *`);
}

function secretOf(password: string | undefined): { readonly text: string; readonly made: string | undefined } {
  if (password === undefined) {
    const text = octetsByChance(SECRET_OCTETS).toString('base64url');
    return { text, made: text };
  }
  if (password.length < LEAST_PASSWORD || password.length > MAX_PASSWORD || /\p{Cc}/u.test(password))
    throw invalid(
      `a password has ${LEAST_PASSWORD} to ${MAX_PASSWORD} characters and no control characters; without one, one is made up`,
    );
  return { text: password, made: undefined };
}

async function proofOf(password: string, kind: 'smtp' | 'api'): Promise<Pick<CredentialRecord, 'hash' | 'scram'>> {
  const salt = octetsByChance(SALT_OCTETS);
  const hash = await hashPassword(password, salt);
  return { hash, scram: kind === 'api' ? undefined : await scramSecretOf(password, octetsByChance(SALT_OCTETS)) };
}

function makePrivateKey(algorithm: SigningAlgorithm): Promise<string> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, _public: string, key: string): void => (error ? reject(error) : resolve(key));
    const form = {
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    } as const;
    if (algorithm === 'ed25519-sha256') generateKeyPair('ed25519', form, done);
    else generateKeyPair('rsa', { modulusLength: RSA_BITS, ...form }, done);
  });
}

/** What was not said stays as it was. */
function defined<T extends object>(change: T): Partial<T> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function invalid(text: string): DirectoryFault {
  return new DirectoryFault('invalid', text);
}

function conflict(text: string): DirectoryFault {
  return new DirectoryFault('conflict', text);
}

function notFound(text: string): DirectoryFault {
  return new DirectoryFault('notFound', text);
}
