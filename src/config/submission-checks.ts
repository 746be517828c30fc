/** What is wrong between options of submission. */

import { type Problem } from '../lib/schema-reading.ts';
import { type SubmissionOptions } from '../receive/config.ts';
import { wrong } from './problems.ts';

interface Submits {
  readonly submission: SubmissionOptions;
}

export function refusedOrRepaired({ submission: { refuseIf, repairIf = [] } }: Submits): readonly Problem[] {
  return repairIf.flatMap((rule, i) =>
    refuseIf.includes(rule)
      ? [wrong(`submission.repairIf[${i}]`, `${rule} is in submission.refuseIf too`, 'leave it out of one of them')]
      : [],
  );
}
