/** What the checks between options are made of. */

import { type Problem } from '../lib/schema-reading.ts';

export function wrong(path: string, what: string, fix: string): Problem {
  return { path, value: undefined, expected: what, fix };
}

/** The second and later appearances of names, with their positions. */
export function repeated(names: readonly string[]): readonly (readonly [number, string])[] {
  return names.flatMap((name, i) => (names.indexOf(name) < i ? [[i, name] as const] : []));
}
