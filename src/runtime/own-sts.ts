/** The MTA-STS policy of our own domains, as the configuration has it. */

import { type Config } from '../config/config.ts';
import { SECOND } from '../lib/time.ts';
import { type StsPolicy } from '../mail/sts-policy.ts';
import { formatStsPolicy } from '../tlspolicy/mta-sts.ts';

/** Undefined: none is served. */
export function ownStsPolicy({ mtaSts, hostname }: Pick<Config, 'mtaSts' | 'hostname'>): StsPolicy | undefined {
  const { mode, maxAge, mx } = mtaSts;
  if (mode === 'off') return undefined;
  return { mode, mx: mode === 'none' ? [] : mx.length === 0 ? [hostname] : mx, maxAge: Math.floor(maxAge / SECOND) };
}

/** That of one domain; undefined: mail for it does not come here, or no policy is served. */
export function stsPolicyOf(config: Config, domain: string): StsPolicy | undefined {
  return isReceived(config, domain) ? ownStsPolicy(config) : undefined;
}

/** What is served for a domain. */
export function ownStsText(config: Config, domain: string): string | undefined {
  const policy = stsPolicyOf(config, domain);
  return policy === undefined ? undefined : formatStsPolicy(policy);
}

/** Whether mail for a domain is taken from anybody. */
export function isReceived({ local, relay }: Pick<Config, 'local' | 'relay'>, domain: string): boolean {
  return [...local.domains, ...relay.domains].some((each) => each === domain);
}
