/**
 * Which entries are being dealt with: from dispatch, or from an operator's change, to its settlement.
 *
 * The spool takes one settlement for an entry at a time, and a change that met an attempt half way would
 * bring back what was removed; so whoever comes second leaves the entry alone.
 */

import { type EntryId } from '../../mail/entry.ts';

export class EntryLocks {
  readonly #taken = new Set<EntryId>();

  /** False when somebody else deals with the entry. */
  take(entry: EntryId): boolean {
    if (this.#taken.has(entry)) return false;
    this.#taken.add(entry);
    return true;
  }

  give(entry: EntryId): void {
    this.#taken.delete(entry);
  }

  has(entry: EntryId): boolean {
    return this.#taken.has(entry);
  }

  get size(): number {
    return this.#taken.size;
  }
}
