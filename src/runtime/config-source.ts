/** Where a thread gets its configuration from: each loads the file itself, since a file may hold functions. */

import { type Config, readConfig } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { formatProblem } from '../lib/schema-reading.ts';

export type ConfigSource =
  /** `version` grows with each reload, so that a changed file is read anew. */
  | { readonly kind: 'file'; readonly file: string; readonly version: number }
  /** Plain values, as a file would export them: the sandbox's. */
  | { readonly kind: 'value'; readonly written: unknown; readonly folder: string };

/** Rejects with `ConfigProblems` when it cannot be used. */
export async function loadSource(source: ConfigSource): Promise<Config> {
  if (source.kind === 'file') {
    const loaded = await loadConfig(source.file, source.version);
    if (loaded.ok) return loaded.config;
    throw new ConfigProblems(loaded.problems.map(formatProblem));
  }
  const read = readConfig(source.written, source.folder);
  if (read.ok) return read.value;
  throw new ConfigProblems(read.problems.map(formatProblem));
}

/** One line for each problem, with path, value and fix. */
export class ConfigProblems extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}
