/** What is wrong between the options of logins by token. */

import { type Problem } from '../lib/schema-reading.ts';
import { type OAuthOptions } from '../oauth/config.ts';
import { type LISTENERS_OPTION } from '../receive/config.ts';
import { type Values } from '../lib/schema.ts';
import { wrong } from './problems.ts';

interface Checkable {
  readonly oauth: OAuthOptions;
  readonly listeners: Values<typeof LISTENERS_OPTION>;
}

export const OAUTH_CHECKS = [
  oneWayOfChecking,
  keysNeedNames,
  someAlgorithm,
  introspectionIsWhole,
  somebodyLogsIn,
] as const;

function waysOf({ jwksUrl, jwksFile, introspection }: OAuthOptions): readonly string[] {
  const ways = { jwksUrl, jwksFile, 'introspection.url': introspection.url };
  return Object.entries(ways).flatMap(([name, value]) => (value === undefined ? [] : [`oauth.${name}`]));
}

function oneWayOfChecking({ oauth }: Checkable): readonly Problem[] {
  const [way, another] = waysOf(oauth);
  if (another !== undefined && way !== undefined)
    return [wrong(another, `${way} checks tokens already`, 'leave one of them out')];
  const { issuer, audience, scope, introspection } = oauth;
  const meant = issuer ?? scope ?? introspection.clientId ?? introspection.secretFile ?? audience[0];
  if (way !== undefined || meant === undefined) return [];
  return [wrong('oauth', 'nothing says how tokens are checked', 'write oauth.jwksUrl, jwksFile or introspection.url')];
}

function keysNeedNames({ oauth }: Checkable): readonly Problem[] {
  if (oauth.jwksUrl === undefined && oauth.jwksFile === undefined) return [];
  const missing: Problem[] = [];
  if (oauth.issuer === undefined)
    missing.push(wrong('oauth.issuer', 'missing, whose tokens they are', "write what stands as 'iss' in them"));
  if (oauth.audience.length === 0)
    missing.push(
      wrong('oauth.audience', 'missing, tokens for any other service would do', "write what stands as 'aud' in them"),
    );
  return missing;
}

function someAlgorithm({ oauth }: Checkable): readonly Problem[] {
  if (oauth.algorithms.length > 0) return [];
  return [wrong('oauth.algorithms', 'no token could be right', 'leave it out, or name at least one')];
}

function introspectionIsWhole({ oauth: { introspection } }: Checkable): readonly Problem[] {
  if (introspection.url === undefined) return [];
  const missing = (['clientId', 'secretFile'] as const).filter((name) => introspection[name] === undefined);
  return missing.map((name) =>
    wrong(`oauth.introspection.${name}`, 'missing, the OAuth server answers only those it knows', 'write it'),
  );
}

function somebodyLogsIn({ oauth, listeners }: Checkable): readonly Problem[] {
  const [way] = waysOf(oauth);
  const may = listeners.some(
    ({ auth, authMechanisms }) =>
      auth !== 'off' && (authMechanisms.includes('OAUTHBEARER') || authMechanisms.includes('XOAUTH2')),
  );
  if (way === undefined || may) return [];
  return [wrong(way, 'no listener takes logins by token', "write auth: 'required' at a listener")];
}
