/** What a token says of its user, once it is known to be the OAuth server's. */

import { type Instant, SECOND } from '../lib/time.ts';

/** Claims of a JWT, or the answer of an introspection: as they came. */
export type Claims = Readonly<Record<string, unknown>>;

export interface ClaimRules {
  readonly userClaim: string;
  readonly scope: string | undefined;
}

/** `until`: when the token ends; undefined: it does not say. `reason` quotes nothing of the token. */
export type Checked =
  | { readonly kind: 'user'; readonly user: string; readonly until: Instant | undefined }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string };

export function refused(reason: string): Checked {
  return { kind: 'refused', reason };
}

export function userIn(claims: Claims, { userClaim, scope }: ClaimRules): Checked {
  if (scope !== undefined && !scopesOf(claims).includes(scope)) return refused(`The token lacks the scope ${scope}`);
  const user = Object.hasOwn(claims, userClaim) ? claims[userClaim] : undefined;
  if (typeof user !== 'string' || user === '') return refused(`The token has no ${userClaim} that names a user`);
  // Some servers let anybody write any address until it is verified.
  const { email_verified: verified } = claims;
  if (userClaim === 'email' && (verified === false || verified === 'false'))
    return refused('The address in the token is not verified');
  const { exp } = claims;
  return { kind: 'user', user, until: typeof exp === 'number' ? exp * SECOND : undefined };
}

/** RFC 8693 §4.2: `scope`, parted by spaces; `scp` is how Microsoft says it, and others as a list. */
function scopesOf({ scope, scp }: Claims): readonly unknown[] {
  return [scope, scp].flatMap((each) => (typeof each === 'string' ? each.split(' ') : Array.isArray(each) ? each : []));
}
