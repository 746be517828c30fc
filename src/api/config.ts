/** The options of the HTTP listener. */

import { domainName, hostOrAddress } from '../mail/config.ts';
import { count, flag, list, type Values } from '../lib/schema.ts';

export const HTTP_OPTIONS = {
  enabled: flag(true, 'Whether to listen at all.'),
  host: hostOrAddress(
    '127.0.0.1',
    'Address to listen on. There is no authentication yet: whoever reaches it is an administrator.',
  ),
  port: count(8025, 'Port to listen on; 0 lets the system choose.', { max: 65_535 }),
  names: list(
    domainName('mail.example.com', 'A name.'),
    [],
    'Names under which it may be called, next to loopback names and its own address; a request for another is refused.',
  ),
};

export type HttpOptions = Values<typeof HTTP_OPTIONS>;
