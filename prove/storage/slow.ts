/**
 * A disk whose fsync takes 5 ms longer: commits become rarer, and each serves more messages, so throughput falls as
 * group commit predicts and no further. What is judged are counts, not times; the rates are told.
 */

import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { type SuiteContext } from '../suite.ts';
import { type Findings, type Scene } from './scene.ts';
import { withoutTracer } from './tracer.ts';
import { Traffic } from './traffic.ts';

const SLOWED_MS = 5;
const SESSIONS = 40;
const SECONDS = { short: 2, fault: 2, long: 20 } as const;
const WARM_UP = 700;
/**
 * Messages that one commit of the slow disk serves at least. A message needs two commits, one to come and one to go:
 * without groups a commit serves half a message, however slow it is; with them all that came meanwhile.
 */
const LEAST = SESSIONS / 8;

interface Measured {
  readonly messages: number;
  readonly commits: number;
  readonly seconds: number;
}

export const slowFsync: Scene = {
  name: `an fsync that takes ${SLOWED_MS} ms longer`,
  cannot: withoutTracer,
  async play(context, findings) {
    const fast = await measured(context, findings, 0);
    const slow = await measured(context, findings, SLOWED_MS);
    const predicted = predictedRate(fast);
    const rate = rateOf(slow);
    const { figures } = findings;
    figures['messages/s, fsync as it is'] = Math.round(rateOf(fast));
    figures[`messages/s, fsync ${SLOWED_MS} ms slower`] = Math.round(rate);
    figures['messages/s that group commit predicts'] = Math.round(predicted);
    figures['messages a commit, fsync as it is'] = (fast.messages / fast.commits).toFixed(2);
    figures[`messages a commit, fsync ${SLOWED_MS} ms slower`] = (slow.messages / slow.commits).toFixed(2);
    const served = slow.messages / slow.commits;
    if (served < LEAST)
      findings.failed(
        slowFsync.name,
        `a commit serves ${served.toFixed(2)} messages of ${SESSIONS} sessions: they are not grouped`,
      );
  },
};

/** What each of the sessions waits for is one more such fsync for its commit, and the one that was under way. */
function predictedRate(fast: Measured): number {
  const each = SESSIONS / rateOf(fast) + (2 * SLOWED_MS) / 1000;
  return SESSIONS / each;
}

function rateOf({ messages, seconds }: Measured): number {
  return messages / seconds;
}

async function measured(context: SuiteContext, findings: Findings, delay: number): Promise<Measured> {
  const trace = join(tmpdir(), `prove-fsync-${process.pid}-${delay}`);
  const inject = delay === 0 ? [] : ['-e', `inject=fdatasync:delay_enter=${delay * 1000}`];
  // Only this call stops for the tracer: everything else runs at its own speed.
  const under = ['strace', '-f', '--seccomp-bpf', '-y', '-o', trace, '-e', 'trace=fdatasync', ...inject];
  const traffic = await Traffic.start({ context, under, sessions: SESSIONS, gap: 0, delay: 0, largeEvery: 0 });
  try {
    await pause(WARM_UP);
    const [commits, messages, from] = [commitsIn(trace), traffic.source.countOf('accepted'), performance.now()];
    await pause(SECONDS[context.length] * 1000);
    const counted = {
      messages: traffic.source.countOf('accepted') - messages,
      commits: commitsIn(trace) - commits,
      seconds: (performance.now() - from) / 1000,
    };
    findings.failed(slowFsync.name, ...(await traffic.reckon()));
    findings.tried('messages accepted', traffic.source.countOf('accepted'));
    return counted;
  } finally {
    await traffic.close();
    await rm(trace, { force: true });
  }
}

/** Each commit syncs its pages once. */
function commitsIn(trace: string): number {
  return readFileSync(trace, 'utf8').split('/store/data.mdb>').length - 1;
}
