/** What was recorded of a run: the trace of its system calls, and what both of its ends know of the mail. */

import { readFileSync } from 'node:fs';
import { type Step, stepsOf } from './disk.ts';
import { type Operation, OperationReader } from './operations.ts';
import { hexed, parseTrace } from './trace.ts';

/** A message that was offered and answered with 250. */
export interface Mail {
  /** The queue id in the 250. */
  readonly id: string;
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly octets: number;
  readonly sha256: string;
}

/** What the next hop or an operator did, and when. */
export interface Happening {
  /** `taken`: the 250 to its content was about to be written. `refused`: a 5xx. `removed`: an operator is about to. */
  readonly kind: 'taken' | 'refused' | 'removed';
  readonly recipient: string;
  /** Milliseconds since 1970, not later than it was. */
  readonly at: number;
}

export interface Recording {
  /** The folder that holds the spool; there and durable before. */
  readonly root: string;
  readonly smtpPort: number;
  /** Files of strace, in the order of their runs. */
  readonly traces: readonly string[];
  readonly mails: readonly Mail[];
  readonly happenings: readonly Happening[];
  /** Every line that the event log has or will have, by `sequence/n`. */
  readonly events: Readonly<Record<string, string>>;
}

/** Paths in the trace that mean something; one line names a path as its argument or as the target of a descriptor. */
export function operationsOf({
  root,
  smtpPort,
  traces,
}: Pick<Recording, 'root' | 'smtpPort' | 'traces'>): readonly Operation[] {
  const reader = new OperationReader({ root, smtpPort });
  const path = hexed(root);
  const isWanted = (text: string): boolean =>
    text.includes(path) || text.includes(`:${smtpPort}->`) || text.startsWith('io_uring_setup');
  const operations: Operation[] = [];
  let first = 0;
  for (const file of traces) {
    const trace = readFileSync(file, 'latin1');
    for (const call of parseTrace(trace, isWanted, first)) operations.push(...reader.read(call));
    first += 2 * trace.length;
  }
  return operations;
}

/** Moments at which a power cut can be told from one a step before. */
export interface Cut {
  /** So many steps have been done. */
  readonly steps: number;
  readonly at: number;
  /** Queue ids whose 250 was on its way by then. */
  readonly answered: number;
}

/** History can be built anew and is not what is promised: its many writes get no cuts of their own. */
const UNPROMISED = /\/events\/history\.db|\/lock\.mdb$|\/control\.sock$/;

export function cutsOf(steps: readonly Step[]): { readonly cuts: readonly Cut[]; readonly answers: readonly string[] } {
  const cuts: Cut[] = [];
  const answers: string[] = [];
  for (const [i, { operation, phase, at }] of steps.entries()) {
    if (operation.kind === 'said') {
      // From the first moment of the call the client may have it.
      const ids = phase === 'entered' ? idsIn(operation.octets) : [];
      answers.push(...ids);
      if (ids.length === 0) continue;
    } else if (UNPROMISED.test(operation.path)) continue;
    cuts.push({ steps: i + 1, at, answered: answers.length });
  }
  return { cuts, answers };
}

function idsIn(octets: Buffer): readonly string[] {
  return Array.from(
    octets.toString('latin1').matchAll(/^250 [^\r\n]*Queued as ([0-9a-z]{20})\b/gm),
    ([, id = '']) => id,
  );
}

export function readSteps(recording: Pick<Recording, 'root' | 'smtpPort' | 'traces'>): readonly Step[] {
  return stepsOf(operationsOf(recording));
}
