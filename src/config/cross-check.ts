/** What is wrong between options that are right each by itself. */

import { resolve } from 'node:path';
import { type Values } from '../lib/schema.ts';
import { type Problem } from '../lib/schema-reading.ts';
import {
  type LIMITS_OPTIONS,
  type LISTENERS_OPTION,
  type LOCAL_OPTIONS,
  type MEMORY_OPTIONS,
  type PICKUP_OPTIONS,
  type RELAY_OPTIONS,
  type SubmissionOptions,
  type TLS_OPTIONS,
} from '../receive/config.ts';
import { type SigningOptions } from '../mailauth/config.ts';
import { type ACME_OPTIONS } from '../acme/config.ts';
import { type MTA_STS_OPTIONS } from '../api/config.ts';
import { type HTTP_OPTIONS } from '../api/config.ts';
import { type QUEUE_OPTIONS } from '../queue/config.ts';
import { type OAuthOptions } from '../oauth/config.ts';
import { type SpoolOptions } from '../spool/config.ts';
import { OAUTH_CHECKS } from './oauth-checks.ts';
import { LISTENER_CHECKS } from './listener-checks.ts';
import { LOCAL_CHECKS } from './local-checks.ts';
import { ORDER_CHECKS } from './order-checks.ts';
import { ROUTE_CHECKS } from './route-checks.ts';
import { TLS_CHECKS } from './tls-checks.ts';
import { wrong } from './problems.ts';
import { coversDomain } from './route-order.ts';
import { type RouteOptions } from './routes.ts';
import { loginsAreEncrypted, pinsAreDemanded } from './route-tls-checks.ts';
import { refusedOrRepaired } from './submission-checks.ts';
import { signingKeysAreNamedOnce, signingRulesMatch } from './signing-checks.ts';

export interface Checkable {
  readonly hostname: string;
  readonly listeners: Values<typeof LISTENERS_OPTION>;
  readonly tls: Values<typeof TLS_OPTIONS>;
  readonly acme: Values<typeof ACME_OPTIONS>;
  readonly mtaSts: Values<typeof MTA_STS_OPTIONS>;
  readonly relay: Values<typeof RELAY_OPTIONS>;
  readonly local: Values<typeof LOCAL_OPTIONS>;
  readonly routes: readonly RouteOptions[];
  readonly http: Values<typeof HTTP_OPTIONS>;
  readonly memory: Values<typeof MEMORY_OPTIONS>;
  readonly pickup: Values<typeof PICKUP_OPTIONS>;
  readonly submission: SubmissionOptions;
  readonly spool: SpoolOptions;
  readonly signing: SigningOptions;
  readonly oauth: OAuthOptions;
  readonly queue: Values<typeof QUEUE_OPTIONS>;
  readonly limits: Values<typeof LIMITS_OPTIONS>;
}

type Check = (config: Checkable) => readonly Problem[];

const CHECKS: readonly Check[] = [
  ...LISTENER_CHECKS,
  separatePorts,
  ...TLS_CHECKS,
  ...OAUTH_CHECKS,
  noOpenRelay,
  ...ROUTE_CHECKS,
  ...ORDER_CHECKS,
  localRouteExists,
  localDomainsDelivered,
  localOrRelayed,
  ...LOCAL_CHECKS,
  paceRulesAreNamedOnce,
  loginsAreEncrypted,
  pinsAreDemanded,
  relayIsNoMailbox,
  spillIsInOrder,
  pickupIsOutside,
  refusedOrRepaired,
  signingKeysAreNamedOnce,
  signingRulesMatch,
];

export function crossCheck(config: Checkable): readonly Problem[] {
  return CHECKS.flatMap((check) => check(config));
}

const EVERY_ADDRESS = new Set(['::', '0.0.0.0']);

function separatePorts({ listeners, http }: Checkable): readonly Problem[] {
  const web = http.enabled ? [{ path: 'http.port', host: http.host, port: http.port }] : [];
  const all = [...listeners.map(({ host, port }, i) => ({ path: `listeners[${i}].port`, host, port })), ...web];
  return all.flatMap((one, i) => {
    const other = all.slice(0, i).find(({ port, host }) => port !== 0 && port === one.port && overlap(host, one.host));
    if (other === undefined) return [];
    return [wrong(one.path, `port ${one.port} is taken by ${other.path.replace(/\.port$/, '')}`, 'choose another')];
  });
}

function overlap(a: string, b: string): boolean {
  return a === b || EVERY_ADDRESS.has(a) || EVERY_ADDRESS.has(b);
}

// Wider than any network that one operator answers for; halves of the Internet count as all of it.
const WIDEST_IPV4 = 8;
const WIDEST_IPV6 = 16;

function noOpenRelay({ relay }: Checkable): readonly Problem[] {
  if (relay.openToEveryone) return [];
  return relay.networks.flatMap((network, i) => {
    const [address = '', prefix = '128'] = network.split('/');
    const widest = address.includes(':') ? WIDEST_IPV6 : WIDEST_IPV4;
    if (Number(prefix) >= widest) return [];
    const what = `${network} would let a large part of the Internet send through this server`;
    return [wrong(`relay.networks[${i}]`, what, 'list your own networks, or set relay.openToEveryone: true')];
  });
}

function localRouteExists({ local, routes }: Checkable): readonly Problem[] {
  if (local.route === undefined) return [];
  const route = routes.find(({ name }) => name === local.route);
  if (route === undefined) {
    const names =
      routes.length === 0 ? 'there are no routes' : `the routes are ${routes.map((r) => r.name).join(', ')}`;
    return [wrong('local.route', `there is no route called ${local.route}`, `write its name; ${names}`)];
  }
  if (route.kind !== 'mx') return [];
  const what = `route ${route.name} goes by MX records, which lead here: mail for local domains would go round in a circle`;
  return [wrong('local.route', what, 'name a route of kind maildir, lmtp, pipe, smarthost or discard')];
}

function localDomainsDelivered({ local, routes }: Checkable): readonly Problem[] {
  if (local.route !== undefined) {
    const patterns = routes.find(({ name }) => name === local.route)?.match.recipients;
    return undelivered(local.domains, patterns ?? local.domains, routes);
  }
  return undelivered(local.domains, [], routes);
}

function undelivered(
  domains: readonly string[],
  byLocalRoute: readonly string[],
  routes: readonly RouteOptions[],
): readonly Problem[] {
  const patterns = [
    ...byLocalRoute,
    ...routes.flatMap(({ kind, match }) => (kind === 'mx' ? [] : (match.recipients ?? []))),
  ];
  return domains.flatMap((domain, i) => {
    if (coversDomain(patterns, domain)) return [];
    const fix = 'set local.route to the name of a route of kind maildir, lmtp or pipe';
    return [wrong(`local.domains[${i}]`, `no route takes mail for ${domain} to its mailboxes`, fix)];
  });
}

function localOrRelayed({ local, relay }: Checkable): readonly Problem[] {
  return relay.domains.flatMap((domain, i) =>
    local.domains.includes(domain)
      ? [wrong(`relay.domains[${i}]`, `${domain} is a local domain too`, 'leave it in one of the two lists')]
      : [],
  );
}

function paceRulesAreNamedOnce({ queue }: Checkable): readonly Problem[] {
  return queue.pace.rules.flatMap(({ name, match }, i) => {
    const path = `queue.pace.rules[${i}]`;
    const twice = queue.pace.rules.findIndex((rule) => rule.name === name) !== i;
    return [
      ...(twice ? [wrong(`${path}.name`, `another rule is called ${name} too`, 'give each a name of its own')] : []),
      ...(Object.keys(match).length === 0
        ? [
            wrong(
              `${path}.match`,
              'it matches nothing',
              'write domains, mxSuffixes or sites; for all use queue.pace.defaults',
            ),
          ]
        : []),
    ];
  });
}

function relayIsNoMailbox({ local, routes }: Checkable): readonly Problem[] {
  const i = routes.findIndex(({ kind, name }) => kind === 'relay' && name === local.route);
  if (i === -1 || Object.keys(local.aliases).length === 0) return [];
  const what = 'a stateless relay keeps nothing and cannot expand aliases';
  return [wrong('local.route', what, 'name a route of another kind (smarthost), or remove local.aliases')];
}

function spillIsInOrder({ memory }: Checkable): readonly Problem[] {
  if (memory.tightSpillAt > memory.spillAt)
    return [wrong('memory.tightSpillAt', 'it is more than memory.spillAt', 'write less than that')];
  if (memory.spillAt <= memory.content) return [];
  return [wrong('memory.spillAt', 'it is more than memory.content', 'write less than that')];
}

/** The spool is closed to other users, and what is in it is nobody's to write. */
function pickupIsOutside({ pickup, spool }: Checkable): readonly Problem[] {
  if (pickup.folder === undefined) return [];
  // Both are relative to the same folder, whichever that is.
  const [folder, closed] = [resolve('/', pickup.folder), resolve('/', spool.folder)];
  if (folder !== closed && !folder.startsWith(`${closed}/`) && !closed.startsWith(`${folder}/`)) return [];
  const what = 'other users could not reach it, or would reach the spool';
  return [wrong('pickup.folder', what, 'name a folder outside of spool.folder, such as /var/spool/postrider')];
}
