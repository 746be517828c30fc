import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { clientKey, connectionCounts, SharedCounts } from './limits.ts';

describe('SharedCounts', () => {
  test('workers count together', () => {
    const table = connectionCounts(2);
    const [one, two] = [0, 1].map((worker) => new SharedCounts(table, worker)) as [SharedCounts, SharedCounts];
    assert.equal(one.add('a'), 1);
    assert.equal(two.add('a'), 2);
    one.remove('a');
    assert.equal(two.add('a'), 2);
    assert.equal(one.add('b'), 1);
  });

  test('a worker that begins anew forgets what the one before it had counted, and no more', () => {
    const table = connectionCounts(2);
    const stays = new SharedCounts(table, 0);
    const dies = new SharedCounts(table, 1);
    stays.add('a');
    dies.add('a');
    dies.add('a');
    const born = new SharedCounts(table, 1);
    assert.equal(born.add('a'), 2);
  });

  test('the table has only so many workers', () => {
    assert.throws(() => new SharedCounts(connectionCounts(1), 1), /no room for worker 1/);
  });

  test('never less than the truth, and nothing is left when all are gone', () => {
    fc.assert(
      fc.property(fc.array(fc.ipV4(), { maxLength: 60 }), (keys) => {
        const counts = new SharedCounts(connectionCounts(1), 0);
        const truth = new Map<string, number>();
        for (const key of keys) {
          truth.set(key, (truth.get(key) ?? 0) + 1);
          assert.ok(counts.add(key) >= truth.get(key)!);
        }
        for (const key of keys) counts.remove(key);
        for (const key of new Set(keys)) {
          assert.equal(counts.add(key), 1);
          counts.remove(key);
        }
      }),
      { numRuns: 20 },
    );
  });

  test('ten thousand clients do not make a stranger look like a crowd', () => {
    const counts = new SharedCounts(connectionCounts(1), 0);
    for (let client = 0; client < 10_000; client += 1) counts.add(`10.${client >> 8}.${client & 255}.1`);
    const strangers = Array.from({ length: 200 }, (_, i) => counts.add(`192.0.2.${i}`));
    assert.ok(Math.max(...strangers) < 10, `${Math.max(...strangers)}`);
  });
});

describe('clientKey', () => {
  const cases: { name: string; a: string; b: string; same: boolean }[] = [
    { name: 'IPv4 addresses are clients of their own', a: '192.0.2.1', b: '192.0.2.2', same: false },
    { name: 'an IPv4 address in IPv6 form is the same client', a: '192.0.2.1', b: '::ffff:192.0.2.1', same: true },
    { name: 'one IPv6 /64 is one client', a: '2001:db8::1', b: '2001:db8::ffff:1', same: true },
    { name: 'another /64 is another', a: '2001:db8::1', b: '2001:db8:0:1::1', same: false },
  ];
  for (const { name, a, b, same } of cases) test(name, () => assert.equal(clientKey(a) === clientKey(b), same));
});
