/** What the configuration says of the records of domains. */

import { type Config } from '../config/config.ts';
import { type AddressType } from '../directory/host-addresses.ts';
import { stsRecordText } from '../tlspolicy/mta-sts.ts';
import { type DirectoryFacts } from './directory-operations.ts';
import { ownStsPolicy } from './own-sts.ts';

export function directoryFacts(config: Config): DirectoryFacts {
  return {
    hostname: config.hostname,
    stsRecord: () => stsRecordOf(config),
    sendsBy: sendsBy(config),
    reportsTo: config.tlsReports.address,
  };
}

const TYPES: Readonly<Record<Config['dns']['family'], readonly AddressType[]>> = {
  both: ['A', 'AAAA'],
  preferIpv4: ['A', 'AAAA'],
  preferIpv6: ['A', 'AAAA'],
  ipv4: ['A'],
  ipv6: ['AAAA'],
};

/** From the addresses of which kinds mail leaves for the hosts of others; a smarthost has its own, which are not known here. */
function sendsBy({ routes, dns }: Config): readonly AddressType[] {
  return routes.some(({ kind }) => kind === 'mx') ? TYPES[dns.family] : [];
}

function stsRecordOf(config: Config): string | undefined {
  const policy = ownStsPolicy(config);
  return policy === undefined ? undefined : stsRecordText(policy);
}
