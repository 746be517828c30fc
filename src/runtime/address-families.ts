/** The words of `dns.family` as delivering has them. */

import { type Config } from '../config/config.ts';
import { type AddressFamily } from '../deliver/smtp/addresses.ts';

export const FAMILIES: Readonly<Record<Config['dns']['family'], AddressFamily>> = {
  both: 'both',
  ipv4: 'ipv4',
  ipv6: 'ipv6',
  preferIpv4: 'ipv4First',
  preferIpv6: 'ipv6First',
};
