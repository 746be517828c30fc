/** One measurement: how many messages a second, for how much CPU, and how much of the machine others took meanwhile. */

import { availableParallelism } from 'node:os';
import process from 'node:process';
import { untilIdle } from './postfix-tools.ts';
import { machineBusy, usageOf } from './processes.ts';
import { type MeasuredServer } from './servers.ts';

/** Figures of one run by their names. */
export type Figures = Readonly<Record<string, number>>;

/**
 * Runs `work`, which resolves when the last message has gone where it should, and lets the server come to rest before
 * its CPU time is read.
 */
export async function measure(server: MeasuredServer, messages: number, work: () => Promise<void>): Promise<Figures> {
  const cpu = (): number => server.usage().cpu;
  await untilIdle(cpu);
  const before = { cpu: cpu(), busy: machineBusy(), ours: usageOf(process.pid).cpu };
  const begun = performance.now();
  await work();
  const elapsed = performance.now() - begun;
  const others = machineBusy() - before.busy - (usageOf(process.pid).cpu - before.ours);
  await untilIdle(cpu);
  return {
    perSecond: (messages / elapsed) * 1000,
    cpuMs: (cpu() - before.cpu) / messages,
    // The sum is of rounded parts, so that nothing may come out a little below nothing.
    othersShare: Math.max(0, others / (elapsed * availableParallelism())),
  };
}
