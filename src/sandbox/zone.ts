/** What the DNS of the small internet knows: a few domains under `test`, and that nothing else exists. */

import { isIP } from 'node:net';
import { RCODE, type DecodedQuery, type NewReply } from '../wire/dns/message.ts';
import { recordTypeOf, type ResourceRecord } from '../wire/dns/record.ts';
import { hostOf } from './receivers.ts';

const TTL = 60;
const ROOT: ResourceRecord = {
  name: 'test',
  type: 'SOA',
  ttl: TTL,
  data: { mname: 'dns.test', rname: 'hostmaster.test', minimum: TTL },
};

export type Zone = ReadonlyMap<string, readonly ResourceRecord[]>;

/** `addresses`: of the host of each domain. `aliases`: domains whose mail is taken by the host of another. */
export function zoneOf(addresses: ReadonlyMap<string, string>, aliases: ReadonlyMap<string, string>): Zone {
  const zone = new Map<string, readonly ResourceRecord[]>([['test', [ROOT]]]);
  for (const [domain, address] of addresses) {
    zone.set(domain, [exchange(domain, hostOf(domain))]);
    zone.set(hostOf(domain), [
      { name: hostOf(domain), type: isIP(address) === 6 ? 'AAAA' : 'A', ttl: TTL, data: address },
    ]);
  }
  for (const [alias, domain] of aliases) zone.set(alias, [exchange(alias, hostOf(domain))]);
  return zone;
}

function exchange(name: string, host: string): ResourceRecord {
  return { name, type: 'MX', ttl: TTL, data: { preference: 10, exchange: host } };
}

/** Never truncated: no answer has more than one record. */
export function answerFrom(zone: Zone, { id, question, recursionDesired, edns }: DecodedQuery): NewReply {
  const known = zone.get(question.name.toLowerCase());
  const type = recordTypeOf(question.type);
  const records = known?.filter((record) => record.type === type) ?? [];
  return {
    ...{ id, question, recursionDesired, edns, records },
    rcode: known === undefined ? RCODE.nxDomain : RCODE.noError,
    authority: records.length === 0 ? [ROOT] : [],
  };
}
