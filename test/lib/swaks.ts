/** Debian's swaks, run from the package cache. */

import { globSync } from 'node:fs';
import { join } from 'node:path';

import { packageRoot } from './debs.ts';
import { startProcess } from './processes.ts';

export interface Sent {
  readonly code: number | NodeJS.Signals;
  /** The dialogue, a line each: `<-` from the server, ` ->` from the client, with `~` for `-` under TLS. */
  readonly transcript: string;
}

/** `input`: the content, dots not yet stuffed, for `--data -`. */
export async function swaks(args: readonly string[], input?: Buffer): Promise<Sent> {
  const root = await packageRoot('swaks');
  const modules = globSync(['usr/share/perl5', 'usr/lib/*/perl5/*', 'usr/share/perl/*', 'usr/lib/*/perl/*'], {
    cwd: root,
  }).map((folder) => join(root, folder));
  const content = input === undefined ? [] : ['--data', '-'];
  const running = startProcess({
    argv: ['perl', join(root, 'usr/bin/swaks'), '--timeout', '60', ...content, ...args],
    env: { PERL5LIB: modules.join(':'), LC_ALL: 'C' },
    ...(input === undefined ? {} : { input }),
  });
  const code = await running.exited;
  return { code, transcript: running.output() };
}
