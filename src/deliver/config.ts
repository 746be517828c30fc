/** The options of delivering: where we send from, how long a receiver may take (RFC 5321 §4.5.3.2), and how it is reached. */

import { hostOrAddress, ipAddress } from '../mail/config.ts';
import { choice, count, duration, fileName, flag, group, optional } from '../lib/schema.ts';
import { DAY, SECOND } from '../lib/time.ts';
import { formatDuration } from '../lib/schema-units.ts';
import { DEFAULT_TIMEOUTS, type DeliveryTimeouts } from './options.ts';

const DOCS: Readonly<Record<keyof DeliveryTimeouts, string>> = {
  connect: 'Until a connection is made.',
  greeting: 'Until the greeting.',
  command: 'Until the reply to EHLO, STARTTLS, AUTH, MAIL, RCPT, RSET.',
  handshake: 'For the TLS handshake.',
  data: 'Until the reply to DATA.',
  block: 'Until a block of content has been taken.',
  final: 'Until the reply to the end of the content.',
  quit: 'Until the reply to QUIT.',
  total: 'For one message from beginning to end.',
};

function timeout(name: keyof DeliveryTimeouts) {
  return duration(formatDuration(DEFAULT_TIMEOUTS[name]), DOCS[name], { min: 10 });
}

export const DELIVER_OPTIONS = {
  helloName: optional(
    hostOrAddress('mx.example.com', 'What we call ourselves to receivers. Not given: the host name.'),
  ),
  address4: optional(ipAddress(4, '192.0.2.25', 'IPv4 address to send from. Not given: the system chooses.')),
  address6: optional(ipAddress(6, '2001:db8::25', 'IPv6 address to send from. Not given: the system chooses.')),
  addressesPerAttempt: count(10, 'Addresses dialled in one attempt.', { min: 1, max: 100 }),
  hostsPerAttempt: count(5, 'Servers spoken to in one attempt that refuse the session.', { min: 1, max: 100 }),
  signedContent: choice(
    ['convert', 'fail'],
    'convert',
    'A message that is signed by DKIM and 8-bit, to a receiver that takes 7 bits: convert it, so that it arrives and the signature does not verify, or return it.',
  ),
  tls: group(
    {
      ca: optional(
        fileName('/etc/postrider/tls/ca.pem', 'PEM file with the authorities to trust, in place of the usual ones.'),
      ),
      minVersion: choice(['TLSv1.2', 'TLSv1.3'], 'TLSv1.2', 'The oldest version spoken to receivers.'),
      downgrade: choice(
        ['tell', 'defer', 'ignore'],
        'tell',
        'A receiver that offered encryption within the last month and does not now: send in clear and tell it by an event, let the mail wait, or take no notice.',
      ),
      resumption: group(
        {
          enabled: flag(
            true,
            'Whether a TLS session is resumed on the next connection to the same server. Never where a certificate must be looked at: DANE, MTA-STS, REQUIRETLS, fingerprints.',
          ),
          lifetime: duration('1h', 'From one full handshake with a server to the next.', { min: SECOND, max: DAY }),
          sessions: count(2000, 'Sessions that each worker keeps, of some 2 KB each.', { min: 1, max: 100_000 }),
        },
        'Sessions that servers are ready to resume, which saves both sides most of a handshake.',
      ),
    },
    'Encryption to receivers.',
  ),
  mtaSts: group(
    {
      enabled: flag(
        true,
        'Whether to ask domains for a policy, and to obey it: with `enforce`, mail goes only to the hosts that it names, and only with a valid certificate.',
      ),
      ca: optional(
        fileName(
          '/etc/postrider/tls/ca.pem',
          'PEM file with the authorities to trust for policies, in place of the usual ones.',
        ),
      ),
      port: count(443, 'Port to fetch policies from: for tests.', { min: 1, max: 65_535 }),
      privateAddresses: flag(
        false,
        'Whether a policy may be fetched from a loopback or private address: for tests, and networks of their own.',
      ),
    },
    'MTA-STS (RFC 8461) of the domains that mail goes to.',
  ),
  timeouts: group(
    {
      connect: timeout('connect'),
      greeting: timeout('greeting'),
      command: timeout('command'),
      handshake: timeout('handshake'),
      data: timeout('data'),
      block: timeout('block'),
      final: timeout('final'),
      quit: timeout('quit'),
      total: timeout('total'),
    },
    'How long a receiver may take.',
  ),
};
