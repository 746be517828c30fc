/** MTA-STS as the configuration has it. */

import { type Config } from '../config/config.ts';
import { FAMILIES } from './address-families.ts';
import { readAuthorities } from './delivery-tls.ts';
import { type StsSettings } from './sts.ts';

/** Undefined: no policy is asked for. */
export function stsSettings({ deliver, dns }: Config): StsSettings | undefined {
  const { enabled, ca, port, privateAddresses } = deliver.mtaSts;
  if (!enabled) return undefined;
  const pem = ca === undefined ? undefined : readAuthorities({ option: 'deliver.mtaSts.ca', file: ca });
  return { port, ca: pem, privateAddresses, family: FAMILIES[dns.family] };
}
