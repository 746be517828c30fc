/** The count of a test run: nothing that failed or did not run is passed over. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import process from 'node:process';
import { describe, test } from 'node:test';

import { Tally, type TestEvent } from '../scripts/test-tally.ts';

const FILE = join(process.cwd(), 'src', 'a.test.ts');

function event(name: string, parts: Partial<TestEvent> = {}): TestEvent {
  return { name, file: FILE, line: 3, details: { type: 'test' }, ...parts };
}

function failure(type: string, cause?: unknown): TestEvent['details'] {
  return { type: 'test', error: Object.assign(new Error('no', { cause }), { failureType: type }) };
}

describe('the tally of a test run', () => {
  const cases: readonly { name: string; take: (tally: Tally) => void; ok: boolean; want: readonly string[] }[] = [
    {
      name: 'counts tests and not the suites around them',
      take: (tally) => {
        tally.take('unit', 'passed', event('one'));
        tally.take('unit', 'passed', event('around', { details: { type: 'suite' } }));
      },
      ok: true,
      want: ['unit      1 passed, 0 failed, 0 skipped', '1 passed, 0 failed, 0 skipped'],
    },
    {
      name: 'says how long a part took',
      take: (tally) => {
        tally.take('scenario', 'passed', event('one'));
        tally.ended('scenario', 61.7);
      },
      ok: true,
      want: ['scenario  1 passed, 0 failed, 0 skipped in 62 s', '1 passed, 0 failed, 0 skipped'],
    },
    {
      name: 'counts a failure once, where it is',
      take: (tally) => {
        tally.take('unit', 'failed', event('one', { details: failure('testCodeFailure') }));
        tally.take('unit', 'failed', event('around', { details: failure('subtestsFailed') }));
      },
      ok: false,
      want: [
        'FAILED unit: one (src/a.test.ts:3)',
        '    no',
        'unit      0 passed, 1 failed, 0 skipped',
        '0 passed, 1 failed, 0 skipped',
      ],
    },
    {
      name: 'says what a failed test threw, as far as it is short',
      take: (tally) => {
        const thrown = new Error(
          ['x'.repeat(500), '', ...Array.from({ length: 12 }, (_, i) => `line ${i}`)].join('\n'),
        );
        tally.take('unit', 'failed', event('one', { details: failure('testCodeFailure', thrown) }));
      },
      ok: false,
      want: [
        'FAILED unit: one (src/a.test.ts:3)',
        `    ${'x'.repeat(240)}`,
        ...Array.from({ length: 11 }, (_, i) => `    line ${i}`),
        '    …',
        'unit      0 passed, 1 failed, 0 skipped',
        '0 passed, 1 failed, 0 skipped',
      ],
    },
    {
      name: 'a hook that failed is a failure though no test is named',
      take: (tally) => tally.take('unit', 'failed', event('around', { details: failure('hookFailed') })),
      ok: false,
      want: [
        'FAILED unit: around (src/a.test.ts:3)',
        '    no',
        'unit      0 passed, 1 failed, 0 skipped',
        '0 passed, 1 failed, 0 skipped',
      ],
    },
    {
      name: 'a file without a test is a failure',
      take: (tally) => tally.take('unit', 'passed', event('src/a.test.ts')),
      ok: false,
      want: [
        'FAILED unit: src/a.test.ts has no test in it',
        'unit      0 passed, 1 failed, 0 skipped',
        '0 passed, 1 failed, 0 skipped',
      ],
    },
    {
      name: 'a part in which nothing ran is a failure',
      take: (tally) => tally.ended('scenario'),
      ok: false,
      want: [
        'FAILED scenario: no test was executed',
        'scenario  0 passed, 1 failed, 0 skipped',
        '0 passed, 1 failed, 0 skipped',
      ],
    },
    {
      name: 'skips are told by reason, whatever is skipped',
      take: (tally) => {
        const skip = 'exim: not Debian';
        tally.take('interop', 'passed', event('to Exim', { skip, details: { type: 'suite' } }));
        tally.take('interop', 'passed', event('from Exim', { skip }));
        tally.take('interop', 'passed', event('other', { skip: true }));
        tally.ended('interop');
      },
      ok: true,
      want: [
        'SKIPPED interop: exim: not Debian (to Exim (src/a.test.ts:3) and 1 more)',
        'SKIPPED interop: no reason is given (other (src/a.test.ts:3))',
        'interop   0 passed, 0 failed, 3 skipped',
        '0 passed, 0 failed, 3 skipped',
      ],
    },
    {
      name: 'a file that was ended says so',
      take: (tally) => tally.take('unit', 'failed', event(FILE, { details: failure('testAborted') })),
      ok: false,
      want: [
        'FAILED unit: src/a.test.ts was ended: nothing happened in it any more',
        '    no',
        'unit      0 passed, 1 failed, 0 skipped',
        '0 passed, 1 failed, 0 skipped',
      ],
    },
    { name: 'a run of nothing is no success', take: () => {}, ok: false, want: ['0 passed, 0 failed, 0 skipped'] },
  ];
  for (const { name, take, ok, want } of cases) {
    test(name, () => {
      const tally = new Tally();
      take(tally);
      assert.equal(tally.ok, ok);
      assert.deepEqual(tally.summary().split('\n').slice(2), want);
    });
  }
});
