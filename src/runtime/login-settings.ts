/** Turns the options of logins into what listeners and receiving take; reads the files for checking tokens. */

import { readFileSync } from 'node:fs';
import { errorText } from '../lib/error-text.ts';
import { type Config } from '../config/config.ts';
import { type ClientUsers } from '../receive/client-users.ts';
import { checksTokens, type OAuthSettings } from '../oauth/make-tokens.ts';
import { keysIn } from '../oauth/key-set.ts';
import { type BearerHints } from '../wire/sasl/bearer.ts';
import { type AuthOptions } from '../wire/smtp/server-options.ts';

export function authOf(
  { auth, authMechanisms, authInClearText }: Config['listeners'][number],
  { tls, oauth }: Pick<Config, 'tls' | 'oauth'>,
): AuthOptions {
  const [certificates, tokens] = [clientUsersOf(tls) !== undefined, checksTokens(oauth)];
  return {
    mechanisms: authMechanisms.filter((name) => {
      if (name === 'EXTERNAL') return certificates;
      return tokens || (name !== 'OAUTHBEARER' && name !== 'XOAUTH2');
    }),
    ...(tokens && { bearer: hintsOf(oauth) }),
    required: auth === 'required',
    clearText: authInClearText ? 'allowed' : 'never',
  };
}

/** Undefined: no certificate logs anybody in. */
export function clientUsersOf({ clientUser, clientUsers }: Config['tls']): ClientUsers | undefined {
  if (clientUser === undefined && clientUsers.length === 0) return undefined;
  return { from: clientUser, byFingerprint: new Map(clientUsers.map(({ fingerprint, user }) => [fingerprint, user])) };
}

function hintsOf({ scope, issuer }: Config['oauth']): BearerHints {
  const isAddress = issuer?.startsWith('https://') === true;
  return {
    scope,
    configuration: isAddress ? `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration` : undefined,
  };
}

/** Throws, with what to do, when a file cannot be used. */
export function oauthSettings(oauth: Config['oauth']): OAuthSettings {
  const jwks = fileOf('oauth.jwksFile', oauth.jwksFile);
  if (jwks !== undefined) checkKeys(jwks, oauth.jwksFile);
  const secret = fileOf('oauth.introspection.secretFile', oauth.introspection.secretFile)?.trim();
  if (secret === '') throw new Error('oauth.introspection.secretFile: is empty; write the secret into it');
  return { ...oauth, files: { jwks, secret, ca: fileOf('oauth.ca', oauth.ca) } };
}

function checkKeys(jwks: string, file = ''): void {
  try {
    keysIn(jwks);
  } catch (error) {
    const why = errorText(error);
    throw new Error(`oauth.jwksFile: ${file} cannot be used: ${why}; write the issuer's keys (RFC 7517)`, {
      cause: error,
    });
  }
}

function fileOf(path: string, file: string | undefined): string | undefined {
  try {
    return file === undefined ? undefined : readFileSync(file, 'utf8');
  } catch (error) {
    const why = errorText(error);
    throw new Error(`${path}: cannot be read: ${why}`, { cause: error });
  }
}
