/** What the DNS of the small internet knows: a few domains under `test`, and that nothing else exists. */

import { isIP } from 'node:net';
import { RCODE, type DecodedQuery, type NewReply } from '../wire/dns/message.ts';
import { type RecordData, recordTypeOf, type ResourceRecord } from '../wire/dns/record.ts';
import { hostOf } from './receivers.ts';

const TTL = 60;
const ROOT: ResourceRecord = {
  name: 'test',
  type: 'SOA',
  ttl: TTL,
  data: { mname: 'dns.test', rname: 'hostmaster.test', minimum: TTL },
};

/** What is at a name; undefined: there is no such name. */
export type Zone = Pick<ReadonlyMap<string, readonly ResourceRecord[]>, 'get'>;
/** The text at a name, for records that come and go while the server runs. */
export type Texts = (name: string) => string | undefined;

/** What is published of the certificate of a domain's host; of such a domain it is said that DNSSEC vouches for it. */
export interface PublishedCertificate {
  readonly domain: string;
  readonly port: number;
  readonly tlsa: RecordData['TLSA'];
}

export interface Published {
  readonly certificates?: readonly PublishedCertificate[];
  /** Domains with an MTA-STS policy, which a web server on this machine has. */
  readonly policies?: readonly string[];
}

/** `addresses`: of the host of each domain. `aliases`: domains of this machine whose mail is taken by the host of another. */
export function zoneOf(
  addresses: ReadonlyMap<string, string>,
  aliases: ReadonlyMap<string, string>,
  { certificates = [], policies = [] }: Published = {},
): Zone {
  const zone = new Map<string, readonly ResourceRecord[]>([['test', [ROOT]]]);
  for (const { domain, port, tlsa } of certificates) {
    const name = `_${port}._tcp.${hostOf(domain)}`;
    zone.set(name, [{ name, type: 'TLSA', ttl: TTL, data: tlsa }]);
  }
  for (const record of policies.flatMap(policyRecords)) zone.set(record.name, [record]);
  for (const [domain, address] of addresses) {
    zone.set(domain, [exchange(domain, hostOf(domain))]);
    zone.set(hostOf(domain), [
      { name: hostOf(domain), type: isIP(address) === 6 ? 'AAAA' : 'A', ttl: TTL, data: address },
    ]);
  }
  for (const [alias, domain] of aliases)
    zone.set(alias, [exchange(alias, hostOf(domain)), { name: alias, type: 'A', ttl: TTL, data: '127.0.0.1' }]);
  return zone;
}

/** The zone with the texts beside its own records. */
export function withTexts(zone: Zone, texts: Texts = () => undefined): Zone {
  return {
    get(name) {
      const own = zone.get(name);
      const data = texts(name);
      return data === undefined ? own : [...(own ?? []), { name, type: 'TXT', ttl: TTL, data }];
    },
  };
}

/** A policy, where it is served, and who wants to be told how sessions went. */
function policyRecords(domain: string): readonly ResourceRecord[] {
  return [
    { name: `_mta-sts.${domain}`, type: 'TXT', ttl: TTL, data: 'v=STSv1; id=1' },
    { name: `mta-sts.${domain}`, type: 'A', ttl: TTL, data: '127.0.0.1' },
    { name: `_smtp._tls.${domain}`, type: 'TXT', ttl: TTL, data: `v=TLSRPTv1; rua=mailto:tls-reports@${domain}` },
  ];
}

/** The signatures are left out: the product trusts a resolver on this machine to have checked them. */
const SIGNED = /(?:^|\.)dane\.test$/;

function exchange(name: string, host: string): ResourceRecord {
  return { name, type: 'MX', ttl: TTL, data: { preference: 10, exchange: host } };
}

/** Never truncated: no answer has more than one record. */
export function answerFrom(zone: Zone, query: DecodedQuery): NewReply {
  const { id, question, recursionDesired, edns } = query;
  const name = question.name.toLowerCase();
  const known = zone.get(name);
  const type = recordTypeOf(question.type);
  const records = known?.filter((record) => record.type === type) ?? [];
  return {
    ...{ id, question, recursionDesired, edns, records },
    authenticated: query.wantsAuthenticated && SIGNED.test(name),
    rcode: known === undefined ? RCODE.nxDomain : RCODE.noError,
    authority: records.length === 0 ? [ROOT] : [],
  };
}
