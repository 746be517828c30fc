import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  counter,
  describeMetrics,
  gauge,
  histogram,
  mergedText,
  type MetricsSnapshot,
  retire,
  snapshot,
} from './metrics.ts';

const replies = counter('postrider_test_replies_total', 'Replies, by class.', {
  class: ['2xx', '4xx', '5xx'],
  verb: ['MAIL', 'RCPT'],
});
const plain = counter('postrider_test_plain_total', 'Without labels.');
const depth = gauge('postrider_test_depth', 'Entries that wait.');
const sessions = gauge('postrider_test_sessions', 'Sessions, by listener.', { listener: ['in', 'submission'] });
const latest = gauge('postrider_test_latest', 'The largest of all.', {}, 'max');
const delays = histogram('postrider_test_delay_seconds', 'Delay.', {
  buckets: [0.1, 1],
  labels: { way: ['mx', 'lmtp'] },
});

const valueOf = (text: string, series: string) =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${series} `))
    ?.slice(series.length + 1);
const transferred = (taken: MetricsSnapshot): MetricsSnapshot => structuredClone(taken);

describe('metrics', () => {
  test('every series is there from the start', async () => {
    const text = await mergedText([await snapshot()]);
    assert.equal(valueOf(text, 'postrider_test_replies_total{class="4xx",verb="RCPT"}'), '0');
    assert.equal(valueOf(text, 'postrider_test_delay_seconds_count{way="lmtp"}'), '0');
    assert.match(text, /^# HELP postrider_test_depth Entries that wait\.$/m);
    assert.match(text, /^# TYPE postrider_test_depth gauge$/m);
  });

  test('counters, gauges and histograms count', async () => {
    replies.add(2, { class: '2xx', verb: 'MAIL' });
    plain.add(3);
    depth.set(7);
    depth.add(-2);
    sessions.set(4, { listener: 'in' });
    sessions.add(1, { listener: 'in' });
    delays.observe(0.5, { way: 'mx' });
    const text = await mergedText([await snapshot()]);
    assert.equal(valueOf(text, 'postrider_test_replies_total{class="2xx",verb="MAIL"}'), '2');
    assert.equal(valueOf(text, 'postrider_test_plain_total'), '3');
    assert.equal(valueOf(text, 'postrider_test_depth'), '5');
    assert.equal(valueOf(text, 'postrider_test_sessions{listener="in"}'), '5');
    assert.equal(valueOf(text, 'postrider_test_delay_seconds_bucket{le="0.1",way="mx"}'), '0');
    assert.equal(valueOf(text, 'postrider_test_delay_seconds_bucket{le="1",way="mx"}'), '1');
    assert.equal(valueOf(text, 'postrider_test_delay_seconds_sum{way="mx"}'), '0.5');
  });

  test('the snapshots of threads cross as plain values and add up', async () => {
    const taken = transferred(await snapshot());
    const one = await mergedText([taken]);
    const three = await mergedText([taken, taken, taken]);
    for (const series of ['postrider_test_plain_total', 'postrider_test_depth']) {
      assert.equal(Number(valueOf(three, series)), 3 * Number(valueOf(one, series)));
    }
  });

  test('of a gauge that says so the largest value of all threads counts', async () => {
    latest.set(3);
    const one = transferred(await snapshot());
    latest.set(2);
    assert.equal(valueOf(await mergedText([one, transferred(await snapshot())]), 'postrider_test_latest'), '3');
  });

  test('the counts of threads that died stay in the sum, their gauges do not', async () => {
    const taken = transferred(await snapshot());
    const retired = transferred(await retire(transferred(await retire([], taken)), taken));
    const before = await mergedText([taken]);
    const after = await mergedText([taken, retired]);
    for (const series of ['postrider_test_plain_total', 'postrider_test_delay_seconds_bucket{le="1",way="mx"}']) {
      assert.ok(Number(valueOf(before, series)) > 0);
      assert.equal(Number(valueOf(after, series)), 3 * Number(valueOf(before, series)));
    }
    assert.equal(valueOf(after, 'postrider_test_depth'), valueOf(before, 'postrider_test_depth'));
  });

  test('no snapshot gives an empty page', async () => assert.equal((await mergedText([])).trim(), ''));

  const wrong: readonly { name: string; run: () => void; says: RegExp }[] = [
    {
      name: 'a value that is not in the list',
      run: () => replies.add(1, { class: '3xx' as '2xx', verb: 'MAIL' }),
      says: /class cannot be 3xx/,
    },
    { name: 'a missing label', run: () => replies.add(1, { class: '2xx' } as never), says: /verb cannot be undefined/ },
    { name: 'no labels at all', run: () => (replies.add as (amount: number) => void)(1), says: /needs its labels/ },
    { name: 'a name declared twice', run: () => void counter('postrider_test_plain_total', 'x'), says: /twice/ },
    { name: 'a counter without _total', run: () => void counter('postrider_test_x', 'x'), says: /_total/ },
    { name: 'a name that is not ours', run: () => void gauge('nodejs_x', 'x'), says: /not a name/ },
    { name: 'a label without values', run: () => void gauge('postrider_test_y', 'x', { a: [] }), says: /0 series/ },
    {
      name: 'a label with too many values',
      run: () => void gauge('postrider_test_z', 'x', { a: Array.from({ length: 501 }, String) }),
      says: /501 series/,
    },
  ];
  for (const { name, run, says } of wrong) test(`${name} is refused`, () => assert.throws(run, says));

  test('the declarations are the documentation', () => {
    const description = describeMetrics().find(({ name }) => name === 'postrider_test_replies_total');
    assert.deepEqual(description, {
      name: 'postrider_test_replies_total',
      kind: 'counter',
      help: 'Replies, by class.',
      labels: { class: ['2xx', '4xx', '5xx'], verb: ['MAIL', 'RCPT'] },
    });
    const names = describeMetrics().map(({ name }) => name);
    assert.deepEqual(names, [...names].sort());
  });
});
