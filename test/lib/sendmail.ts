/** The product's `sendmail` as other programs call it, and a program that calls it with its own words for it. */

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { environment, MAIN } from './product.ts';
import { startProcess } from './processes.ts';

export interface Handed {
  readonly code: number | NodeJS.Signals;
  readonly output: string;
}

export interface SendmailOptions {
  /** The folder that `pickup.folder` names. */
  readonly pickup: string;
  readonly input?: string;
  /** What runs it: `setpriv …`. */
  readonly under?: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs it to its end. */
export async function sendmail(
  args: readonly string[],
  { pickup, input = '', under, env }: SendmailOptions,
): Promise<Handed> {
  const [file, ...before] = under ?? [process.execPath];
  const node = under === undefined ? [] : [process.execPath];
  const running = startProcess({
    argv: [file, ...before, ...node, MAIN, 'sendmail', ...args],
    env: { ...environment(), POSTRIDER_PICKUP: pickup, ...env },
    input,
  });
  const code = await running.exited;
  return { code, output: running.output() };
}

/** A file to call, for programs that want a path: what /usr/sbin/sendmail is on a machine with the product. */
export function sendmailScript(folder: string, pickup: string): string {
  const script = join(folder, 'sendmail');
  const run = `POSTRIDER_PICKUP='${pickup}' exec '${process.execPath}' '${MAIN}' sendmail "$@"`;
  // The libraries of the program that calls are not those of Node.
  writeFileSync(script, `#!/bin/sh\nunset LD_LIBRARY_PATH\n${run}\n`);
  chmodSync(script, 0o755);
  return script;
}
