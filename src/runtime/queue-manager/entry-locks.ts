/**
 * Which entries are being dealt with: from dispatch, or from an operator's change, to its settlement.
 *
 * The spool takes one settlement for an entry at a time, and a change that met an attempt half way would
 * bring back what was removed; so whoever comes second leaves the entry alone.
 */

import { type EntryId } from '../../mail/entry.ts';

export class EntryLocks {
  /** By entry: whether somebody else wanted it meanwhile. */
  readonly #taken = new Map<EntryId, boolean>();

  /** False when somebody else deals with the entry. */
  take(entry: EntryId): boolean {
    const isFree = !this.#taken.has(entry);
    this.#taken.set(entry, !isFree);
    return isFree;
  }

  /** Whether somebody else wanted the entry meanwhile, and left it alone. */
  give(entry: EntryId): boolean {
    const wanted = this.#taken.get(entry) === true;
    this.#taken.delete(entry);
    return wanted;
  }

  has(entry: EntryId): boolean {
    return this.#taken.has(entry);
  }

  get size(): number {
    return this.#taken.size;
  }
}
