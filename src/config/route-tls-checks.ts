/** What is wrong between a route's encryption and what it is used for. */

import { isLoopback } from '../lib/ip.ts';
import { type Problem } from '../lib/schema-reading.ts';
import { wrong } from './problems.ts';
import { type RouteOptions } from './routes.ts';

interface WithRoutes {
  readonly routes: readonly RouteOptions[];
}

export function loginsAreEncrypted({ routes }: WithRoutes): readonly Problem[] {
  return routes.flatMap((route, i) => {
    if (route.kind !== 'smarthost' || route.auth === undefined || isLoopback(route.host)) return [];
    if (route.tls === 'verify' || route.tls === 'encrypt' || route.tls === 'dane') return [];
    return [wrong(`routes[${i}].tls`, `a login needs encryption, and this is '${route.tls}'`, "write 'verify'")];
  });
}

export function pinsAreDemanded({ routes }: WithRoutes): readonly Problem[] {
  return routes.flatMap((route, i) => {
    if (!('tlsOptions' in route) || (route.tlsOptions?.fingerprints ?? []).length === 0) return [];
    if (route.tls === 'verify' || route.tls === 'dane') return [];
    const what = `fingerprints are demanded, and '${route.tls}' takes a server without them`;
    return [wrong(`routes[${i}].tls`, what, "write 'verify'")];
  });
}
