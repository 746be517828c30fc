/** The thread of the archivist: history for people, at its own pace; mail never waits for it. */

import { workerData } from 'node:worker_threads';
import { join } from 'node:path';
import { Archivist } from '../events/archivist.ts';
import { type EventSearch } from '../events/search.ts';
import { snapshot } from '../observe/metrics.ts';
import { type Boot } from './boot.ts';
import { SystemClock } from './clock.ts';
import { loadSource } from './config-source.ts';
import { LoopDelay } from './loop-delay.ts';
import { operatorLog } from './operator-log.ts';
import { serveAsks } from './thread.ts';
import { systemTimers } from './timers.ts';

const boot = workerData as Boot;
const clock = new SystemClock(boot.clockOffset);
const log = operatorLog(clock);
const loop = new LoopDelay('archivist');
const BETWEEN_STEPS_MS = 500;
const AFTER_FAILURE_MS = 10_000;

let archivist: Archivist | undefined;
let closed = false;

serveAsks({
  start: async () => {
    const { events } = await loadSource(boot.config);
    archivist = await Archivist.open({
      ...{ folder: events.folder, clock, log, retentionDays: events.retention / 86_400_000 },
      historyFile: join(events.folder, 'history.db'),
    });
    void work();
  },
  /** Up to date first: whoever asks wants to see what has just happened. */
  story: async (id: string) => {
    await catchUp();
    return archivist?.story(id) ?? [];
  },
  search: async (query: EventSearch) => {
    await catchUp();
    return archivist?.search(query);
  },
  metrics: () => {
    loop.show();
    return snapshot();
  },
  close: async () => {
    closed = true;
    await stepping;
    archivist?.close();
  },
});

async function work(): Promise<void> {
  try {
    const state = await step();
    if (closed) return;
    systemTimers.after(state === 'more' ? 0 : BETWEEN_STEPS_MS, () => void work());
  } catch (error) {
    log.error('the history could not be kept up, trying again', { error: String(error) });
    systemTimers.after(AFTER_FAILURE_MS, () => void work());
  }
}

const MAX_STEPS = 50;

async function catchUp(): Promise<void> {
  for (let i = 0; i < MAX_STEPS; i++) if ((await step()) !== 'more') return;
}

let stepping: Promise<unknown> = Promise.resolve();

/** One at a time: two steps side by side would read the same lines. */
function step(): Promise<'idle' | 'more' | undefined> {
  const next = stepping.then(() => (closed ? undefined : archivist?.step()));
  stepping = next.catch(() => undefined); // Told to whoever asked for that step.
  return next;
}
