/** Turns the options of logins into what listeners and receiving take; reads the files for checking tokens. */

import { errorText } from '../lib/error-text.ts';
import { type Config } from '../config/config.ts';
import { type ClientUsers } from '../receive/client-users.ts';
import { checksTokens, type OAuthSettings } from '../oauth/make-tokens.ts';
import { keysIn } from '../oauth/key-set.ts';
import { type BearerHints } from '../wire/sasl/bearer.ts';
import { type AuthOptions } from '../wire/smtp/server-options.ts';
import { readAuthorities } from './delivery-tls.ts';
import { FileFault, readNamed } from './named-file.ts';

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
  return { ...oauth, files: { jwks: jwksOf(oauth), secret: secretOf(oauth), ca: authoritiesOf(oauth) } };
}

export function jwksOf({ jwksFile: file }: Pick<Config['oauth'], 'jwksFile'>): string | undefined {
  if (file === undefined) return undefined;
  const option = 'oauth.jwksFile';
  const jwks = readNamed({ option, file });
  try {
    keysIn(jwks);
    return jwks;
  } catch (error) {
    const what = `${file} cannot be used: ${errorText(error)}`;
    throw new FileFault(option, [what, "write the issuer's keys (RFC 7517)"], error);
  }
}

export function secretOf({ introspection }: Pick<Config['oauth'], 'introspection'>): string | undefined {
  const file = introspection.secretFile;
  if (file === undefined) return undefined;
  const option = 'oauth.introspection.secretFile';
  const secret = readNamed({ option, file }).trim();
  if (secret === '') throw new FileFault(option, [`${file} is empty`, 'write the secret into it']);
  return secret;
}

export function authoritiesOf({ ca: file }: Pick<Config['oauth'], 'ca'>): string | undefined {
  return file === undefined ? undefined : readAuthorities({ option: 'oauth.ca', file });
}
