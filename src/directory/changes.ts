/**
 * What a change of the directory was, for the record: which tenant, user, key or domain, and what is different now.
 *
 * Fields are named one by one, and what proves a user or signs for a domain is not among them: of a password it is
 * said that it is a new one.
 */

import { type CredentialRecord, type DomainRecord, type SigningKeyRecord, type TenantRecord } from './directory.ts';
import { type SendingLimits } from '../mail/identity.ts';

export interface DirectoryChange {
  /** `rotated`: a key made as the successor of those that sign. */
  readonly action: 'added' | 'changed' | 'removed' | 'rotated';
  readonly what: 'tenant' | 'user' | 'apiKey' | 'domain' | 'signingKey';
  /** A tenant's, a user's or a domain's; of a signing key the name of its record. */
  readonly name: string;
  /** `''` for none. */
  readonly tenant: string;
  /** `field: value` as it was made, `field: before → after` where it changed. */
  readonly changes: readonly string[];
}

/** A record before and after; one of the two may be absent. Nothing where both are alike. */
export interface Step<T> {
  readonly before?: T | undefined;
  readonly after?: T | undefined;
}

type Facts = Readonly<Record<string, string>>;

export function tenantChange({ before, after }: Step<TenantRecord>): readonly DirectoryChange[] {
  const { name } = oneOf(before, after);
  return changeOf({ what: 'tenant', name, tenant: name }, before && tenantFacts(before), after && tenantFacts(after));
}

export function credentialChange({ before, after }: Step<CredentialRecord>): readonly DirectoryChange[] {
  const { user, kind, tenant } = oneOf(before, after);
  const of = { what: kind === 'api' ? 'apiKey' : 'user', name: user, tenant } as const;
  const changes = changeOf(of, before && credentialFacts(before), after && credentialFacts(after));
  if (before === undefined || after === undefined || before.hash === after.hash) return changes;
  return [{ ...of, action: 'changed', changes: [...(changes[0]?.changes ?? []), 'password: a new one'] }];
}

export function domainChange({ before, after }: Step<DomainRecord>): readonly DirectoryChange[] {
  const { name, tenant } = oneOf(before, after);
  return changeOf({ what: 'domain', name, tenant }, before && domainFacts(before), after && domainFacts(after));
}

export function keyChange({ before, after }: Step<SigningKeyRecord>, tenant: string): readonly DirectoryChange[] {
  const { selector, domain } = oneOf(before, after);
  const of = { what: 'signingKey', name: `${selector}._domainkey.${domain}`, tenant } as const;
  return changeOf(of, before && keyFacts(before), after && keyFacts(after));
}

function tenantFacts({ suspended, limits }: TenantRecord): Facts {
  return { suspended: suspended ? 'yes' : 'no', ...limitFacts(limits) };
}

function credentialFacts({ disabled, senders, limits }: CredentialRecord): Facts {
  return { disabled: disabled ? 'yes' : 'no', senders: senders.join(' '), ...limitFacts(limits) };
}

function domainFacts({ tenant }: DomainRecord): Facts {
  return { tenant };
}

function keyFacts({ algorithm, state }: SigningKeyRecord): Facts {
  return { algorithm, state };
}

function limitFacts(limits: SendingLimits): Facts {
  return Object.fromEntries(Object.entries(limits).map(([name, limit]) => [name, String(limit)]));
}

function changeOf(
  of: Pick<DirectoryChange, 'what' | 'name' | 'tenant'>,
  before: Facts | undefined,
  after: Facts | undefined,
): readonly DirectoryChange[] {
  if (after === undefined) return [{ ...of, action: 'removed', changes: [] }];
  if (before === undefined) {
    const changes = Object.entries(after).flatMap(([name, value]) => (value === '' ? [] : [`${name}: ${value}`]));
    return [{ ...of, action: 'added', changes }];
  }
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changes = names.flatMap((name) => {
    const [was, is] = [before[name] ?? '', after[name] ?? ''];
    return was === is ? [] : [`${name}: ${was || 'none'} → ${is || 'none'}`];
  });
  return changes.length === 0 ? [] : [{ ...of, action: 'changed', changes }];
}

function oneOf<T>(before: T | undefined, after: T | undefined): T {
  const one = after ?? before;
  if (one === undefined) throw new Error('a change without a record');
  return one;
}
