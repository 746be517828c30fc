/** What is wrong among routes: names, logins, and what is never taken. */

import { type Problem } from '../lib/schema-reading.ts';
import { repeated, wrong } from './problems.ts';
import { takesEverything } from './route-order.ts';
import { type RouteOptions } from './routes.ts';

interface Checkable {
  readonly routes: readonly RouteOptions[];
  readonly local: { readonly route: string | undefined };
}

export const ROUTE_CHECKS = [uniqueRoutes, routesAreReached, matchesHaveElements, passwordsAreThere] as const;

function uniqueRoutes({ routes }: Checkable): readonly Problem[] {
  return repeated(routes.map(({ name }) => name)).map(([i, name]) =>
    wrong(`routes[${i}].name`, `another route is called ${name} too`, 'give each a name of its own'),
  );
}

/** The route to the mailboxes is tried first wherever it stands, and takes no more than local domains. */
function routesAreReached({ routes, local }: Checkable): readonly Problem[] {
  const first = routes.find(({ name, match }) => name !== local.route && takesEverything(match));
  if (first === undefined) return [];
  const at = routes.indexOf(first);
  return routes.flatMap(({ name }, i) => {
    if (i <= at || name === local.route || name === first.name) return [];
    const what = `nothing ever goes by ${name}: routes[${at}], ${first.name}, stands before it and takes everything`;
    return [wrong(`routes[${i}]`, what, `put it before ${first.name}, or let that have a match`)];
  });
}

function matchesHaveElements({ routes }: Checkable): readonly Problem[] {
  return routes.flatMap(({ match }, i) =>
    Object.entries(match).flatMap(([name, list]) =>
      list.length > 0 ? [] : [wrong(`routes[${i}].match.${name}`, 'it matches nothing', 'leave it out, or name some')],
    ),
  );
}

function passwordsAreThere({ routes }: Checkable): readonly Problem[] {
  return routes.flatMap((route, i) => {
    if (route.kind !== 'smarthost' || route.auth === undefined || route.auth.password !== '') return [];
    const fix = 'set the variable that it comes from, if it comes from one';
    return [wrong(`routes[${i}].auth.password`, 'it is empty, and the login would be refused', fix)];
  });
}
