/** Programs of Debian packages that are only unpacked, with their own libraries. */

import { globSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './debs.ts';
import { startProcess } from './processes.ts';

export interface PackagedOptions {
  /** The home of the program. */
  readonly folder: string;
  readonly input?: string;
}

/** Runs a program of the packages for submission to its end. */
export async function packaged(program: string, args: readonly string[], { folder, input = '' }: PackagedOptions) {
  const root = await packageRoot('submission');
  const libraries = globSync(['usr/lib/*-linux-gnu*', 'lib/*-linux-gnu*'], { cwd: root }).map((at) => join(root, at));
  const running = startProcess({
    argv: [join(root, 'usr/bin', program), ...args],
    env: { LD_LIBRARY_PATH: libraries.join(':'), LC_ALL: 'C', HOME: folder },
    input: Buffer.from(input),
  });
  return { code: await running.exited, output: running.output() };
}
