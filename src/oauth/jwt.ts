/** Tokens that are JWTs (RFC 7519, RFC 9068), checked by the keys of their issuer. */

import { errors, jwtVerify, type JWTVerifyGetKey, type JWTVerifyOptions } from 'jose';
import { type Duration, SECOND } from '../lib/time.ts';
import { type Clock } from '../ports/clock.ts';
import { type Checked, type ClaimRules, type Claims, refused, userIn } from './claims.ts';
import { type KeySet } from './key-set.ts';

export interface JwtRules extends ClaimRules {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly algorithms: readonly string[];
  readonly leeway: Duration;
}

export class JwtCheck {
  readonly #rules: JwtRules;
  readonly #keys: KeySet;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(rules: JwtRules, keys: KeySet, clock: Pick<Clock, 'now'>) {
    this.#rules = rules;
    this.#keys = keys;
    this.#clock = clock;
  }

  /** Never rejects. */
  async check(token: string): Promise<Checked> {
    try {
      const keys = await this.#keys.keys();
      return userIn(await this.#claims(token, keys), this.#rules);
    } catch (error) {
      if (error instanceof errors.JOSEError) return refused(reasonOf(error));
      return { kind: 'unavailable', reason: `the keys of the issuer cannot be had: ${String(error)}` };
    }
  }

  async #claims(token: string, keys: JWTVerifyGetKey): Promise<Claims> {
    try {
      return await this.#verified(token, keys);
    } catch (error) {
      const newer = error instanceof errors.JWKSNoMatchingKey ? await this.#keys.newer(keys) : undefined;
      if (newer === undefined) throw error;
      return this.#verified(token, newer);
    }
  }

  async #verified(token: string, keys: JWTVerifyGetKey): Promise<Claims> {
    const { issuer, audience, algorithms, leeway } = this.#rules;
    const options = {
      ...{ issuer, audience: [...audience], algorithms: [...algorithms], clockTolerance: leeway / SECOND },
      ...{ currentDate: new Date(this.#clock.now()), requiredClaims: ['exp'] },
    };
    try {
      return (await jwtVerify(token, keys, options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      return byOneOf(error, token, options);
    }
  }
}

/** A token that does not say which of several keys: one of them must fit. */
async function byOneOf(
  keys: errors.JWKSMultipleMatchingKeys,
  token: string,
  options: JWTVerifyOptions,
): Promise<Claims> {
  for await (const key of keys) {
    try {
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      // The next may fit.
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
    }
  }
  throw new errors.JWSSignatureVerificationFailed();
}

/** For the operator. The library's own words may quote the token. */
function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired';
  if (error instanceof errors.JWTClaimValidationFailed) return `The token has another ${claimOf(error.claim)}, or none`;
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'The signature of the token is wrong';
  if (error instanceof errors.JWKSNoMatchingKey) return 'The token is signed by a key that is none of the issuer’s';
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'The token is signed by an algorithm that is not in oauth.algorithms';
  return 'The token is no JWT that can be checked';
}

function claimOf(claim: string): string {
  return ['iss', 'aud', 'exp', 'nbf', 'iat'].includes(claim) ? claim : 'claim';
}
