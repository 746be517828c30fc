/**
 * Which way a recipient goes, and how the recipients of a message become entries.
 *
 * The first route that matches is taken. A queue is named by the *routing* domain: for MX routes the domain of
 * the recipients, for the others the next hop's name, because that is what waits together and fails together.
 */

import { type Networks } from '../lib/ip.ts';
import { type Instant } from '../lib/time.ts';
import { MAX_ENTRY_RECIPIENTS, type Entry, type EntryId, type EntryRecipient } from '../mail/entry.ts';
import { formatMailbox, type Mailbox, type ReversePath } from '../mail/path.ts';
import { type PriorityClass } from '../mail/priority-class.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { queueName } from '../mail/queue-name.ts';
import { type Route } from '../mail/route.ts';
import { anyAddress, type AddressTest } from '../mail/address-pattern.ts';
import { type RetryOptions } from './retry.ts';

export interface RouteFacts {
  readonly sender: ReversePath;
  readonly tenant: string;
  /** Textual IP address; `''` for mail made here. */
  readonly clientAddress: string;
}

interface CompiledRoute {
  readonly route: Route;
  readonly recipients: AddressTest | undefined;
  readonly senders: AddressTest | undefined;
  readonly tenants: ReadonlySet<string> | undefined;
  readonly clients: Pick<Networks, 'contains'> | undefined;
}

/** The routes of a configuration in their order, ready to be asked. */
export interface Routes {
  readonly compiled: readonly CompiledRoute[];
  readonly byName: ReadonlyMap<string, Route>;
}

/** `networks` makes a set of a list of networks that the configuration has checked. */
export function compileRoutes(
  routes: readonly Route[],
  networks: (list: readonly string[]) => Pick<Networks, 'contains'>,
): Routes {
  const compiled = routes.map((route) => {
    const { recipients, senders, tenants, clients } = route.match;
    return {
      route,
      recipients: recipients && anyAddress(recipients),
      senders: senders && anyAddress(senders),
      tenants: tenants && new Set(tenants),
      clients: clients && networks(clients),
    };
  });
  return { compiled, byName: new Map(routes.map((route) => [route.name, route])) };
}

export function routeFor(recipient: Mailbox, facts: RouteFacts, { compiled }: Routes): Route | undefined {
  const to = formatMailbox(recipient);
  const from = facts.sender === null ? '' : formatMailbox(facts.sender);
  return compiled.find(
    ({ recipients, senders, tenants, clients }) =>
      recipients?.(to) !== false &&
      senders?.(from) !== false &&
      tenants?.has(facts.tenant) !== false &&
      clients?.contains(facts.clientAddress) !== false,
  )?.route;
}

/** Destination domain for MX routes, the next hop for those that name one, else the route itself. */
export function routingDomainOf(route: Route, recipient: Mailbox): string {
  switch (route.kind) {
    case 'mx':
      return recipient.domain;
    case 'smarthost':
    case 'relay':
      return `${route.host.toLowerCase()}:${route.port}`;
    case 'lmtp':
      return 'socket' in route.to ? `lmtp:${route.name}` : `${route.to.host.toLowerCase()}:${route.to.port}`;
    default:
      return `${route.kind}:${route.name}`;
  }
}

export interface EntryFacts extends RouteFacts {
  readonly message: QueueId;
  readonly campaign: string;
  readonly class: PriorityClass;
  readonly acceptedAt: Instant;
  readonly dueAt: Instant;
  readonly octets: number;
  readonly recipientsPerEntry?: number;
}

export interface Entries {
  readonly entries: readonly Entry[];
  /** Recipients that no route matches. */
  readonly unrouted: readonly EntryRecipient[];
}

/** Groups the recipients by (route, routing domain), in their order, at most 100 to an entry. */
export function entriesFor(
  facts: EntryFacts,
  recipients: readonly EntryRecipient[],
  routes: Routes,
  retry: RetryOptions,
): Entries {
  const groups = new Map<
    string,
    { readonly route: Route; readonly domain: string; readonly recipients: EntryRecipient[] }
  >();
  const unrouted: EntryRecipient[] = [];
  for (const recipient of recipients) {
    const route = routeFor(recipient.forwardPath, facts, routes);
    if (route === undefined) {
      unrouted.push(recipient);
      continue;
    }
    const domain = routingDomainOf(route, recipient.forwardPath);
    const key = `${route.name}\n${domain}`;
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { route, domain, recipients: [recipient] });
    else known.recipients.push(recipient);
  }
  const entries: Entry[] = [];
  const size = Math.min(facts.recipientsPerEntry ?? MAX_ENTRY_RECIPIENTS, MAX_ENTRY_RECIPIENTS);
  for (const { route, domain, recipients: same } of groups.values())
    for (let from = 0; from < same.length; from += size) {
      const id: EntryId = `${facts.message}/${entries.length}`;
      entries.push(freshEntry(facts, { id, route, domain, recipients: same.slice(from, from + size) }, retry));
    }
  return { entries, unrouted };
}

interface EntryParts {
  readonly id: EntryId;
  readonly route: Route;
  readonly domain: string;
  readonly recipients: readonly EntryRecipient[];
}

function freshEntry(facts: EntryFacts, { id, route, domain, recipients }: EntryParts, retry: RetryOptions): Entry {
  const { campaign, tenant, acceptedAt } = facts;
  return {
    id,
    message: facts.message,
    queue: queueName({ campaign, tenant, domain }),
    routingDomain: domain,
    route: route.name,
    class: facts.class,
    lane: 'fresh',
    dueAt: facts.dueAt,
    acceptedAt,
    expiresAt: acceptedAt + retry.classes[facts.class].giveUpAfter,
    attempts: 0,
    recipients,
    reason: 'new',
    lastReply: '',
    lastAttemptAt: undefined,
    warned: false,
    crashes: 0,
    octets: facts.octets,
    sender: facts.sender === null ? '' : formatMailbox(facts.sender),
  };
}

/** The routing domain on this route, which may not be the one the entry was grouped for. Undefined: there are several. */
export function routingDomainOn(
  route: Route,
  { route: own, routingDomain, recipients }: Pick<Entry, 'route' | 'routingDomain' | 'recipients'>,
): string | undefined {
  if (route.name === own) return routingDomain;
  const [first] = recipients;
  if (first === undefined) return undefined;
  const domain = routingDomainOf(route, first.forwardPath);
  return recipients.every(({ forwardPath }) => routingDomainOf(route, forwardPath) === domain) ? domain : undefined;
}
