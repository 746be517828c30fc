/** What works and is likely not meant: told when a configuration is checked, and at each start. */

import { isLoopback } from '../lib/ip.ts';
import { type Problem } from '../lib/schema-reading.ts';
import { type Config } from './config.ts';
import { wrong } from './problems.ts';

export function configWarnings({ http }: Pick<Config, 'http'>): readonly Problem[] {
  if (!http.enabled || http.host === 'localhost' || isLoopback(http.host)) return [];
  const what = `there is no login yet: whoever reaches ${http.host} port ${http.port} is an administrator`;
  return [wrong('http.host', what, "write '127.0.0.1', or let a firewall keep everybody else away")];
}
