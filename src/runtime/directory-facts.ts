/** What the configuration says of the records of domains. */

import { type Config } from '../config/config.ts';
import { type AddressType } from '../directory/host-addresses.ts';
import { type Domain } from '../mail/domain.ts';
import { stsRecordText } from '../tlspolicy/mta-sts.ts';
import { type DirectoryFacts } from './directory-operations.ts';
import { isReceived, ownStsPolicy, stsPolicyOf } from './own-sts.ts';

export function directoryFacts(config: Config): DirectoryFacts {
  return {
    hostname: config.hostname,
    stsRecord: (domain) => stsRecordOf(config, domain),
    notes: (domain) => notesOf(config, domain),
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

function stsRecordOf(config: Config, domain: Domain): string | undefined {
  const policy = stsPolicyOf(config, domain);
  return policy === undefined ? undefined : stsRecordText(policy);
}

function notesOf(config: Config, domain: Domain): readonly string[] {
  if (isReceived(config, domain)) return [];
  const refused = `mail for ${domain} is refused here until it stands in local.domains or relay.domains: publish no MX before`;
  if (ownStsPolicy(config) === undefined) return [refused];
  return [refused, `there are no records of MTA-STS: no policy is served for ${domain} until then`];
}
