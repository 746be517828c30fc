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

/** What is served for a domain; undefined: it is none of ours, or no policy is served. */
export function ownStsText(config: Config, domain: string): string | undefined {
  const { local, relay } = config;
  const ours = [...local.domains, ...relay.domains].some((each) => each === domain);
  const policy = ours ? ownStsPolicy(config) : undefined;
  return policy === undefined ? undefined : formatStsPolicy(policy);
}
