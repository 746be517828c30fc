/** Puts together how tokens are checked, as the configuration says. */

import { type Clock } from '../ports/clock.ts';
import { type Timers } from '../ports/timers.ts';
import { type Checked } from './claims.ts';
import { type OAuthOptions } from './config.ts';
import { ask, type HttpOptions } from './http.ts';
import { IntrospectionCheck } from './introspection.ts';
import { JwtCheck } from './jwt.ts';
import { FetchedKeys, fixedKeys, keysIn, type KeySet } from './key-set.ts';
import { Tokens } from './tokens.ts';

/** The options, with what stands in their files. */
export interface OAuthSettings extends OAuthOptions {
  readonly files: {
    readonly jwks: string | undefined;
    readonly secret: string | undefined;
    readonly ca: string | undefined;
  };
}

export interface TokensDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly key: Uint8Array;
}

/** Whether tokens can be checked at all. */
export function checksTokens({ jwksUrl, jwksFile, introspection }: OAuthOptions): boolean {
  return (jwksUrl ?? jwksFile ?? introspection.url) !== undefined;
}

/** Throws for a file that holds no keys. */
export function makeTokens(settings: OAuthSettings, { clock, timers, key }: TokensDeps): Tokens | undefined {
  const check = checkOf(settings, { clock, http: { timers, timeout: settings.timeout, ca: settings.files.ca } });
  return check && new Tokens({ check, remember: settings.remember, clock, key });
}

interface CheckDeps {
  readonly clock: Clock;
  readonly http: HttpOptions;
}

function checkOf(settings: OAuthSettings, deps: CheckDeps): ((token: string) => Promise<Checked>) | undefined {
  const { issuer, introspection, files } = settings;
  const keys = keysOf(settings, deps);
  if (keys !== undefined && issuer !== undefined) {
    const jwt = new JwtCheck({ ...settings, issuer }, keys, deps.clock);
    return (token) => jwt.check(token);
  }
  const { url, clientId } = introspection;
  const { secret } = files;
  if (url === undefined || clientId === undefined || secret === undefined) return undefined;
  const asking = new IntrospectionCheck({ ...settings, url, clientId, secret }, deps.http, deps.clock);
  return (token) => asking.check(token);
}

function keysOf({ jwksUrl: url, files }: OAuthSettings, { clock, http }: CheckDeps): KeySet | undefined {
  if (files.jwks !== undefined) return fixedKeys(keysIn(files.jwks));
  return url === undefined ? undefined : new FetchedKeys(() => ask({ url }, http), clock);
}
