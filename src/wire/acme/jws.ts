/**
 * What ACME signs: requests (RFC 8555 §6.2), the binding to an external account (§7.3.4), key authorizations (§8.1).
 *
 * Account keys are ECDSA P-256 (ES256), which every authority must take.
 */

import { createHash, createHmac, createPublicKey, type KeyObject, sign } from 'node:crypto';

export interface Jwk {
  readonly crv: string;
  readonly kty: string;
  readonly x: string;
  readonly y: string;
}

/** A flattened JWS (RFC 7515 §7.2.2). */
export interface Jws {
  readonly protected: string;
  readonly payload: string;
  readonly signature: string;
}

export interface Signing {
  readonly key: KeyObject;
  /** The account; absent in the request that makes it, which carries the key itself. */
  readonly account: string | undefined;
  readonly nonce: string;
  readonly url: string;
}

/** `undefined` as payload is POST-as-GET (§6.3). */
export function signedRequest(payload: object | undefined, { key, account, nonce, url }: Signing): Jws {
  const who = account === undefined ? { jwk: jwkOf(key) } : { kid: account };
  const head = encoded({ alg: 'ES256', ...who, nonce, url });
  const body = payload === undefined ? '' : encoded(payload);
  const signature = sign('sha256', Buffer.from(`${head}.${body}`), { key, dsaEncoding: 'ieee-p1363' });
  return { protected: head, payload: body, signature: signature.toString('base64url') };
}

export interface ExternalAccount {
  readonly keyId: string;
  /** base64url. */
  readonly key: string;
}

export function externalBinding(key: KeyObject, { keyId, key: secret }: ExternalAccount, url: string): Jws {
  const head = encoded({ alg: 'HS256', kid: keyId, url });
  const body = encoded(jwkOf(key));
  const signature = createHmac('sha256', Buffer.from(secret, 'base64url')).update(`${head}.${body}`);
  return { protected: head, payload: body, signature: signature.digest('base64url') };
}

export function keyAuthorization(token: string, key: KeyObject): string {
  return `${token}.${thumbprint(key)}`;
}

/** RFC 7638: the members in the order of their names. */
function thumbprint(key: KeyObject): string {
  return createHash('sha256')
    .update(JSON.stringify(jwkOf(key)))
    .digest('base64url');
}

function jwkOf(key: KeyObject): Jwk {
  const { crv, kty, x, y } = createPublicKey(key).export({ format: 'jwk' });
  if (crv === undefined || kty === undefined || x === undefined || y === undefined)
    throw new Error('an account key is no ECDSA key');
  return { crv, kty, x, y };
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
