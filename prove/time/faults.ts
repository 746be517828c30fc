/** Mistakes with time, each of which this suite must find. */

import { type Fault } from '../suite.ts';

export const TIME_FAULTS: readonly Fault[] = [
  {
    name: 'what is too old is given up untried',
    plants: [
      {
        file: 'queue/intake.js',
        find: "if (decision.kind === 'suspended')",
        replace:
          "if (entry.expiresAt <= step.now)\n            return this.#refuse(waiting, { kind: 'failed', answer: { kind: 'failed', status: '4.4.7', diagnostic: 'too old', ttl: 0 } }, step);\n        if (decision.kind === 'suspended')",
      },
    ],
  },
  {
    name: 'timers go by the wall clock',
    plants: [
      {
        file: 'runtime/clock.js',
        find: 'monotonic: () => performance.now() };',
        replace: 'monotonic: () => clock.now() };',
      },
      {
        file: 'runtime/clock.js',
        find: 'return performance.now() + this.#moved();',
        replace: 'return this.now();',
      },
    ],
  },
  {
    name: 'a clock that leapt is believed',
    plants: [
      {
        file: 'runtime/queue-manager/clock-watch.js',
        find: "> STEADY_WITHIN ? 'moved' : 'steady'",
        replace: "> STEADY_WITHIN ? 'steady' : 'steady'",
      },
    ],
  },
  {
    name: 'a clock that was set is not noticed',
    plants: [
      {
        file: 'runtime/queue-manager/queue-manager.js',
        find: 'const by = this.#clockWatch.look();',
        replace: 'const by = 0;',
      },
    ],
  },
];
