/** Records as rows of the tables, and back. A row that does not fit throws, and says where. */

import { type SQLOutputValue } from 'node:sqlite';
import { type Domain } from '../../mail/domain.ts';
import { type SendingLimits } from '../../mail/identity.ts';
import {
  type CredentialRecord,
  type DomainRecord,
  type KeyState,
  type ScramSecret,
  type SigningAlgorithm,
  type SigningKeyRecord,
  type TenantRecord,
} from '../directory.ts';
import { SENDING_LIMITS } from '../limits.ts';

type Row = Readonly<Record<string, SQLOutputValue>>;
type Written = Readonly<Record<string, string | number | null>>;

const KINDS = ['smtp', 'api'] as const;
const ALGORITHMS: readonly SigningAlgorithm[] = ['rsa-sha256', 'ed25519-sha256'];
const STATES: readonly KeyState[] = ['published', 'signing', 'retired'];

export function tenantRow({ name, suspended, limits }: TenantRecord): Written {
  return { name, suspended: Number(suspended), limits: JSON.stringify(limits) };
}

export function tenantOf(row: Row): TenantRecord {
  return { name: text(row, 'name'), suspended: number(row, 'suspended') !== 0, limits: limitsIn(row) };
}

export function domainRow({ name, tenant, changedAt }: DomainRecord): Written {
  return { name, tenant, changed_at: changedAt };
}

export function domainOf(row: Row): DomainRecord {
  // It was parsed before it was stored.
  return { name: text(row, 'name') as Domain, tenant: text(row, 'tenant'), changedAt: number(row, 'changed_at') };
}

export function credentialRow({ scram, senders, limits, disabled, ...rest }: CredentialRecord): Written {
  return {
    ...{ user: rest.user, kind: rest.kind, tenant: rest.tenant, disabled: Number(disabled), hash: rest.hash },
    senders: JSON.stringify(senders),
    limits: JSON.stringify(limits),
    scram: scram === undefined ? null : scramText(scram),
  };
}

export function credentialOf(row: Row): CredentialRecord {
  const senders: unknown = json(row, 'senders');
  if (!Array.isArray(senders) || !senders.every((each) => typeof each === 'string')) return wrong(row, 'senders');
  return {
    user: text(row, 'user'),
    kind: oneOf(row, 'kind', KINDS),
    tenant: text(row, 'tenant'),
    disabled: number(row, 'disabled') !== 0,
    senders,
    limits: limitsIn(row),
    hash: text(row, 'hash'),
    scram: row['scram'] === null ? undefined : scramOf(text(row, 'scram')),
  };
}

export function keyRow({ domain, selector, algorithm, privateKey, state, since }: SigningKeyRecord): Written {
  return { domain, selector, algorithm, private_key: privateKey, state, since };
}

export function keyOf(row: Row): SigningKeyRecord {
  return {
    domain: text(row, 'domain') as Domain,
    selector: text(row, 'selector'),
    algorithm: oneOf(row, 'algorithm', ALGORITHMS),
    privateKey: text(row, 'private_key'),
    state: oneOf(row, 'state', STATES),
    since: number(row, 'since'),
  };
}

/** As RFC 5803 writes it: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`. */
function scramText({ salt, iterations, storedKey, serverKey }: ScramSecret): string {
  return `SCRAM-SHA-256$${iterations}:${base64(salt)}$${base64(storedKey)}:${base64(serverKey)}`;
}

function scramOf(written: string): ScramSecret {
  const [, iterations, salt, storedKey, serverKey] =
    /^SCRAM-SHA-256\$(\d{1,7}):([^:$]+)\$([^:$]+):([^:$]+)$/.exec(written) ?? [];
  if (iterations === undefined || salt === undefined || storedKey === undefined || serverKey === undefined)
    throw new Error('the directory is damaged: a SCRAM secret has another form');
  return {
    salt: octets(salt),
    iterations: Number(iterations),
    storedKey: octets(storedKey),
    serverKey: octets(serverKey),
  };
}

function limitsIn(row: Row): SendingLimits {
  const given: unknown = json(row, 'limits');
  if (typeof given !== 'object' || given === null) return wrong(row, 'limits');
  const known = SENDING_LIMITS.flatMap((name) => {
    const value: unknown = (given as Record<string, unknown>)[name];
    return typeof value === 'number' ? [[name, value] as const] : [];
  });
  return Object.fromEntries(known);
}

function json(row: Row, column: string): unknown {
  try {
    return JSON.parse(text(row, column));
  } catch {
    return wrong(row, column);
  }
}

function text(row: Row, column: string): string {
  const value = row[column];
  return typeof value === 'string' ? value : wrong(row, column);
}

function number(row: Row, column: string): number {
  const value = row[column];
  return typeof value === 'number' ? value : wrong(row, column);
}

function oneOf<T extends string>(row: Row, column: string, words: readonly T[]): T {
  return words.find((word) => word === row[column]) ?? wrong(row, column);
}

function wrong(row: Row, column: string): never {
  throw new Error(`the directory is damaged: ${column} of ${String(row['name'] ?? row['user'] ?? row['domain'])}`);
}

function base64(value: Uint8Array): string {
  return Buffer.from(value).toString('base64');
}

function octets(value: string): Uint8Array {
  return Buffer.from(value, 'base64');
}
