/** Which class goes next: the highest that waits, but every tenth turn belongs to the lower ones. */

import { PRIORITY_CLASSES, type PriorityClass } from '../mail/priority-class.ts';

/** Turns in which lower classes come first, alternately: together they keep 10 % when everything waits. */
const EVERY = 10;

const ORDERS = {
  usual: PRIORITY_CLASSES,
  normalFirst: ['normal', 'bulk', 'transactional'],
  bulkFirst: ['bulk', 'normal', 'transactional'],
} as const satisfies Record<string, readonly PriorityClass[]>;

export class ClassTurn {
  #turns = 0;

  /** The order in which classes are asked now. */
  order(): readonly PriorityClass[] {
    const turn = this.#turns % (2 * EVERY);
    if (turn === EVERY - 1) return ORDERS.normalFirst;
    return turn === 2 * EVERY - 1 ? ORDERS.bulkFirst : ORDERS.usual;
  }

  /** The turn was used. */
  next(): void {
    this.#turns++;
  }
}
