/** The ways in which the product is killed, and how often each in a run. */

import { type Length } from '../suite.ts';
import { type Chance } from '../chance.ts';
import { POINTS } from './points.ts';

export type Attack =
  /** At a named point. */
  | { readonly kind: 'point'; readonly point: string }
  /** SIGKILL whenever it is. */
  | { readonly kind: 'instant' }
  /** The same to the working process alone: its parent starts it again. */
  | { readonly kind: 'working process' }
  /** SIGKILL to the parent alone: the working process ends by itself, in order. */
  | { readonly kind: 'parent' }
  /** No kill: another server is started on the same spool, and must be refused. */
  | { readonly kind: 'second server' }
  /** In the middle of a commit: before a system call of the store. */
  | { readonly kind: 'commit'; readonly call: CommitCall };

/** `last page`: what makes it a commit, when all before it is on the disk. */
const COMMIT_CALLS = ['writes', 'fdatasync', 'pwrite64', 'last page'] as const;
export type CommitCall = (typeof COMMIT_CALLS)[number];

export function nameOf(attack: Attack): string {
  switch (attack.kind) {
    case 'point':
      return attack.point;
    case 'instant':
      return 'any instant';
    case 'working process':
      return 'working process, restarted by its parent';
    case 'parent':
    case 'second server':
      return attack.kind;
    case 'commit':
      return `commit, before ${attack.call}`;
  }
}

interface Counts {
  readonly point: number;
  readonly commit: Readonly<Record<CommitCall, number>>;
  readonly instant: number;
  readonly watched: number;
  readonly parent: number;
}

const COUNTS: Readonly<Record<Exclude<Length, 'fault'>, Counts>> = {
  short: {
    point: 1,
    commit: { writes: 1, fdatasync: 1, pwrite64: 1, 'last page': 1 },
    instant: 16,
    watched: 3,
    parent: 1,
  },
  long: {
    point: 22,
    commit: { writes: 22, fdatasync: 22, pwrite64: 22, 'last page': 22 },
    instant: 240,
    watched: 50,
    parent: 20,
  },
};

export function attacksOf(length: Exclude<Length, 'fault'>, chance: Chance): readonly Attack[] {
  const { point, commit, instant, watched, parent } = COUNTS[length];
  return chance.shuffled([
    ...POINTS.flatMap((name) => times(point, { kind: 'point', point: name })),
    ...COMMIT_CALLS.flatMap((call) => times(commit[call], { kind: 'commit', call })),
    ...times(instant, { kind: 'instant' }),
    ...times(watched, { kind: 'working process' }),
    ...times(parent, { kind: 'parent' }),
    { kind: 'second server' },
  ]);
}

export function times(count: number, attack: Attack): readonly Attack[] {
  return Array.from({ length: count }, () => attack);
}
