/** Where mail goes and why it waits: joins routes, look-ups and the scheduler's own words. */

import { type EntryView, type ExplanationView, Refusal, type WayView } from '../api/contract.ts';
import { formatMailbox, type Mailbox } from '../mail/path.ts';
import { type Route } from '../mail/route.ts';
import { type Explanation } from '../queue/scheduling.ts';
import { routingDomainOf } from '../queue/routes.ts';
import { type SiteAnswer } from '../queue/site.ts';
import { ownSite } from './queue-manager/own-site.ts';
import { type RoutePlan } from './route-plan.ts';

export interface Explaining {
  readonly plan: RoutePlan;
  /** The targets of an address: itself, or what the alias map says. */
  readonly expand: (mailbox: Mailbox) => readonly Mailbox[];
  readonly lookUp: (routingDomain: string, route: Route) => Promise<SiteAnswer>;
  readonly entries: (id: string) => Promise<readonly ExplainedEntry[]>;
  /** What the scheduler would say of mail that came now for this domain by this route. */
  readonly standing: (routingDomain: string, route: Route) => Promise<readonly Explanation[]>;
}

export interface ExplainedEntry {
  readonly entry: EntryView;
  readonly explanations: readonly Explanation[];
}

export async function explainMessage(explaining: Explaining, id: string): Promise<ExplanationView> {
  const found = await explaining.entries(id);
  if (found.length === 0)
    throw new Refusal('notFound', `nothing of ${id} waits; \`postrider message ${id}\` tells what became of it`);
  const ways = await Promise.all(found.map((explained) => wayOfEntry(explaining, explained)));
  return { about: id, ways };
}

/** As for a message from outside with no tenant: what the first recipient of a new correspondent would meet. */
export async function explainAddress(explaining: Explaining, mailbox: Mailbox): Promise<ExplanationView> {
  const targets = explaining.expand(mailbox);
  const ways = await Promise.all(targets.map((target) => wayOfAddress(explaining, target)));
  return { about: formatMailbox(mailbox), ways };
}

async function wayOfEntry(explaining: Explaining, { entry, explanations }: ExplainedEntry): Promise<WayView> {
  const route = explaining.plan.byName(entry.route);
  const answer = route === undefined ? undefined : await siteOf(explaining, entry.routingDomain, route);
  return {
    ...{ recipients: entry.recipients, routingDomain: entry.routingDomain, entry },
    ...placeOf(route, answer),
    explanations: [...explanations, ...lookUpWords(answer, route)],
  };
}

async function wayOfAddress(explaining: Explaining, target: Mailbox): Promise<WayView> {
  const route = explaining.plan.routeOf(target, { sender: null, tenant: '', clientAddress: '127.0.0.1' });
  const routingDomain = route === undefined ? target.domain : routingDomainOf(route, target);
  const answer = route === undefined ? undefined : await siteOf(explaining, routingDomain, route);
  const standing = route === undefined ? [] : await explaining.standing(routingDomain, route);
  return {
    ...{ recipients: [formatMailbox(target)], routingDomain, entry: undefined },
    ...placeOf(route, answer),
    explanations: [...lookUpWords(answer, route), ...standing],
  };
}

async function siteOf(explaining: Explaining, routingDomain: string, route: Route): Promise<SiteAnswer> {
  return ownSite(route) ?? explaining.lookUp(routingDomain, route);
}

function placeOf(route: Route | undefined, answer: SiteAnswer | undefined): Pick<WayView, 'route' | 'site' | 'hosts'> {
  const found = answer?.kind === 'site' ? answer : undefined;
  return {
    route: route === undefined ? undefined : { name: route.name, kind: route.kind },
    site: found?.site ?? '',
    hosts: found?.hosts ?? [],
  };
}

function lookUpWords(answer: SiteAnswer | undefined, route: Route | undefined): readonly Explanation[] {
  if (answer === undefined) return [];
  if (answer.kind === 'site') return policyWords(answer, route);
  return [{ what: `${answer.kind}: ${answer.status} ${answer.diagnostic}`, by: 'DNS', until: undefined }];
}

/** What the domain publishes of its encryption. */
function policyWords(
  { authenticated, sts }: Extract<SiteAnswer, { kind: 'site' }>,
  route: Route | undefined,
): readonly Explanation[] {
  if (route?.kind !== 'mx' || route.tls === 'none') return [];
  const words: Explanation[] = [];
  if (authenticated)
    words.push({ what: 'DNSSEC vouches for the hosts: their TLSA records are obeyed', by: 'DANE', until: undefined });
  if (sts !== undefined && sts.mode !== 'none') {
    const allowed = sts.mx.length === 0 ? 'none of the hosts' : sts.mx.join(', ');
    words.push({ what: `the policy in mode ${sts.mode} allows ${allowed}`, by: 'MTA-STS', until: undefined });
  }
  return words;
}
