/**
 * Time that cannot be trusted: machines that were off for days, clocks that are wrong at boot, set back, or leap while
 * sessions are open. Nothing is given up for what a clock says alone, nothing waits longer for it, and what is measured
 * in minutes is measured by the clock that nobody sets.
 */

import { playAll } from '../storage/scene.ts';
import { type Suite } from '../suite.ts';
import { aheadAtBoot, hourBack, leapInFlight, leapInTransaction, poweredOff, wrongForAWhile } from './cases.ts';
import { TIME_FAULTS } from './faults.ts';

const SCENES = [poweredOff, leapInTransaction, wrongForAWhile, hourBack, aheadAtBoot, leapInFlight];

export const timeSuite: Suite = {
  name: 'time',
  about: 'days without power, clocks that are wrong, set back, or leap',
  async run(context) {
    const { cases, failures, figures, skipped } = await playAll(SCENES, context);
    return { cases, failures, figures, skipped };
  },
  faults: TIME_FAULTS,
};
