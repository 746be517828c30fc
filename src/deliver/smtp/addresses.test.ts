import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DnsAnswer, type DnsRecords, type DnsType, type Resolver } from '../../ports/resolver.ts';
import { addressesOf, type AddressFamily } from './addresses.ts';

const none: DnsAnswer<string> = { kind: 'noData', ttl: 30, authenticated: true };
const noName: DnsAnswer<string> = { kind: 'noName', ttl: 20, authenticated: false };
const broken: DnsAnswer<string> = { kind: 'temporary', reason: 'SERVFAIL' };

function found(first: string, ...rest: string[]): DnsAnswer<string> {
  return { kind: 'found', records: [first, ...rest], ttl: first.includes(':') ? 60 : 90, authenticated: true };
}

function host(ipv4: DnsAnswer<string>, ipv6: DnsAnswer<string>): Resolver & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    resolve<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<DnsRecords[T]>> {
      asked.push(`${type} ${name}`);
      return Promise.resolve((type === 'A' ? ipv4 : ipv6) as DnsAnswer<DnsRecords[T]>);
    },
  };
}

const V4 = found('192.0.2.1', '192.0.2.2', '192.0.2.3');
const V6 = found('2001:db8::1', '2001:db8::2');

describe('the order of addresses', () => {
  const cases: readonly (readonly [AddressFamily, readonly string[], readonly string[]])[] = [
    ['both', ['2001:db8::1', '192.0.2.1', '2001:db8::2', '192.0.2.2', '192.0.2.3'], ['A mx.test', 'AAAA mx.test']],
    ['ipv4First', ['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8::1', '2001:db8::2'], ['A mx.test', 'AAAA mx.test']],
    ['ipv6First', ['2001:db8::1', '2001:db8::2', '192.0.2.1', '192.0.2.2', '192.0.2.3'], ['A mx.test', 'AAAA mx.test']],
    ['ipv4', ['192.0.2.1', '192.0.2.2', '192.0.2.3'], ['A mx.test']],
    ['ipv6', ['2001:db8::1', '2001:db8::2'], ['AAAA mx.test']],
  ];
  for (const [family, want, asked] of cases)
    test(family, async () => {
      const resolver = host(V4, V6);
      const answer = await addressesOf('mx.test', resolver, family);
      assert.ok(answer.kind === 'addresses');
      assert.deepEqual(answer.addresses, want);
      assert.deepEqual(resolver.asked, asked);
    });
});

describe('what two answers say together', () => {
  const cases: readonly (readonly [string, DnsAnswer<string>, DnsAnswer<string>, string])[] = [
    ['both found: the lower TTL', V4, V6, 'addresses 60 true'],
    ['one found, one none', V4, none, 'addresses 90 true'],
    ['one found, one unknown', V4, broken, 'addresses 90 true'],
    [
      'an answer without authentication takes it from all',
      V4,
      { ...V6, authenticated: false } as DnsAnswer<string>,
      'addresses 60 false',
    ],
    ['none at all', none, none, 'none 30 true'],
    ['no such name', noName, noName, 'none 20 false'],
    ['none and unknown', none, broken, 'temporary'],
    ['unknown and none', broken, noName, 'temporary'],
  ];
  for (const [name, ipv4, ipv6, want] of cases)
    test(name, async () => {
      const answer = await addressesOf('mx.test', host(ipv4, ipv6), 'both');
      const facts = answer.kind === 'temporary' ? [answer.kind] : [answer.kind, answer.ttl, answer.authenticated];
      assert.equal(facts.join(' '), want);
    });
});

test('an IP address is its own, if its family is used', async () => {
  const resolver = host(V4, V6);
  const v4 = await addressesOf('192.0.2.7', resolver, 'both');
  assert.deepEqual(v4.kind === 'addresses' && v4.addresses, ['192.0.2.7']);
  const v6 = await addressesOf('2001:DB8::7', resolver, 'ipv6');
  assert.deepEqual(v6.kind === 'addresses' && v6.addresses, ['2001:db8::7']);
  assert.equal((await addressesOf('192.0.2.7', resolver, 'ipv6')).kind, 'none');
  assert.equal((await addressesOf('::1', resolver, 'ipv4')).kind, 'none');
  assert.deepEqual(resolver.asked, []);
});

test('a host with a hundred addresses gives some', async () => {
  const many = found('192.0.2.0', ...Array.from({ length: 99 }, (_, i) => `192.0.2.${i + 1}`));
  const answer = await addressesOf('mx.test', host(many, V6), 'both');
  assert.equal(answer.kind === 'addresses' && answer.addresses.length, 10);
});
