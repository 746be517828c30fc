/** Connections of stateless relay, counted per next hop: a worker asks before it dials. */

import { type WorkerId } from '../../queue/scheduling.ts';

export class Leases {
  readonly #limit: () => number;
  readonly #held = new Map<string, Map<WorkerId, number>>();

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  take(site: string, worker: WorkerId): boolean {
    const holders = this.#held.get(site) ?? new Map<WorkerId, number>();
    const total = [...holders.values()].reduce((sum, count) => sum + count, 0);
    if (total >= this.#limit()) return false;
    holders.set(worker, (holders.get(worker) ?? 0) + 1);
    this.#held.set(site, holders);
    return true;
  }

  give(site: string, worker: WorkerId): void {
    const holders = this.#held.get(site);
    const count = holders?.get(worker) ?? 0;
    if (holders === undefined || count === 0) return;
    if (count > 1) holders.set(worker, count - 1);
    else holders.delete(worker);
    if (holders.size === 0) this.#held.delete(site);
  }

  /** A dead worker's connections are gone with it. */
  workerLeft(worker: WorkerId): void {
    for (const [site, holders] of this.#held) {
      holders.delete(worker);
      if (holders.size === 0) this.#held.delete(site);
    }
  }
}
