/** Why an entry waits, in the order in which a person would ask. */

import { type Instant } from '../lib/time.ts';
import { type Entry } from '../mail/entry.ts';
import { HOLD_REASONS } from '../mail/hold-reason.ts';
import { formatMailbox } from '../mail/path.ts';
import { partsOf } from '../mail/queue-name.ts';
import { type Route } from '../mail/route.ts';
import { type EgressPath } from './egress-path.ts';
import { type Rules } from './rules.ts';
import { type Explanation } from './scheduling.ts';
import { type Site, type SiteGroup } from './site-state.ts';
import { type Resolution, type SiteTable } from './site-table.ts';
import { type Waiting } from './window.ts';

export interface ExplainContext {
  readonly now: Instant;
  readonly rules: Rules;
  readonly table: SiteTable;
  /** Reasons for which all delivery is paused. */
  readonly paused: readonly string[];
  readonly route: Route | undefined;
  /** The entry in memory, if it is there. */
  readonly waiting: Waiting | undefined;
  readonly inFlight: number;
  readonly maxInFlight: number;
  readonly maxSlots: number;
  /** Whether the group only lacks a connection. */
  readonly isStarved: (group: SiteGroup) => boolean;
}

export function explain(entry: Entry, context: ExplainContext): readonly Explanation[] {
  const { now, waiting, route, table } = context;
  if (waiting?.state === 'inFlight') return [told('it is being tried now', 'the scheduler')];
  const found: Explanation[] = [...generalReasons(entry, context)];
  if (entry.lane === 'held') found.push(told(HOLD_REASONS[entry.reason], 'an operator or a rule'));
  else if (entry.dueAt > now && waiting === undefined)
    found.push(told(`the next attempt is not due: ${HOLD_REASONS[entry.reason]}`, 'retry schedule', entry.dueAt));
  if (route === undefined) found.push(told(`no route is named ${entry.route}`, 'configuration'));
  else found.push(...wayReasons(table.peek(route, entry.routingDomain), { route, now }));
  if (found.length === 0) found.push(told('it waits for its turn', 'the scheduler'));
  return found;
}

function generalReasons(
  entry: Entry,
  { now, rules, table, paused, route, inFlight, maxInFlight, maxSlots, isStarved }: ExplainContext,
): Explanation[] {
  const site = route && table.peek(route, entry.routingDomain)?.site;
  const subject = {
    queue: partsOf(entry.queue),
    message: entry.message,
    sender: entry.sender,
    recipients: entry.recipients.map(({ forwardPath }) => formatMailbox(forwardPath)),
    ...(site === undefined ? {} : { site: site.name }),
  };
  const found = paused.map((reason) => told(`all delivery is paused: ${reason}`, reason));
  for (const rule of rules.matching(subject, now))
    found.push(told(`rule ${rule.id} (${rule.kind}): ${rule.reason}`, `${rule.setBy}, rule ${rule.id}`, rule.until));
  if (site !== undefined && isStarved(site.group))
    found.push(told(`of all ${maxSlots} connections none is free for this destination`, 'queue.connections'));
  if (inFlight >= maxInFlight) found.push(told(`${maxInFlight} deliveries are under way`, 'maxInFlight'));
  return found;
}

function wayReasons(resolution: Resolution | undefined, { route, now }: { route: Route; now: Instant }): Explanation[] {
  if (resolution === undefined) return [told(`not looked up yet (route ${route.name})`, `route ${route.name}`)];
  if (resolution.asking) return [told(`${resolution.routingDomain} is being looked up`, `route ${route.name}`)];
  if (resolution.refusal !== undefined && resolution.until > now)
    return [told(resolution.refusal.diagnostic, 'DNS', resolution.until)];
  return resolution.site === undefined ? [] : siteReasons(resolution.site, now);
}

function siteReasons(site: Site, now: Instant): Explanation[] {
  const found: Explanation[] = [];
  for (const { source, backoff } of site.sources.values()) {
    const { refusals, until, diagnostic } = backoff;
    if (refusals > 0 && until > now)
      found.push(
        told(
          `site ${site.name} was refused ${refusals === 1 ? 'once' : `${refusals} times`} from ${source}: ${diagnostic}`,
          'back-off',
          until,
        ),
      );
    else if (refusals > 0)
      found.push(told(`site ${site.name} is being probed from ${source}: ${diagnostic}`, 'back-off'));
  }
  for (const path of site.group.paths.values()) found.push(...pathReasons(path, site, now));
  return found;
}

function pathReasons(path: EgressPath, { group }: Site, now: Instant): Explanation[] {
  const found: Explanation[] = [];
  const { slowdown, window, busy, limits } = path;
  if (slowdown.until > now)
    found.push(told(`${path.name} was told to slow down: ${slowdown.diagnostic}`, 'the receiver', slowdown.until));
  const releaseAt = path.releaseAt(1);
  if (releaseAt > now && releaseAt > slowdown.until)
    found.push(told(`the rate of ${path.name} is used up`, group.pace.by.messageRate, releaseAt));
  if (busy >= limits.connections)
    found.push(told(`${busy} connections of ${path.name} are busy`, group.pace.by.connections));
  else if (busy >= window)
    found.push(told(`${busy} connections of ${path.name} are busy, and its window is ${window}`, 'window'));
  return found;
}

function told(what: string, by: string, until?: Instant): Explanation {
  return { what, by, until };
}
