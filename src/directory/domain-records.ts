/**
 * The DNS records that a domain needs so that its mail is taken for its own: what they say, and what is wrong with
 * those that are there.
 *
 * RFC 6376 §3.6 and RFC 8463 §4 (keys), RFC 7208 §3 (SPF), RFC 9989 (DMARC), RFC 8461 §3.1 (MTA-STS), RFC 8460 §3
 * (TLS-RPT).
 */

import { createPrivateKey, createPublicKey } from 'node:crypto';
import { type SigningKeyRecord } from './directory.ts';
import { type Domain } from '../mail/domain.ts';
import { type DnsAnswer, type MxRecord, type Resolver } from '../ports/resolver.ts';
import { spfProblem, spfTexts } from './spf-record.ts';

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

export interface CheckedRecord extends WantedRecord {
  /** Absent: it is right. */
  readonly problem: string | undefined;
}

export interface DomainFacts {
  readonly domain: Domain;
  readonly hostname: string;
  readonly keys: readonly SigningKeyRecord[];
  /** `v=STSv1; id=…` of the policy that we serve for it; undefined when we serve none. */
  readonly stsRecord: string | undefined;
}

/** A character-string of TXT has at most 255 octets (RFC 1035 §3.3.14). */
const MAX_STRING = 255;

export function wantedRecords({ domain, hostname, keys, stsRecord }: DomainFacts): readonly WantedRecord[] {
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
      `v=TLSRPTv1; rua=mailto:postmaster@${domain}`,
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
export function zoneLine({ name, type, value }: WantedRecord): string {
  const data = type === 'TXT' ? strings(value) : `${value}.`;
  return `${name}. 3600 IN ${type} ${data}`;
}

function strings(value: string): string {
  const parts: string[] = [];
  for (let at = 0; at < value.length; at += MAX_STRING) parts.push(`"${value.slice(at, at + MAX_STRING)}"`);
  return parts.length > 1 ? `( ${parts.join(' ')} )` : (parts[0] ?? '""');
}

/** Looks all of them up. */
export async function checkRecords(
  wanted: readonly WantedRecord[],
  resolver: Resolver,
): Promise<readonly CheckedRecord[]> {
  return Promise.all(wanted.map(async (record) => ({ ...record, problem: await problemOf(record, resolver) })));
}

async function problemOf(record: WantedRecord, resolver: Resolver): Promise<string | undefined> {
  if (record.type === 'MX') return mxProblem(record, await resolver.resolve(record.name, 'MX'));
  if (record.type === 'CNAME') return addressProblem(record, resolver);
  const answer = await resolver.resolve(record.name, 'TXT');
  if (answer.kind === 'temporary') return later(record, answer.reason);
  return textProblem(record, answer.kind === 'found' ? answer.records : [], resolver);
}

/** What is wrong with the texts that stand at the name of a record; what they lead to is looked up. */
export async function textProblem(
  record: WantedRecord,
  found: readonly string[],
  resolver: Resolver,
): Promise<string | undefined> {
  switch (record.purpose) {
    case 'dkim':
      return keyProblem(record, found);
    case 'spf':
      return spfRecordProblem(record, found, resolver);
    case 'dmarc':
      return taggedProblem(record, found, { version: 'v=DMARC1', needs: 'p' });
    case 'mtaSts':
      return taggedProblem(record, found, { version: 'v=STSv1', needs: 'id', exact: true });
    default:
      return taggedProblem(record, found, { version: 'v=TLSRPTv1', needs: 'rua' });
  }
}

function keyProblem(record: WantedRecord, found: readonly string[]): string | undefined {
  const keys = found.filter((text) => tagOf(text, 'p') !== undefined);
  const [key, other] = keys;
  if (key === undefined) return missing(record);
  if (other !== undefined) return `${keys.length} keys stand at ${record.name}: leave one`;
  const version = tagOf(key, 'v');
  if (version !== undefined && version !== 'DKIM1') return `v=${version} must be v=DKIM1`;
  if (tagOf(key, 'p') === '') return 'the key is revoked (p= is empty): publish it, or rotate';
  if ((tagOf(key, 'k') ?? 'rsa') !== tagOf(record.value, 'k'))
    return `k= is another algorithm; it must be k=${tagOf(record.value, 'k')}`;
  if (tagOf(key, 'p') !== tagOf(record.value, 'p'))
    return 'it is another key: replace the record, it is often cut short or has spaces lost';
  if ((tagOf(key, 't') ?? '').split(':').includes('y')) return 't=y says that the domain is only testing: take it out';
  return undefined;
}

async function spfRecordProblem(
  record: WantedRecord,
  found: readonly string[],
  resolver: Resolver,
): Promise<string | undefined> {
  const [text, ...others] = spfTexts(found);
  if (text === undefined) return missing(record);
  if (others.length > 0)
    return `${others.length + 1} SPF records stand there, and receivers take that for an error: join them in one`;
  return spfProblem({ domain: record.name, text, wanted: record.value.split(' ')[1] ?? '' }, resolver);
}

interface Tagged {
  readonly version: string;
  readonly needs: string;
  /** The whole value counts. */
  readonly exact?: boolean;
}

function taggedProblem(
  record: WantedRecord,
  found: readonly string[],
  { version, needs, exact }: Tagged,
): string | undefined {
  const records = found.filter((text) => text.replaceAll(' ', '').toLowerCase().startsWith(version.toLowerCase()));
  const [text, other] = records;
  if (text === undefined) return missing(record);
  if (other !== undefined)
    return `${records.length} records begin with ${version}, and receivers take none of them: leave one`;
  if (tagOf(text, needs) === undefined) return `it has no ${needs}=`;
  if (exact === true && tagOf(text, needs) !== tagOf(record.value, needs))
    return `${needs}=${tagOf(text, needs)} is of another policy than the one that is served: ${record.value}`;
  return undefined;
}

function mxProblem(record: WantedRecord, answer: DnsAnswer<MxRecord>): string | undefined {
  if (answer.kind === 'temporary') return later(record, answer.reason);
  const host = record.value.split(' ')[1];
  const hosts = answer.kind === 'found' ? answer.records.map(({ exchange }) => exchange) : [];
  if (hosts.length === 0) return missing(record);
  return hosts.includes(host ?? '') ? undefined : `its MX is ${hosts.join(', ')}: mail for it does not come here`;
}

/** A CNAME has been followed when the answer comes: what counts is that the name leads somewhere. */
async function addressProblem(record: WantedRecord, resolver: Resolver): Promise<string | undefined> {
  const [four, six] = await Promise.all([resolver.resolve(record.name, 'A'), resolver.resolve(record.name, 'AAAA')]);
  if (four.kind === 'found' || six.kind === 'found') return undefined;
  return four.kind === 'temporary' ? later(record, four.reason) : missing(record);
}

function missing({ type, name }: WantedRecord): string {
  return `there is no such ${type} record at ${name}: publish it`;
}

function later({ name }: WantedRecord, reason: string): string {
  return `${name} could not be looked up now: ${reason}`;
}

/** The value of a tag in a list of them, without white space; undefined when it is not there. */
function tagOf(text: string, name: string): string | undefined {
  for (const part of text.split(';')) {
    const [tag, ...value] = part.split('=');
    if (tag?.trim().toLowerCase() === name) return value.join('=').replaceAll(/\s+/g, '');
  }
  return undefined;
}
