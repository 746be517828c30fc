/**
 * The DNS records that a domain needs so that its mail is taken for its own, and what they say.
 *
 * RFC 6376 §3.6 and RFC 8463 §4 (keys), RFC 7208 §3 (SPF), RFC 9989 (DMARC), RFC 8461 §3.1 (MTA-STS), RFC 8460 §3
 * (TLS-RPT).
 */

import { createPrivateKey, createPublicKey } from 'node:crypto';
import { type SigningKeyRecord } from './directory.ts';
import { type Domain } from '../mail/domain.ts';

export type Purpose = 'dkim' | 'spf' | 'dmarc' | 'mx' | 'mtaSts' | 'mtaStsHost' | 'tlsRpt' | 'returnPath';

export interface WantedRecord {
  readonly purpose: Purpose;
  readonly name: string;
  readonly type: 'TXT' | 'MX' | 'CNAME';
  readonly value: string;
  /** `needed`: without it mail is refused or taken for forged. */
  readonly weight: 'needed' | 'advised';
  /** What it is for, in a sentence. */
  readonly why: string;
}

export interface DomainFacts {
  readonly domain: Domain;
  readonly hostname: string;
  readonly keys: readonly SigningKeyRecord[];
  /** `v=STSv1; id=…` of the policy that we serve for it; undefined when we serve none. */
  readonly stsRecord: string | undefined;
  /** Where reports on encryption are read; undefined: nowhere, and a person gets them. */
  readonly reportsTo: string | undefined;
}

/** A character-string of TXT has at most 255 octets (RFC 1035 §3.3.14). */
const MAX_STRING = 255;

export function wantedRecords({ domain, hostname, keys, stsRecord, reportsTo }: DomainFacts): readonly WantedRecord[] {
  return [
    ...keys.map((key) => text('dkim', `${key.selector}._domainkey.${domain}`, dkimRecord(key), WHY_KEY[key.state])),
    text('spf', domain, `v=spf1 a:${hostname} mx ~all`, 'which hosts may send as the domain'),
    text(
      'dmarc',
      `_dmarc.${domain}`,
      `v=DMARC1; p=none; rua=mailto:postmaster@${domain}`,
      'what receivers do with forgeries; raise p to quarantine, then reject',
    ),
    {
      purpose: 'mx',
      name: domain,
      type: 'MX',
      value: `10 ${hostname}`,
      weight: 'advised',
      why: 'if mail for the domain comes here',
    },
    ...(stsRecord === undefined
      ? []
      : [
          text('mtaSts', `_mta-sts.${domain}`, stsRecord, 'there is a policy that mail to the domain is encrypted'),
          {
            purpose: 'mtaStsHost',
            name: `mta-sts.${domain}`,
            type: 'CNAME',
            value: hostname,
            weight: 'advised',
            why: 'where that policy is served',
          } as const,
        ]),
    text(
      'tlsRpt',
      `_smtp._tls.${domain}`,
      `v=TLSRPTv1; rua=mailto:${reportsTo === undefined ? `postmaster@${domain}` : inUri(reportsTo)}`,
      'where others report failures of encryption',
    ),
    {
      purpose: 'returnPath',
      name: `bounce.${domain}`,
      type: 'CNAME',
      value: hostname,
      weight: 'advised',
      why: 'return paths of their own below the domain',
    },
  ];
}

/** RFC 8460 §3: what divides addresses and tags must not stand in one. */
function inUri(address: string): string {
  return address.replaceAll(/[^\w.@+=-]/gu, (character) =>
    [...Buffer.from(character)].map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

function text(purpose: Purpose, name: string, value: string, why: string): WantedRecord {
  const weight = purpose === 'tlsRpt' || purpose === 'mtaSts' ? 'advised' : 'needed';
  return { purpose, name, type: 'TXT', value, why, weight };
}

const WHY_KEY: Readonly<Record<SigningKeyRecord['state'], string>> = {
  published: 'a key that will sign once this record is seen',
  signing: 'the key that signs the domain’s mail',
  retired: 'a key that signed until lately; its record may go when its mail has arrived',
};

/** RFC 6376 §3.6.1; an Ed25519 key is its 32 octets alone (RFC 8463 §4). */
export function dkimRecord({ algorithm, privateKey }: Pick<SigningKeyRecord, 'algorithm' | 'privateKey'>): string {
  const spki = createPublicKey(createPrivateKey(privateKey)).export({ type: 'spki', format: 'der' });
  if (algorithm === 'ed25519-sha256') return `v=DKIM1; k=ed25519; p=${spki.subarray(-32).toString('base64')}`;
  return `v=DKIM1; k=rsa; p=${spki.toString('base64')}`;
}

/** As a line of a zone file. */
export function zoneLine({ name, type, value }: Pick<WantedRecord, 'name' | 'type' | 'value'>): string {
  const data = type === 'TXT' ? strings(value) : `${value}.`;
  return `${name}. 3600 IN ${type} ${data}`;
}

function strings(value: string): string {
  const parts: string[] = [];
  for (let at = 0; at < value.length; at += MAX_STRING) parts.push(`"${value.slice(at, at + MAX_STRING)}"`);
  return parts.length > 1 ? `( ${parts.join(' ')} )` : (parts[0] ?? '""');
}
