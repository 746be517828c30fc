/**
 * What a server costs, read from `/proc`: CPU time and memory of a process and of all that it has started. Linux only.
 *
 * The CPU time of a process that has ended counts as soon as its parent has waited for it.
 */

import { readdirSync, readFileSync } from 'node:fs';

export interface Usage {
  /** User and system time, milliseconds. The system counts it in steps of ten. */
  readonly cpu: number;
  /** Anonymous memory, KiB: what files that are mapped take is the system's cache. */
  readonly anonymous: number;
  readonly processes: number;
}

/** `USER_HZ`, which is 100 on every Linux that Node runs on. */
const TICK = 10;
const ROW = { parent: 1, ended: 13, own: 11 } as const;

interface Row {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

/** Of a process and its descendants. */
export function usageOf(root: number): Usage {
  const rows = descendants(root);
  const ticks = rows.reduce((sum, row) => sum + row.ticks, 0);
  const anonymous = rows.reduce((sum, { pid }) => sum + anonymousOf(pid), 0);
  return { cpu: ticks * TICK, anonymous, processes: rows.length };
}

/** Milliseconds that all cores together were busy since the machine started. */
export function machineBusy(): number {
  const [first = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = first.split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq + steal) * TICK;
}

/** Milliseconds by the name of the thread, of a process and its descendants. */
export function cpuByThread(root: number): ReadonlyMap<string, number> {
  const threads = new Map<string, number>();
  for (const { pid } of descendants(root)) {
    for (const thread of namesIn(`/proc/${pid}/task`)) {
      const stat = textOf(`/proc/${pid}/task/${thread}/stat`);
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
      const fields = fieldsOf(stat);
      const ticks = Number(fields[ROW.own]) + Number(fields[ROW.own + 1]);
      threads.set(name, (threads.get(name) ?? 0) + ticks * TICK);
    }
  }
  return threads;
}

function descendants(root: number): readonly Row[] {
  const rows = namesIn('/proc').flatMap((name) => (/^\d+$/.test(name) ? rowOf(Number(name)) : []));
  const found = rows.filter(({ pid }) => pid === root);
  // Grows while it is walked: the children of children come behind.
  for (const { pid } of found) found.push(...rows.filter(({ parent }) => parent === pid));
  return found;
}

function rowOf(pid: number): readonly Row[] {
  const stat = textOf(`/proc/${pid}/stat`);
  // It has ended since it was listed.
  if (stat === '') return [];
  const fields = fieldsOf(stat);
  const ticks = [0, 1].map((i) => Number(fields[ROW.own + i]) + Number(fields[ROW.ended + i]));
  return [{ pid, parent: Number(fields[ROW.parent]), ticks: ticks.reduce((sum, value) => sum + value, 0) }];
}

/** Behind the name, which may hold anything. */
function fieldsOf(stat: string): readonly string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function anonymousOf(pid: number): number {
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0);
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    // The process is gone.
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // The process is gone.
    return '';
  }
}
