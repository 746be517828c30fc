/**
 * Haraka, which npm brings into the cache when it is first measured: two processes, its own outbound queue.
 *
 * It has no way to drop a message that it has written: where mail is to be dropped, its outbound side is off.
 */

import { mkdir, symlink, writeFile, readFile } from 'node:fs/promises';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { freePort, removeFolder, run, startProcess, testFolder } from '../../test/lib/processes.ts';
import { started } from '../../test/lib/wait.ts';
import { type PeerOptions } from '../peers.ts';
import { usageOf } from '../processes.ts';
import { type MeasuredServer } from '../servers.ts';

const CACHE = resolve(import.meta.dirname, '../../.cache/bench/haraka');
const PROCESSES = 2;

export async function startHaraka({ sinkPort, discarded }: PeerOptions): Promise<MeasuredServer> {
  const home = await installed();
  const folder = await testFolder('bench-haraka');
  const port = await freePort();
  for (const name of ['config', 'plugins', 'queue']) await mkdir(join(folder, name));
  await symlink(join(CACHE, 'node_modules'), join(folder, 'node_modules'));
  const connection = await readFile(join(home, 'config', 'connection.ini'), 'utf8');
  const files = {
    'package.json': '{"private":true}',
    'config/smtp.ini': `listen=127.0.0.1:${port}\nnodes=${PROCESSES}\ninactivity_timeout=600\n[headers]\nadd_received=true\n`,
    'config/log.ini': 'level=notice\n',
    'config/me': 'haraka.bench.test',
    'config/connection.ini': connection.replace(/^;?bytes *=.*$/m, 'bytes=52428800'),
    'config/outbound.ini': `concurrency_max=100\nenable_tls=false\nlocal_mx_ok=true\ndisabled=${discarded === 'kept'}\n`,
    'config/plugins': 'bench_relay\n',
    'plugins/bench_relay.js': pluginFor(sinkPort),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const argv = [process.execPath, join(home, 'bin', 'haraka'), '-c', folder] as const;
  const running = startProcess({ argv: [...argv], cwd: folder, env: { HOME: folder } });
  await started({ name: 'Haraka', running, ports: [port], folder, log: async () => '' });
  const { pid } = running;
  return {
    ...{ port, pid, usage: () => usageOf(pid), share: 0.6, version: await versionIn(home) },
    stop: async () => {
      await running.stop();
      await removeFolder(folder);
    },
  };
}

async function versionIn(home: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8')) as { readonly version: string };
  return version;
}

function pluginFor(sinkPort: number): string {
  return `exports.hook_mail = (next, connection) => { connection.relaying = true; next() }
exports.hook_rcpt = (next) => next(OK)
exports.hook_get_mx = (next) => next(OK, { exchange: '127.0.0.1', port: ${sinkPort}, priority: 0 })
`;
}

/** As npm is used here otherwise: with this machine's certificates and registry. */
function inherited(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/** Its folder. */
async function installed(): Promise<string> {
  const home = join(CACHE, 'node_modules', 'haraka');
  if (existsSync(join(home, 'bin', 'haraka'))) return home;
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(join(CACHE, 'package.json'), '{"private":true}\n');
  const argv = ['npm', 'install', '--no-audit', '--no-fund', '--omit=optional', 'haraka'] as const;
  try {
    await run({ argv: [...argv], cwd: CACHE, env: inherited() });
  } catch (error) {
    throw new Error(`npm could not bring it: ${String(error).replaceAll(/\s+/g, ' ').slice(-200)}`, { cause: error });
  }
  return home;
}
