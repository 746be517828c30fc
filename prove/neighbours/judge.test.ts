import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type BadMessage,
  delaysOver,
  type GoodMessage,
  isDisturbed,
  judgeBad,
  judgeGood,
  judgeMeasured,
  MAX_TRANSIT,
  type Measured,
} from './judge.ts';

const QUIET = { p99: 2, max: 10 };
const MEASURED: Measured = {
  grownOctets: 100,
  delays: { main: QUIET, queueManager: QUIET, worker: QUIET, archivist: QUIET },
  ...{ machine: QUIET, waited: 0, workerDeaths: 0 },
};
const BOUNDS = { grownOctets: 100 };

describe('what was measured', () => {
  const withWorker = (worker: { readonly p99: number; readonly max: number }): Measured => ({
    ...MEASURED,
    delays: { ...MEASURED.delays, worker },
  });
  const cases: readonly (readonly [string, Measured, RegExp | undefined])[] = [
    ['at its bounds is right', withWorker({ p99: 50, max: 250 }), undefined],
    ['memory beyond them', { ...MEASURED, grownOctets: 101 }, /memory grew/],
    ['a worker that died', { ...MEASURED, workerDeaths: 1 }, /1 workers died/],
    ['a loop that is late now and then', withWorker({ p99: 10, max: 251 }), /worker was late: p99 10 ms, max 251 ms/],
    ['a loop that is late often', withWorker({ p99: 51, max: 60 }), /worker was late/],
  ];
  for (const [name, measured, says] of cases)
    test(name, () => {
      const failures = judgeMeasured(measured, BOUNDS);
      if (says === undefined) assert.deepEqual(failures, []);
      else assert.match(failures.join(), says);
    });

  test('a machine that stalls excuses late loops and nothing else', () => {
    const stalled = { ...withWorker({ p99: 90, max: 900 }), machine: { p99: 5, max: 101 }, grownOctets: 200 };
    assert.ok(isDisturbed(stalled));
    assert.ok(isDisturbed({ ...MEASURED, machine: { p99: 26, max: 30 } }));
    assert.ok(isDisturbed({ ...MEASURED, waited: 0.2 }));
    assert.ok(!isDisturbed(MEASURED));
    assert.deepEqual(judgeMeasured(stalled, BOUNDS).length, 1);
  });
});

test('what threads said of several stretches of time is put together', () => {
  const all = (delay: { readonly p99: number; readonly max: number }) => ({ ...MEASURED.delays, worker: delay });
  const long = { ms: 5000, delays: all({ p99: 20, max: 80 }) };
  const other = { ms: 3000, delays: all({ p99: 30, max: 40 }) };
  const short = { ms: 600, delays: all({ p99: 90, max: 90 }) };
  assert.deepEqual(delaysOver([long, other, short]).worker, { p99: 30, max: 90 });
  assert.deepEqual(delaysOver([short]).worker, { p99: 90, max: 90 }, 'where there is nothing else');
});

describe('good mail', () => {
  const content = 'From: <a@b.test>\r\n\r\nBody.\r\n';
  const trace = 'Received: from c.test (c.test [127.0.0.1])\r\n\tby mx.test; now\r\n';
  const good: GoodMessage = {
    ...{ to: 'ann@good.test', content, fate: 'accepted', acceptedAt: 10, deferred: false },
    copies: [{ content: `${trace}${content}`, at: 20 }],
  };
  const cases: readonly (readonly [string, Partial<GoodMessage>, string | undefined])[] = [
    ['that came', {}, undefined],
    ['refused', { fate: 'refused' }, 'was refused'],
    ['unanswered', { fate: 'unanswered' }, 'got no answer'],
    ['lost', { copies: [] }, 'was lost'],
    ['doubled', { copies: [...good.copies, ...good.copies] }, 'came twice'],
    ['changed', { copies: [{ content: `${trace}${content.replace('Body', 'body')}`, at: 20 }] }, 'was changed'],
    ['cut', { copies: [{ content: trace, at: 20 }] }, 'was changed'],
    ['without trace', { copies: [{ content, at: 20 }] }, 'was changed'],
    ['with something before it', { copies: [{ content: `X: y\r\n${content}`, at: 20 }] }, 'was changed'],
    ['put off', { deferred: true }, 'was put off'],
    ['late', { copies: [{ content: `${trace}${content}`, at: 11 + MAX_TRANSIT }] }, 'was held up'],
  ];
  for (const [name, changes, says] of cases)
    test(name, () => {
      const expected = says === undefined ? [] : [`good mail ${says}: 1 (ann@good.test)`];
      assert.deepEqual(judgeGood([{ ...good, ...changes }]), expected);
    });
});

describe('mail for bad neighbours', () => {
  const kept: BadMessage = { to: 'a@bad.test', accepted: true, read: false, delivered: false, kept: true };
  const cases: readonly (readonly [string, Partial<BadMessage>, RegExp | undefined])[] = [
    ['that waits', {}, undefined],
    ['that was read and waits', { read: true }, undefined],
    ['that was read and delivered', { read: true, delivered: true, kept: false }, undefined],
    ['that nobody knows', { kept: false }, /was lost/],
    ['delivered to nobody', { delivered: true, kept: false }, /no next hop has read/],
    ['delivered and waiting', { read: true, delivered: true }, /delivered again/],
    ['that was not accepted', { accepted: false, kept: false }, undefined],
  ];
  for (const [name, changes, says] of cases)
    test(name, () => {
      const failures = judgeBad([{ ...kept, ...changes }]);
      if (says === undefined) assert.deepEqual(failures, []);
      else assert.match(failures.join(), says);
    });
});
