/** The options of ACME (RFC 8555): a certificate that is ordered and renewed by the server itself. */

import { checkedText, choice, count, fileName, flag, list, optional, text, type Values } from '../lib/schema.ts';
import { parsed, unparsed } from '../lib/parsed.ts';
import { domainName, hostOrAddress, wholeAddress } from '../mail/config.ts';

const CHALLENGES = ['http-01', 'tls-alpn-01'] as const;
export type ChallengeKind = (typeof CHALLENGES)[number];

const directory = checkedText(
  'https://acme-v02.api.letsencrypt.org/directory',
  'The directory of the authority; Let’s Encrypt where it is not given.',
  {
    expected: 'an https address',
    parse: (value) =>
      URL.canParse(value) && new URL(value).protocol === 'https:' ? parsed(value) : unparsed('no https address'),
  },
);

export const ACME_OPTIONS = {
  enabled: flag(
    false,
    'Whether a certificate is ordered. It is used before `tls.certificates`, behind `tls.certificate`.',
  ),
  directory,
  agreeToTerms: flag(false, 'Whether you agree to the terms of the authority, which its directory names.'),
  email: optional(wholeAddress('admin@example.com', 'Where the authority may write to about the account.')),
  names: list(
    domainName('mx.example.com', 'A host name.'),
    [],
    'The names in the certificate, all of which must lead to this server. Not given: `hostname`.',
  ),
  challenge: choice(
    CHALLENGES,
    'http-01',
    'How the authority sees that a name is ours: a file by HTTP on port 80, or a TLS handshake on port 443.',
  ),
  host: hostOrAddress('::', 'Address to listen on for the challenge, which is open only while there is an order.'),
  httpPort: count(80, 'Port for `http-01`; the authority comes to port 80.', { min: 1, max: 65_535 }),
  tlsPort: count(443, 'Port for `tls-alpn-01`; the authority comes to port 443.', { min: 1, max: 65_535 }),
  keyType: choice(['ecdsa', 'rsa'], 'ecdsa', 'Kind of a new key: ECDSA P-256, or RSA with 2048 bits.'),
  keepKey: flag(
    true,
    'Whether a renewal keeps the key, so that TLSA records stay as they are. Otherwise the next key is made a renewal ahead: `postrider certificate tlsa` prints its record in time.',
  ),
  ca: optional(
    fileName('/etc/postrider/tls/acme-ca.pem', 'PEM file with the authorities to trust when asking the directory.'),
  ),
  externalKeyId: optional(text('kid-1', 'Id of an external account, for authorities that ask for one.')),
  externalKeyFile: optional(
    fileName('/etc/postrider/acme-hmac', 'File with its key, base64url as the authority gives it.'),
  ),
};

export type AcmeOptions = Values<typeof ACME_OPTIONS>;
