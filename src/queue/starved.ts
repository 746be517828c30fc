/**
 * Groups that only lack a connection or a worker, of which none is left: quick ones and others, each kind in turn, so
 * that neither waits for the end of the other.
 */

import { type SiteGroup } from './site-state.ts';
import { type SlotKind } from './slots.ts';

export class Starved {
  readonly #quick = new Set<SiteGroup>();
  readonly #other = new Set<SiteGroup>();
  #first: SlotKind = 'quick';

  add(group: SiteGroup, kind: SlotKind): undefined {
    (kind === 'quick' ? this.#quick : this.#other).add(group);
  }

  has(group: SiteGroup): boolean {
    return this.#quick.has(group) || this.#other.has(group);
  }

  delete(group: SiteGroup): void {
    this.#quick.delete(group);
    this.#other.delete(group);
  }

  /** Takes out the group of each kind that waited longest. */
  feed(take: (group: SiteGroup) => void): void {
    if (this.#quick.size + this.#other.size === 0) return;
    const quickFirst = this.#first === 'quick';
    this.#first = quickFirst ? 'other' : 'quick';
    feedFrom(quickFirst ? this.#quick : this.#other, take);
    feedFrom(quickFirst ? this.#other : this.#quick, take);
  }
}

function feedFrom(groups: Set<SiteGroup>, take: (group: SiteGroup) => void): void {
  const [group] = groups;
  if (group === undefined) return;
  groups.delete(group);
  take(group);
}
