import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CountedSession, TlsResults } from './tls-results.ts';

const session = (parts: Partial<CountedSession> = {}): CountedSession => ({
  domain: 'b.test',
  policyType: 'sts',
  host: 'mx.b.test',
  address: '192.0.2.1',
  result: 'successful',
  reason: '',
  sessions: 1,
  ...parts,
});

function summed(sessions: readonly CountedSession[], results = new TlsResults()) {
  for (const each of sessions) results.add(each);
  return [...results.results()];
}

describe('a day of sessions', () => {
  test('nothing happened', () => assert.deepEqual(summed([]), []));

  test('is summed up by domain and policy', () => {
    const [b, c] = summed([
      session({ sessions: 5 }),
      session({ domain: 'c.test', policyType: 'no-policy-found' }),
      session({ host: 'mx2.b.test', sessions: 2 }),
      session({ policyType: 'tlsa' }),
    ]);
    assert.deepEqual(
      b!.policies.map(({ policyType, successful, mxHosts }) => [policyType, successful, mxHosts]),
      [
        ['sts', 7, ['mx.b.test', 'mx2.b.test']],
        ['tlsa', 1, ['mx.b.test']],
      ],
    );
    assert.equal(c!.domain, 'c.test');
  });

  test('a policy of DANE is each host’s own', () => {
    const [b] = summed([
      session({ policyType: 'tlsa' }),
      session({ policyType: 'sts' }),
      session({ policyType: 'tlsa', host: 'mx.c.test', result: 'tlsa-invalid' }),
      session({ policyType: 'tlsa', sessions: 2 }),
    ]);
    assert.deepEqual(
      b!.policies.map(({ policyType, policyDomain, mxHosts, successful, failed }) => ({
        ...{ policyType, policyDomain, mxHosts, successful, failed },
      })),
      [
        { policyType: 'tlsa', policyDomain: 'mx.b.test', mxHosts: ['mx.b.test'], successful: 3, failed: 0 },
        { policyType: 'sts', policyDomain: 'b.test', mxHosts: ['mx.b.test'], successful: 1, failed: 0 },
        { policyType: 'tlsa', policyDomain: 'mx.c.test', mxHosts: ['mx.c.test'], successful: 0, failed: 1 },
      ],
    );
  });

  test('of more hosts than anybody has the rest are one policy, and none is lost', () => {
    const many = Array.from({ length: 200 }, (_, i) => session({ policyType: 'tlsa', host: `mx${i % 100}.b.test` }));
    const [b] = summed(many);
    assert.equal(b!.policies.length, 51);
    assert.deepEqual([b!.policies[50]!.policyDomain, b!.policies[50]!.successful], ['b.test', 100]);
    assert.equal(b!.policies[0]!.successful, 2);
  });

  test('like failures are one, with the last reason', () => {
    const failure = { result: 'certificate-expired', reason: 'yesterday' };
    const [b] = summed([
      session(failure),
      session({ ...failure, sessions: 3, reason: 'today' }),
      session({ ...failure, host: 'mx2.b.test' }),
      session({ ...failure, host: 'mx2.b.test', sourceAddress: '198.51.100.7' }),
      session({ ...failure, host: 'mx2.b.test', sourceAddress: '198.51.100.8' }),
    ]);
    const [policy] = b!.policies;
    assert.deepEqual([policy!.successful, policy!.failed], [0, 7]);
    const second = { result: 'certificate-expired', host: 'mx2.b.test', address: '192.0.2.1', reason: 'yesterday' };
    assert.deepEqual(policy!.failures, [
      { ...second, host: 'mx.b.test', sourceAddress: '', reason: 'today', sessions: 4 },
      { ...second, sourceAddress: '', sessions: 1 },
      { ...second, sourceAddress: '198.51.100.7', sessions: 1 },
      { ...second, sourceAddress: '198.51.100.8', sessions: 1 },
    ]);
  });

  test('a policy that never was one is passed over', () =>
    assert.deepEqual(summed([session({ policyType: 'x' })]), []));

  test('more domains than there is room for are counted, and not reported on', () => {
    const results = new TlsResults({ domains: 2, failures: 2 });
    const domains = ['a', 'b', 'c', 'a', 'd'].map((name) => session({ domain: `${name}.test` }));
    assert.deepEqual(
      summed(domains, results).map(({ domain }) => domain),
      ['a.test', 'b.test'],
    );
    assert.equal(results.overflow, 2);
  });

  test('of more kinds of failure than there is room for the sum is kept', () => {
    const results = new TlsResults({ domains: 2, failures: 2 });
    const many = Array.from({ length: 10 }, (_, i) => session({ result: 'validation-failure', host: `mx${i}.b.test` }));
    const [b] = summed(many, results);
    assert.deepEqual([b!.policies[0]!.failed, b!.policies[0]!.failures.length], [10, 2]);
  });
});
