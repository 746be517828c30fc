/** The options of the HTTP listener. */

import { domainName, hostOrAddress } from '../mail/config.ts';
import { parsed } from '../lib/parsed.ts';
import { checkedText, choice, count, duration, flag, list, type Values } from '../lib/schema.ts';
import { parseDomain } from '../mail/domain.ts';

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

/** RFC 8461 §3.2. */
const LONGEST_MAX_AGE = 31_557_600_000;

export const MTA_STS_OPTIONS = {
  mode: choice(
    ['off', 'testing', 'enforce', 'none'],
    'off',
    'Off serves nothing. Begin with `testing`, read the reports, then `enforce`. `none` takes a policy back, for as long as its `maxAge` was.',
  ),
  maxAge: duration('7d', 'How long others keep the policy; weeks once it is known to be right.', {
    min: 1000,
    max: LONGEST_MAX_AGE,
  }),
  mx: list(
    checkedText('mx.example.com', 'A host of the MX records, or `*.` and a domain.', {
      expected: 'a host name, or *. and a domain',
      parse: (value) => {
        const name = parseDomain(value.replace(/^\*\./, ''));
        return name.ok ? parsed(value.startsWith('*.') ? `*.${name.value}` : name.value) : name;
      },
    }),
    [],
    'The hosts that the MX records of the domains name. None: `hostname` alone.',
  ),
  https: flag(
    false,
    'Whether the policy is served by HTTPS by this server itself, with a certificate for `mta-sts.` and the domain (`tls.certificates` or ACME). Otherwise the HTTP listener has it, for a web server in front.',
  ),
  httpsHost: hostOrAddress('::', 'Address to listen on for it.'),
  httpsPort: count(443, 'Port to listen on for it; others fetch from port 443. 0 lets the system choose.', {
    max: 65_535,
  }),
};

export type HttpOptions = Values<typeof HTTP_OPTIONS>;
