/**
 * Load and next hops of our own, where those of Postfix cannot do what is needed: many domains, refusals, times. They
 * are processes of their own, so that their work is not in the way of what measures.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import process from 'node:process';

/** Of each hundred recipients. */
export const DEFERRED = 5;
export const REFUSED = 2;

export type NextHopsCommand =
  | { readonly kind: 'start'; readonly sites: number; readonly domains: number; readonly refuses: boolean }
  | { readonly kind: 'state'; readonly times: boolean };

/** The number of a message, and when: milliseconds of a clock that all processes share. */
export type Times = readonly (readonly [number, number])[];

export interface NextHopsCounts {
  readonly delivered: number;
  readonly deferred: number;
  readonly refused: number;
  readonly reports: number;
  readonly times: Times;
}

export type NextHopsState =
  | { readonly kind: 'started'; readonly port: number; readonly dns: string }
  | ({ readonly kind: 'state' } & NextHopsCounts);

export interface SourceCommand {
  readonly port: number;
  readonly sessions: number;
  /** Between the messages of a session, milliseconds; 0: none. */
  readonly gap: number;
  /** Number of the first message. */
  readonly first: number;
  readonly messages: number;
  readonly domains: number;
  readonly octets: number;
}

export interface SourceResult {
  readonly accepted: number;
  readonly times: Times;
}

export interface NextHops {
  readonly port: number;
  readonly dns: string;
  /** Times only where they are asked for: there are many. */
  state(times?: 'times'): Promise<NextHopsCounts>;
  stop(): void;
}

export function numberIn(recipient: string): number {
  return Number.parseInt(recipient, 10);
}

/** From `performance.now()`, which counts from the start of its own process. */
export function toMonotonic(at: number): number {
  return at - performance.now() + Number(process.hrtime.bigint()) / 1e6;
}

export async function startNextHops(
  wanted: Omit<Extract<NextHopsCommand, { kind: 'start' }>, 'kind'>,
): Promise<NextHops> {
  const child = startChild('next-hops');
  const started = await ask(child, { kind: 'start', ...wanted });
  if (started.kind !== 'started') throw new Error('the next hops did not start');
  const { port, dns } = started;
  return {
    ...{ port, dns },
    state: async (times) => {
      const state = await ask(child, { kind: 'state', times: times === 'times' });
      if (state.kind !== 'state') throw new Error('the next hops gave no state');
      return state;
    },
    stop: () => void child.kill(),
  };
}

/** Resolves when all has been answered. */
export async function send(command: SourceCommand): Promise<SourceResult> {
  const child = startChild('source');
  child.send(command);
  const [result] = (await once(child, 'message')) as [SourceResult];
  child.kill();
  if (result.accepted !== command.messages)
    throw new Error(`${result.accepted} of ${command.messages} messages were accepted`);
  return result;
}

/** They end when the channel to this process does. */
function startChild(name: 'next-hops' | 'source'): ChildProcess {
  return fork(join(import.meta.dirname, 'children', `${name}.ts`), { execArgv: [] });
}

async function ask(child: ChildProcess, command: NextHopsCommand): Promise<NextHopsState> {
  const answer = once(child, 'message');
  child.send(command);
  const [state] = (await answer) as [NextHopsState];
  return state;
}
