/** Tokens of any form, about which the OAuth server is asked (RFC 7662). */

import { errorText } from '../lib/error-text.ts';
import { type Duration, SECOND } from '../lib/time.ts';
import { type Clock } from '../ports/clock.ts';
import { type Checked, type ClaimRules, type Claims, refused, userIn } from './claims.ts';
import { ask, type HttpOptions } from './http.ts';

export interface IntrospectionRules extends ClaimRules {
  readonly url: string;
  readonly clientId: string;
  readonly secret: string;
  /** Where the answer says whose the token is. */
  readonly issuer: string | undefined;
  /** Empty: the server knows for whom it answers. */
  readonly audience: readonly string[];
  readonly leeway: Duration;
}

/** Questions under way; beyond it nobody is served better by one more. */
const AT_ONCE = 32;

export class IntrospectionCheck {
  readonly #rules: IntrospectionRules;
  readonly #http: HttpOptions;
  readonly #clock: Pick<Clock, 'now'>;
  #underWay = 0;

  constructor(rules: IntrospectionRules, http: HttpOptions, clock: Pick<Clock, 'now'>) {
    this.#rules = rules;
    this.#http = http;
    this.#clock = clock;
  }

  /** Never rejects. */
  async check(token: string): Promise<Checked> {
    if (this.#underWay >= AT_ONCE) return { kind: 'unavailable', reason: 'too many tokens are asked about at once' };
    this.#underWay += 1;
    try {
      return this.#judged(await this.#asked(token));
    } catch (error) {
      const reason = errorText(error);
      return { kind: 'unavailable', reason: `the OAuth server cannot be asked: ${reason}` };
    } finally {
      this.#underWay -= 1;
    }
  }

  async #asked(token: string): Promise<Claims> {
    const { url, clientId, secret } = this.#rules;
    const body = new URLSearchParams({ token, token_type_hint: 'access_token' }).toString();
    const proof = Buffer.from(`${formEncoded(clientId)}:${formEncoded(secret)}`).toString('base64');
    return claimsIn(await ask({ url, body, headers: { authorization: `Basic ${proof}` } }, this.#http));
  }

  #judged(claims: Claims): Checked {
    const { issuer, audience, leeway } = this.#rules;
    const { active, iss, aud, exp, nbf } = claims;
    // Nothing but `true` is: a server that says "true" says something else.
    if (active !== true) return refused('The OAuth server says that the token is not active');
    const now = this.#clock.now();
    if (typeof exp === 'number' && exp * SECOND + leeway <= now) return refused('The token has expired');
    if (typeof nbf === 'number' && nbf * SECOND - leeway > now) return refused('The token is for later');
    if (issuer !== undefined && iss !== undefined && iss !== issuer) return refused('The token has another iss');
    const named: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
    if (audience.length > 0 && !audience.some((each) => named.includes(each)))
      return refused('The token has another aud, or none');
    return userIn(claims, this.#rules);
  }
}

/** Throws for what is no answer. */
function claimsIn(body: string): Claims {
  let claims: unknown;
  try {
    claims = JSON.parse(body);
  } catch {
    // What the parser says quotes the body.
    throw new Error('it answered no JSON');
  }
  if (typeof claims !== 'object' || claims === null || typeof (claims as Claims)['active'] !== 'boolean')
    throw new Error('it answered without "active"');
  return claims as Claims;
}

/** RFC 6749 §2.3.1: name and secret are encoded as in a form before they are put together. */
function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}
