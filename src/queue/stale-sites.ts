/**
 * Sites with something in memory that can be given up, the one that moved least lately first.
 *
 * A site that moved just now is not asked to give anything up: memory that is full of mail that moves empties
 * soon by itself, and what is put out of it has to be read again.
 */

import { SECOND, type Instant } from '../lib/time.ts';
import { type Site } from './site-state.ts';

/** A site that moved since keeps its memory, however short it is for others. */
const KEEPS = 2 * SECOND;

export class StaleSites {
  readonly #sites = new Map<Site, Instant>();
  #wakeAt: Instant | undefined;

  /** When the first of them may be asked for whom nothing was found; undefined: nobody waits for it. */
  get wakeAt(): Instant | undefined {
    return this.#wakeAt;
  }

  /** Whoever still lacks memory asks again. */
  woken(): void {
    this.#wakeAt = undefined;
  }

  /** It has something now. One that is known stays in its place. */
  add(site: Site, now: Instant): void {
    if (!this.#sites.has(site)) this.#sites.set(site, now);
  }

  moved(site: Site, now: Instant): void {
    this.#sites.delete(site);
    if (site.readyCount + site.hungryCount > 0) this.#sites.set(site, now);
  }

  delete(site: Site): void {
    this.#sites.delete(site);
  }

  /** The site to give up what it has. */
  first(except: Site | undefined, now: Instant): Site | undefined {
    for (const [site, movedAt] of this.#sites) {
      if (site === except) continue;
      // The wall clock may have gone back since.
      if (Math.abs(now - movedAt) >= KEEPS) return site;
      this.#wakeAt = movedAt + KEEPS;
      return undefined;
    }
    return undefined;
  }
}
