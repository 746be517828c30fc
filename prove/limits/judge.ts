/** What the limits of one process are, and which of them a run broke. */

import { type IdleRun } from './idle-run.ts';
import { type MountainRun } from './mountain-run.ts';

export const MIB = 1024 ** 2;

/** A million queued may take so much more than a thousand: of anonymous memory, and of what the heaps have in use. */
const MORE_FOR_A_MOUNTAIN = 64 * MIB;
/** In the seconds of a short run the collectors of four threads run once or not at all, as it comes. */
const UNCOLLECTED = 48 * MIB;
const LONG_ENOUGH = 100_000;
/**
 * Of the queue manager's own work, milliseconds between two turns of its event loop. A thousand entries read and shown
 * are some ten; compiling while it starts takes longer.
 */
const LONGEST_WORK = 1000;
/** Octets: what the scheduler counts for an entry, at least. */
const LEAST_OF_ENTRY = 750;
/** Octets for each open connection: about six thousand are usual. */
const PER_CONNECTION = 32 * 1024;
/** Octets that may stay of each connection that has ended: tables that grew to their size. */
const LEFT_OF_CONNECTION = 256;
/** What a heap of a process that does other things too is found to move by between two looks, after a collection. */
const UNSTEADY = MIB / 2;

export type MountainFacts = Pick<
  MountainRun,
  | 'messages'
  | 'traffic'
  | 'budget'
  | 'heldMost'
  | 'anonymousMost'
  | 'inUse'
  | 'arrived'
  | 'entriesLeft'
  | 'complaints'
  | 'threads'
>;

/** `few` is the same with a thousand messages, after as many attempts. */
export function judgeMountain(few: MountainFacts, many: MountainFacts): readonly string[] {
  return [
    ...[few, many].flatMap(judgeMail),
    ...beyond('anonymous memory', many.anonymousMost - few.anonymousMost, mountainLimit(many)),
    ...beyond('heap in use', many.inUse - few.inUse, MORE_FOR_A_MOUNTAIN),
    ...judgeBudget(many),
    ...[...many.threads].flatMap(([thread, { workedMost }]) =>
      workedMost > LONGEST_WORK
        ? [`the event loop of ${thread} did not turn during ${Math.round(workedMost)} ms of its own work`]
        : [],
    ),
  ];
}

/** What is in use is judged by the same bound in any run. */
function mountainLimit({ messages }: MountainFacts): number {
  return messages < LONG_ENOUGH ? MORE_FOR_A_MOUNTAIN + UNCOLLECTED : MORE_FOR_A_MOUNTAIN;
}

function judgeBudget({ budget, heldMost }: MountainFacts): readonly string[] {
  const most = (budget * MIB) / LEAST_OF_ENTRY;
  return heldMost > most ? [`${heldMost} entries in memory, where ${budget} MiB are ${Math.round(most)} at most`] : [];
}

function beyond(what: string, more: number, limit: number): readonly string[] {
  return more > limit ? [`${what}: ${mib(more)} MiB more than with few messages, where ${mib(limit)} are allowed`] : [];
}

function judgeMail({ messages, traffic, arrived, entriesLeft, complaints }: MountainFacts): readonly string[] {
  const all = messages + traffic.accepted;
  return [
    ...(arrived.delivered + entriesLeft === all
      ? []
      : [`of ${all} messages ${arrived.delivered} were delivered and ${entriesLeft} are left`]),
    ...(traffic.refused === 0 ? [] : [`${traffic.refused} new messages beside ${messages} were not taken`]),
    ...(arrived.twice === 0 ? [] : [`${arrived.twice} messages of ${messages} were delivered twice`]),
    ...complaints.map((line) => `with ${messages} messages it said: ${line}`),
  ];
}

export function judgeIdle(run: IdleRun): readonly string[] {
  const { connections, rounds, greeted, served, inUseOpen, inUseAfter, complaints } = run;
  const open = (run.anonymousMost - run.anonymousBefore) / connections;
  const held = (inUseOpen - (inUseAfter.at(-1) ?? 0)) / connections;
  return [
    ...(greeted === connections * rounds ? [] : [`${greeted} of ${connections * rounds} connections were greeted`]),
    ...served.flatMap((code) => (code === 250 ? [] : [`a message beside idle connections was answered ${code}`])),
    ...(Math.max(open, held) > PER_CONNECTION
      ? [`an idle connection takes ${Math.round(Math.max(open, held))} octets`]
      : []),
    ...leak(run),
    ...complaints.map((line) => `with ${connections} connections it said: ${line}`),
  ];
}

/** After the first two rounds everything has been used once; from then on nothing may grow. */
function leak({ connections, inUseAfter }: IdleRun): readonly string[] {
  const settled = inUseAfter[1];
  const last = inUseAfter.at(-1);
  const rounds = inUseAfter.length - 2;
  if (settled === undefined || last === undefined || rounds < 1) return [];
  const left = (last - settled) / (connections * rounds);
  return last - settled > LEFT_OF_CONNECTION * connections * rounds + UNSTEADY
    ? [`of each connection that has ended ${Math.round(left)} octets stay`]
    : [];
}

export function mib(octets: number): number {
  return Math.round((octets / MIB) * 10) / 10;
}
