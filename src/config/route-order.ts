/**
 * The routes as they are tried: first the one that takes local domains to their mailboxes, then those written, in
 * their order, and in the end, where none of them takes everything, one by MX records.
 */

import { type Route, type RouteMatch } from '../mail/route.ts';
import { type RouteOptions } from './routes.ts';

interface LocalRouting {
  readonly domains: readonly string[];
  readonly route: string | undefined;
}

export function routesInOrder(written: readonly RouteOptions[], local: LocalRouting): readonly Route[] {
  const first = written.flatMap((route) => (route.name === local.route ? [toMailboxes(route, local.domains)] : []));
  const others = written.filter((route) => route.name !== local.route);
  const routes: readonly Route[] = [...first, ...others];
  return routes.some(({ match }) => takesEverything(match)) ? routes : [...routes, lastRoute(routes)];
}

/** A route to mailboxes that does not say what it takes takes the local domains, and nothing else. */
function toMailboxes(route: RouteOptions, domains: readonly string[]): Route {
  return takesEverything(route.match) ? { ...route, match: { recipients: domains } } : route;
}

export function takesEverything({ recipients, senders, tenants, pools, clients }: RouteMatch): boolean {
  const everyRecipient = recipients === undefined || recipients.includes('*');
  return (
    everyRecipient && senders === undefined && tenants === undefined && pools === undefined && clients === undefined
  );
}

function lastRoute(routes: readonly Route[]): Route {
  const taken = new Set(routes.map(({ name }) => name));
  let name = 'mx';
  for (let n = 2; taken.has(name); n++) name = `mx-${n}`;
  return { kind: 'mx', name, match: {}, port: 25, tls: 'opportunistic' };
}

/** Whether one of the patterns takes every recipient in the domain. */
export function coversDomain(patterns: readonly string[], domain: string): boolean {
  return patterns.some(
    (pattern) => pattern === '*' || pattern === domain || (pattern.startsWith('.') && domain.endsWith(pattern)),
  );
}
