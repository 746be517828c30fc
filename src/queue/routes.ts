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
import { type DeliverBy } from '../mail/sending-times.ts';
import { anyAddress, type AddressTest } from '../mail/address-pattern.ts';
import { type RetryOptions } from './retry.ts';

export interface RouteFacts {
  readonly sender: ReversePath;
  readonly tenant: string;
  /** What the sender names; a route for pools takes nothing else. */
  readonly pool?: string;
  /** Textual IP address; `''` for mail made here. */
  readonly clientAddress: string;
}

interface CompiledRoute {
  readonly route: Route;
  readonly recipients: AddressTest | undefined;
  readonly senders: AddressTest | undefined;
  readonly tenants: ReadonlySet<string> | undefined;
  readonly pools: ReadonlySet<string> | undefined;
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
    const { recipients, senders, tenants, pools, clients } = route.match;
    return {
      route,
      recipients: recipients && anyAddress(recipients),
      senders: senders && anyAddress(senders),
      tenants: tenants && new Set(tenants),
      pools: pools && new Set(pools),
      clients: clients && networks(clients),
    };
  });
  return { compiled, byName: new Map(routes.map((route) => [route.name, route])) };
}

export function routeFor(recipient: Mailbox, facts: RouteFacts, { compiled }: Routes): Route | undefined {
  const to = formatMailbox(recipient);
  const from = facts.sender === null ? '' : formatMailbox(facts.sender);
  return compiled.find(
    ({ recipients, senders, tenants, pools, clients }) =>
      recipients?.(to) !== false &&
      senders?.(from) !== false &&
      tenants?.has(facts.tenant) !== false &&
      pools?.has(facts.pool ?? '') !== false &&
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
  readonly releaseAt?: Instant;
  /** Of no use from then on. */
  readonly uselessAt?: Instant;
  readonly deliverBy?: DeliverBy;
  readonly tags?: readonly string[];
  readonly trackingId?: string;
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
  const { campaign, tenant, acceptedAt, releaseAt, deliverBy, tags, trackingId } = facts;
  const scheduled = releaseAt !== undefined && releaseAt > acceptedAt;
  return {
    id,
    message: facts.message,
    queue: queueName({ campaign, tenant, domain }),
    routingDomain: domain,
    route: route.name,
    class: facts.class,
    lane: 'fresh',
    dueAt: scheduled ? releaseAt : facts.dueAt,
    acceptedAt,
    ...expiryOf(facts, retry),
    attempts: 0,
    recipients,
    reason: scheduled ? 'scheduled' : 'new',
    lastReply: '',
    lastAttemptAt: undefined,
    warned: false,
    crashes: 0,
    octets: facts.octets,
    sender: facts.sender === null ? '' : formatMailbox(facts.sender),
    ...(scheduled && { releaseAt }),
    ...(deliverBy && { deliverBy }),
    ...(tags && { tags }),
    ...(trackingId !== undefined && { trackingId }),
  };
}

/** The sender may want less time than a message has, and not more. */
function expiryOf(
  { acceptedAt, releaseAt = acceptedAt, class: priority, deliverBy, uselessAt = Infinity }: EntryFacts,
  retry: RetryOptions,
): Pick<Entry, 'expiresAt' | 'expiry'> {
  const usual = Math.max(releaseAt, acceptedAt) + retry.classes[priority].giveUpAfter;
  const named = Math.min(uselessAt, deliverBy?.mode === 'return' ? deliverBy.at : Infinity);
  return named <= usual ? { expiresAt: named, expiry: 'exact' } : { expiresAt: usual };
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
