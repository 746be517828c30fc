/**
 * The mechanisms that carry a token of OAuth 2.0: OAUTHBEARER (RFC 7628), and XOAUTH2, which came before it and which
 * Google and Microsoft describe. What the token says is found out elsewhere; here it is cut out of the message.
 *
 * A token that is refused is answered by a challenge of JSON, to which the client says anything, and then by the reply
 * (RFC 7628 §3.2.3). Only for an encrypted session: who has the token is its user.
 */

import { REFUSED, type SaslExchange, type SaslStep, SYNTAX } from './sasl.ts';

/** What a client that was refused is told, so that it can get a better token (RFC 7628 §3.2.2). */
export interface BearerHints {
  readonly scope?: string | undefined;
  /** Where the OAuth server describes itself; only with OAUTHBEARER. */
  readonly configuration?: string | undefined;
}

const NOTHING = Buffer.alloc(0);
const SEPARATOR = '\x01';
/** RFC 6750 §2.1: the scheme in any case, and one or more spaces. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;
/** RFC 7628 §3.1: `n` or `y` with an optional authzid. There is no form of this mechanism that binds to a channel. */
const GS2_HEADER = /^[ny],(?:a=([^,]*))?,$/;
const KEY = /^[A-Za-z]+$/;
const VALUE = /^[\x21-\x7e \t\r\n]*$/;
const LONGEST_USER = 320;

export class OAuthBearerExchange implements SaslExchange {
  readonly denial: Buffer;

  constructor({ scope, configuration }: BearerHints = {}) {
    this.denial = json({ status: 'invalid_token', scope, 'openid-configuration': configuration });
  }

  begin(initial: Buffer | undefined): SaslStep {
    return initial === undefined ? { kind: 'challenge', octets: NOTHING } : this.respond(initial);
  }

  respond(response: Buffer): SaslStep {
    const [header = '', ...rest] = textOf(response).split(SEPARATOR);
    const written = GS2_HEADER.exec(header);
    const pairs = pairsOf(rest);
    if (written === null || pairs === undefined) return SYNTAX;
    const user = unescaped(written[1] ?? '');
    const auth = pairs.get('auth');
    if (user === undefined || auth === undefined) return SYNTAX;
    return tokenStep(user === '' ? undefined : user, auth);
  }

  secret(): SaslStep {
    return SYNTAX;
  }
}

export class XOAuth2Exchange implements SaslExchange {
  readonly denial: Buffer;

  constructor({ scope }: BearerHints = {}) {
    this.denial = json({ status: '401', schemes: 'bearer', scope });
  }

  begin(initial: Buffer | undefined): SaslStep {
    return initial === undefined ? { kind: 'challenge', octets: NOTHING } : this.respond(initial);
  }

  respond(response: Buffer): SaslStep {
    const pairs = pairsOf(textOf(response).split(SEPARATOR));
    const user = pairs?.get('user');
    const auth = pairs?.get('auth');
    if (user === undefined || auth === undefined || user === '' || user.length > LONGEST_USER) return SYNTAX;
    return tokenStep(user, auth);
  }

  secret(): SaslStep {
    return SYNTAX;
  }
}

/** An empty one is no error of form: so a client asks where tokens are to be had (RFC 7628 §3.2.2). */
function tokenStep(user: string | undefined, auth: string): SaslStep {
  const token = BEARER.exec(auth)?.[1];
  return token === undefined ? REFUSED : { kind: 'check', check: { kind: 'token', user, token } };
}

/** Each pair ends with a separator, and so do they all. What a key is there for twice, is there for nothing. */
function pairsOf(parts: readonly string[]): ReadonlyMap<string, string> | undefined {
  if (parts.length < 3 || parts.at(-1) !== '' || parts.at(-2) !== '') return undefined;
  const pairs = new Map<string, string>();
  for (const part of parts.slice(0, -2)) {
    const at = part.indexOf('=');
    const key = part.slice(0, Math.max(at, 0)).toLowerCase();
    const value = part.slice(at + 1);
    if (!KEY.test(key) || !VALUE.test(value) || pairs.has(key)) return undefined;
    pairs.set(key, value);
  }
  return pairs;
}

/** Names of users are printable ASCII, and so is all else in these messages. */
function textOf(octets: Buffer): string {
  return octets.toString('latin1');
}

/** `=2C` is a comma and `=3D` an equals sign (RFC 5801 §4); any other `=`, and what is in no name, is an error. */
function unescaped(name: string): string | undefined {
  if (/=(?!2C|3D)/.test(name) || !/^[\x21-\x7e]*$/.test(name) || name.length > LONGEST_USER) return undefined;
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

function json(fields: object): Buffer {
  return Buffer.from(JSON.stringify(fields));
}
