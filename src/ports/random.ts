/** Where chance comes from. Implemented in `runtime/random.ts`; tests pass a seeded one. */

export interface Random {
  /** At least 0 and less than 1. */
  next(): number;
}
