/**
 * A server of many processes with a first process of its own: it inherits those whose parents have ended, so that the
 * time of each, also of those that are gone, is counted, and all end with it. As a second gain it may have mounts of
 * its own. Only root can have it so.
 */

import { existsSync } from 'node:fs';
import process from 'node:process';
import { type Running, startProcess } from '../../test/lib/processes.ts';
import { started } from '../../test/lib/wait.ts';
import { usageOf } from '../processes.ts';
import { type MeasuredServer } from '../servers.ts';

export interface Contained {
  readonly name: string;
  /** Shell commands before the server starts. */
  readonly prepare?: readonly string[];
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly port: number;
  readonly log: () => Promise<string>;
}

const UNSHARE = '/usr/bin/unshare';

export async function startContained(server: Contained): Promise<{ measured: MeasuredServer; running: Running }> {
  if (process.getuid?.() !== 0) throw new Error('it needs a process namespace of its own, which only root can make');
  if (!existsSync(UNSHARE)) throw new Error('it needs a process namespace of its own, and there is no unshare');
  const { name, prepare = [], argv, env, folder, port, log } = server;
  // The shell is the first process: it waits for all, whoever started them. Only the server gets what is preloaded.
  const variables = Object.entries(env).map(([variable, value]) => `${variable}=${value}`);
  const script = ['set -e', ...prepare, 'env "$@" & wait'].join('\n');
  const running = startProcess({
    argv: [UNSHARE, '--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', script, 'sh', ...variables, ...argv],
    cwd: folder,
  });
  await started({ name, running, ports: [port], folder, log });
  const { pid } = running;
  return { running, measured: { port, pid, usage: () => usageOf(pid), stop: () => running.stop() } };
}
