/** The sites of routes that need no DNS: one for each next hop, or for each route that dials nobody. */

import { type Route } from '../../mail/route.ts';
import { type SiteAnswer } from '../../queue/site.ts';

// Nothing outside the configuration can change these.
const TTL = 24 * 60 * 60 * 1000;

/** Undefined: a worker has to look it up. */
export function ownSite(route: Route): SiteAnswer | undefined {
  switch (route.kind) {
    case 'mx':
      return undefined;
    case 'smarthost':
      // Two tenants with different logins on one smarthost are two sites: their connections never mix.
      return site(`${route.host}:${route.port}${route.auth === undefined ? '' : `:${route.auth.user}`}`, route.host);
    case 'relay':
      return site(`${route.host}:${route.port}`, route.host);
    case 'lmtp':
      return 'socket' in route.to
        ? site(`lmtp:${route.to.socket}`, route.to.socket)
        : site(`lmtp:${route.to.host}:${route.to.port}`, route.to.host);
    case 'maildir':
    case 'pipe':
    case 'discard':
    case 'fail':
      return site(`${route.kind}:${route.name}`, route.kind);
  }
}

function site(name: string, host: string): SiteAnswer {
  return { kind: 'site', site: name, hosts: [{ name: host, preference: 0 }], ttl: TTL, authenticated: false };
}
