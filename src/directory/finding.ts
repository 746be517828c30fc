/** What a look at a record of DNS has found: that it is right, or what is wrong and how to mend it. */

/**
 * `noAnswer`: DNS could not be asked now; the same question may be answered later. `notChecked`: nobody can tell from
 * here whether it is right.
 */
export type FindingState = 'right' | 'wrong' | 'noAnswer' | 'notChecked';

export interface Finding {
  readonly state: FindingState;
  /** Absent: it is right. */
  readonly problem: string | undefined;
}

const MAX_SHOWN = 80;

export const RIGHT: Finding = { state: 'right', problem: undefined };

export function wrong(problem: string): Finding {
  return { state: 'wrong', problem };
}

export function notChecked(problem: string): Finding {
  return { state: 'notChecked', problem };
}

export function noAnswer(name: string, reason: string): Finding {
  return { state: 'noAnswer', problem: `${quoted(name)} could not be looked up now: ${reason}` };
}

/** Nothing wrong is right. */
export function findingOf(problem: string | undefined): Finding {
  return problem === undefined ? RIGHT : wrong(problem);
}

/** What others have published, for a terminal. */
export function quoted(text: string): string {
  const plain = text.replaceAll(/[^\x20-\x7e]/g, '?');
  return plain.length <= MAX_SHOWN ? plain : `${plain.slice(0, MAX_SHOWN - 1)}…`;
}
