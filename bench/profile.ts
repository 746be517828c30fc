/**
 * Where the CPU time went: the functions of each profile that took most themselves.
 *
 *     npm run bench -- relay --servers postrider --repetitions 1 --profile /tmp/profiles
 *     node bench/profile.ts /tmp/profiles [functions]
 *
 * Of each thread only what it worked is counted, not what it waited; the thread is named by the file it runs.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const WAITING = new Set(['(idle)', '(program)', '(root)']);
const THREADS = /\/(?:queue-manager-thread|worker-thread|archivist-thread|working|parent)\.[jt]s$/;
/** Threads that did next to nothing are left out. */
const LEAST_MS = 50;

const [folder, count = '25'] = process.argv.slice(2);
if (folder === undefined) throw new Error('node bench/profile.ts <folder> [functions]');
for (const file of readdirSync(folder)
  .filter((name) => name.endsWith('.cpuprofile'))
  .toSorted()) {
  const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile;
  show(profile, Number(count));
}

function show(profile: Profile, count: number): void {
  const { nodes, samples, timeDeltas } = profile;
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const self = new Map<string, number>();
  for (const [i, id] of samples.entries()) {
    const name = names.get(id) ?? '?';
    self.set(name, (self.get(name) ?? 0) + (timeDeltas[i] ?? 0) / 1000);
  }
  const worked = [...self].filter(([name]) => !WAITING.has(name)).toSorted(([, a], [, b]) => b - a);
  const total = worked.reduce((sum, [, ms]) => sum + ms, 0);
  if (total < LEAST_MS) return;
  console.log(`\n${threadOf(profile)}: ${total.toFixed(0)} ms`);
  for (const [name, ms] of worked.slice(0, count))
    console.log(`${((100 * ms) / total).toFixed(1).padStart(5)} %  ${ms.toFixed(0).padStart(6)} ms  ${name}`);
}

function threadOf({ nodes }: Profile): string {
  const script = nodes.find(({ callFrame }) => THREADS.test(callFrame.url));
  return THREADS.exec(script?.callFrame.url ?? '')?.[0].slice(1) ?? 'another thread';
}

function nameOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  if (functionName.startsWith('(')) return functionName;
  const where = url.replace(/^.*\/(?:dist|src|node_modules)\//, '');
  return `${functionName === '' ? 'anonymous' : functionName} ${where}${url === '' ? '' : `:${lineNumber + 1}`}`;
}
