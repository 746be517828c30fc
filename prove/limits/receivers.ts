/** The sites that a mountain of mail goes to, as the suite sees them: a process of its own that is asked. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export type ReceiversCommand =
  | { readonly kind: 'start'; readonly messages: number; readonly sites: number; readonly domains: number }
  | { readonly kind: 'state' };

/** What a site does with mail: of four two take it, one refuses each recipient for now, and at one nobody listens. */
export function characterOf(site: number): 'takes' | 'refuses' | 'silent' {
  if (site % 4 === 3) return 'silent';
  return site % 4 === 1 ? 'refuses' : 'takes';
}

export interface Arrived {
  /** Messages, each counted once. */
  readonly delivered: number;
  /** Copies beyond the first. */
  readonly twice: number;
  /** Recipients that were told to come back. */
  readonly refused: number;
  /** Of the first copy, milliseconds of the wall clock. */
  readonly firstAt: number | undefined;
  /** Of the last one. */
  readonly lastAt: number | undefined;
}

export type ReceiversState =
  { readonly kind: 'started'; readonly port: number; readonly dns: string } | ({ readonly kind: 'state' } & Arrived);

export interface Receivers {
  readonly port: number;
  readonly dns: string;
  arrived(): Promise<Arrived>;
  stop(): void;
}

export async function startReceivers(wanted: {
  readonly messages: number;
  readonly sites: number;
  readonly domains: number;
}): Promise<Receivers> {
  // It ends when the channel to this process does.
  const child = fork(join(import.meta.dirname, 'receivers-child.ts'), { execArgv: [] });
  const started = await ask(child, { kind: 'start', ...wanted });
  if (started.kind !== 'started') throw new Error('the receivers did not start');
  const { port, dns } = started;
  return {
    ...{ port, dns },
    arrived: async () => {
      const state = await ask(child, { kind: 'state' });
      if (state.kind !== 'state') throw new Error('the receivers gave no state');
      return state;
    },
    stop: () => void child.kill(),
  };
}

/** One question at a time: answers have no names. */
async function ask(child: ChildProcess, command: ReceiversCommand): Promise<ReceiversState> {
  const ended = new AbortController();
  const over = once(child, 'exit', { signal: ended.signal }).then(() => {
    throw new Error('the receivers are gone');
  });
  over.catch(() => undefined);
  try {
    const answer = once(child, 'message');
    child.send(command);
    const [state] = (await Promise.race([answer, over])) as [ReceiversState];
    return state;
  } finally {
    ended.abort();
  }
}
