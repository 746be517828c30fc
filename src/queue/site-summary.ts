/** One line on a site for people: what it may do now, and what holds it back. Plain values: they cross threads. */

import { type Instant } from '../lib/time.ts';
import { type Site } from './site-state.ts';

export interface SiteSummary {
  readonly site: string;
  /** `site group|source`. */
  readonly path: string;
  /** Entries in memory that could go. */
  readonly ready: number;
  readonly connections: number;
  /** Connections that may be busy now. */
  readonly window: number;
  readonly inFlight: number;
  /** Refused until then; in the past: not held back. */
  readonly blockedUntil: Instant;
  /** Of the last refusal. */
  readonly diagnostic: string;
}

/** One for each source. */
export function summaryOf(site: Site): readonly SiteSummary[] {
  return Array.from(site.sources.values(), ({ source, backoff, slots, inFlight }) => {
    const path = site.group.paths.get(source);
    return {
      ...{ site: site.name, ready: site.readyCount, connections: slots, inFlight },
      ...{ path: path?.name ?? '', window: path?.window ?? 0 },
      ...{ blockedUntil: backoff.until, diagnostic: backoff.diagnostic },
    };
  });
}
