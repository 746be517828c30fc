/** The options of logins by tokens of an OAuth 2.0 server. */

import { isLoopback } from '../lib/ip.ts';
import { parsed, unparsed } from '../lib/parsed.ts';
import { checkedText, choice, duration, fileName, group, list, optional, text, type Values } from '../lib/schema.ts';

/** All of them have a public half: with a shared secret everybody who may check tokens could make them. */
export const TOKEN_ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
] as const;

/** In clear text only where nobody can listen in. */
function address(written: string, doc: string) {
  return checkedText(written, doc, {
    expected: 'an https address, or an http one on loopback',
    parse: (value) => (isGuarded(value) ? parsed(value) : unparsed('not https')),
  });
}

function isGuarded(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, hostname, username, password, hash } = new URL(value);
  if (username !== '' || password !== '' || hash !== '') return false;
  const host = hostname.replace(/^\[|\]$/g, '');
  return protocol === 'https:' || (protocol === 'http:' && (host === 'localhost' || isLoopback(host)));
}

export const OAUTH_OPTIONS = {
  issuer: optional(text('https://id.example.com/', 'Who makes the tokens: `iss` in each, to the letter.')),
  audience: list(
    text('postrider', 'A name of ours at the OAuth server.'),
    [],
    'For whom tokens are made: `aud` must name one of these. Without it a token for any other service would do, so it must be written for tokens that are checked by keys.',
  ),
  jwksUrl: optional(
    address(
      'https://id.example.com/jwks',
      'Where the keys of the issuer are (RFC 7517): tokens are JWTs, and checked by them.',
    ),
  ),
  jwksFile: optional(fileName('/etc/postrider/jwks.json', 'The keys of the issuer in a file, in place of `jwksUrl`.')),
  introspection: group(
    {
      url: optional(address('https://id.example.com/introspect', 'Where to ask.')),
      clientId: optional(text('postrider', 'Our name there.')),
      secretFile: optional(fileName('/etc/postrider/oauth-secret', 'File with our secret there, on one line.')),
    },
    'Tokens are checked by asking the OAuth server about each (RFC 7662), in place of keys.',
  ),
  userClaim: text(
    'email',
    'What in a token names the user of the directory: `email`, `sub`, `preferred_username`, … An `email` that the token calls unverified names nobody.',
  ),
  scope: optional(text('mail.send', 'A scope that tokens must have.')),
  algorithms: list(
    choice(TOKEN_ALGORITHMS, 'RS256', 'An algorithm.'),
    ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'],
    'How tokens may be signed (RFC 7518).',
  ),
  leeway: duration('30s', 'How far the clocks may differ.', { max: 300_000 }),
  timeout: duration('5s', 'How long the OAuth server may take; beyond it 454.', { min: 100, max: 60_000 }),
  remember: duration('5m', 'How long a token that was right is not checked again; never beyond its own end.', {
    max: 3_600_000,
  }),
  ca: optional(
    fileName(
      '/etc/postrider/id-ca.pem',
      'PEM file with the authorities of the OAuth server. Not given: those of the system.',
    ),
  ),
};

export type OAuthOptions = Values<typeof OAUTH_OPTIONS>;
