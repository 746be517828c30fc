/** One failure, or one kind of them, and what it must not break. */

import { type SuiteContext } from '../suite.ts';

/** What scenes find, each in its words. */
export class Findings {
  readonly cases: Record<string, number> = {};
  readonly figures: Record<string, number | string> = {};
  readonly failures: string[] = [];
  readonly skipped: string[] = [];

  tried(what: string, count = 1): void {
    this.cases[what] = (this.cases[what] ?? 0) + count;
  }

  failed(where: string, ...failures: readonly string[]): void {
    for (const failure of failures) this.failures.push(`${where}: ${failure}`);
  }
}

export interface Scene {
  readonly name: string;
  /** Why it cannot be played here. */
  readonly cannot?: () => string | undefined;
  play(context: SuiteContext, findings: Findings): Promise<void>;
}

/** Scenes one after the other. What a scene throws is a promise broken, but for a change that does not fit the product. */
export async function playAll(scenes: readonly Scene[], context: SuiteContext): Promise<Findings> {
  const findings = new Findings();
  for (const scene of scenes) {
    const reason = scene.cannot?.();
    if (reason !== undefined) {
      findings.skipped.push(`${scene.name}: ${reason}`);
      continue;
    }
    context.tell(scene.name);
    const before = findings.failures.length;
    try {
      await scene.play(context, findings);
    } catch (error) {
      if (String(error).includes('cannot plant')) throw error;
      findings.failed(scene.name, error instanceof Error ? error.message : String(error));
    }
    // One promise that is seen to be broken is what a planted fault is to show.
    if (context.length === 'fault' && findings.failures.length > before) break;
  }
  return findings;
}
