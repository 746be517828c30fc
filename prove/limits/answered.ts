/**
 * Questions to a product on a machine that has no time for it: asked again while nobody answers, within bounds. What it
 * took, all together, is what is measured.
 */

import { ControlError } from '../../src/api/control-client.ts';
import { until } from '../../test/lib/wait.ts';

const PATIENCE = 300_000;

export async function answered<T extends object>(what: string, ask: () => Promise<T>): Promise<T> {
  return until(
    `an answer: ${what}`,
    () =>
      ask().catch((error: unknown) => {
        if (error instanceof ControlError && error.kind === 'notAnswering') return undefined;
        throw error;
      }),
    PATIENCE,
  );
}
