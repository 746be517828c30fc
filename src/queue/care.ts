/**
 * Care for what waits at a site that cannot be reached: an entry whose time is up, or whose sender should be told
 * that it is late, must not wait for the site to come back.
 *
 * A failed probe of the site counts as an attempt for all that wait there. After some of them the lanes of the
 * site are walked through, a page at a time and one lane after the other, when nothing else is to be read.
 */

import { type Instant } from '../lib/time.ts';
import { type Entry } from '../mail/entry.ts';
import { type LaneReader } from './lanes.ts';
import { isOver, warnAt, type RetryOptions } from './retry.ts';
import { type DuePosition, type WithoutDispatch } from './scheduling.ts';
import { type Site } from './site-state.ts';

/** A site that hiccups needs no care: with the usual back-off this is after some seven minutes. */
const REFUSALS_BEFORE_CARE = 3;

interface Walk {
  readonly site: Site;
  readonly lanes: LaneReader[];
  after: DuePosition | undefined;
}

export class Care {
  readonly #retry: () => RetryOptions;
  readonly #wanted = new Set<Site>();
  #walk: Walk | undefined;

  /** `retry` gives the options that are in force. */
  constructor(retry: () => RetryOptions) {
    this.#retry = retry;
  }

  /** The site was refused again. */
  wanted(site: Site): void {
    if (site.refusals >= REFUSALS_BEFORE_CARE) this.#wanted.add(site);
  }

  forget(site: Site): void {
    this.#wanted.delete(site);
  }

  /** Where the walk has come to in the lane that `next` gave. */
  get after(): DuePosition | undefined {
    return this.#walk?.after;
  }

  /** The lane to read on. */
  next(now: Instant): LaneReader | undefined {
    for (;;) {
      const walk = this.#walk ?? this.#begin();
      if (walk === undefined) return undefined;
      const lane = walk.lanes.at(-1);
      // A lane that was closed or read meanwhile, or a site that came back, needs none of this.
      if (lane !== undefined && walk.site.blockedUntil() > now && walk.site.hungryReaders.has(lane)) return lane;
      if (lane === undefined || walk.site.blockedUntil() <= now) this.#walk = undefined;
      else this.#endLane(walk);
    }
  }

  /** The page that was asked for has come. */
  read({ entries, next }: { entries: readonly Entry[]; next: DuePosition | undefined }, now: Instant): void {
    const walk = this.#walk;
    if (walk === undefined) return;
    const last = entries.at(-1);
    if (next === undefined || (last !== undefined && last.dueAt > now)) this.#endLane(walk);
    else walk.after = next;
  }

  /** What the last failed probe of the site means for an entry that waits for it; undefined: it waits on. */
  verdict(entry: Entry, site: Site, now: Instant): WithoutDispatch | undefined {
    if (isOver(entry, now)) return { kind: 'expired' };
    const { at, diagnostic } = lastRefusal(site);
    if (at === undefined || entry.dueAt > now) return undefined;
    const warn = warnAt(this.#retry(), entry);
    if (at < entry.expiresAt && (warn === undefined || now < warn)) return undefined;
    return { kind: 'backedOff', at, until: site.blockedUntil(), diagnostic };
  }

  #begin(): Walk | undefined {
    const [site] = this.#wanted;
    if (site === undefined) return undefined;
    this.#wanted.delete(site);
    this.#walk = { site, lanes: [...site.hungryReaders], after: undefined };
    return this.#walk;
  }

  #endLane(walk: Walk): void {
    walk.lanes.pop();
    walk.after = undefined;
  }
}

function lastRefusal(site: Site): { readonly at: Instant | undefined; readonly diagnostic: string } {
  let at: Instant | undefined;
  let diagnostic = '';
  for (const { backoff } of site.sources.values())
    if (backoff.refusals > 0 && (at === undefined || backoff.lastStartedAt > at)) {
      at = backoff.lastStartedAt;
      diagnostic = backoff.diagnostic;
    }
  return { at, diagnostic };
}
