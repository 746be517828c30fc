/** Zones of many domains that take turns at few sites. */

import { type Zone } from '../../src/sandbox/zone.ts';
import { type ResourceRecord } from '../../src/wire/dns/record.ts';

const TTL = 3600;

export interface Sites {
  /** The mail exchanges are `mx.site<number>.test`, each at its address. */
  readonly sites: number;
  readonly addressOf: (site: number) => string;
  /** The domains are `d<number>.<under>`. */
  readonly domains: number;
  readonly under: string;
}

export function zoneOfSites({ sites, addressOf, domains, under }: Sites): Zone {
  const zone = new Map<string, readonly ResourceRecord[]>();
  for (let site = 0; site < sites; site += 1) {
    const name = `mx.site${site}.test`;
    zone.set(name, [{ name, type: 'A', ttl: TTL, data: addressOf(site) }]);
  }
  for (let domain = 0; domain < domains; domain += 1) {
    const name = `d${domain}.${under}`;
    const exchange = `mx.site${domain % sites}.test`;
    zone.set(name, [{ name, type: 'MX', ttl: TTL, data: { preference: 10, exchange } }]);
  }
  return zone;
}
