import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type TestZone, zoneResolver } from '../../../test/lib/zone-resolver.ts';
import { addressesOf } from './addresses.ts';
import { daneFacts } from './tlsa.ts';

const RECORD = { usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32) };
const host = { A: ['192.0.2.1'], secure: true };
const tlsa = { TLSA: [RECORD], secure: true };

/** What is found of `mx.test`, and what was asked for besides its addresses. */
async function found(zone: TestZone): Promise<readonly [string, ...string[]]> {
  const asked: string[] = [];
  const resolver = zoneResolver(zone, asked);
  const addresses = await addressesOf('mx.test', resolver, 'both');
  assert.ok(addresses.kind === 'addresses');
  const facts = await daneFacts({ host: 'mx.test', port: 25 }, addresses, resolver);
  const base = 'base' in facts ? ` ${facts.base}` : '';
  return [`${facts.kind}${base}`, ...asked.filter((each) => !/^A(AAA)? /.test(each))];
}

describe('the TLSA records of a host', () => {
  const at = 'TLSA _25._tcp.mx.test';
  const atEnd = 'TLSA _25._tcp.end.test';
  const alias = { CNAME: ['end.test'], secure: true };
  const cases: readonly [name: string, zone: TestZone, want: readonly string[]][] = [
    ['are found', { 'mx.test': host, '_25._tcp.mx.test': tlsa }, ['usable mx.test', at]],
    ['are not there', { 'mx.test': host }, ['none', at]],
    ['are none that can be used', { 'mx.test': host, '_25._tcp.mx.test': { TLSA: [{ ...RECORD, usage: 1 }], secure: true } }, ['unusable mx.test', at]],
    ['are bogus', { 'mx.test': host, '_25._tcp.mx.test': 'SERVFAIL' }, ['temporary', at]],
    ['count for nothing where nobody vouches for them', { 'mx.test': host, '_25._tcp.mx.test': { ...tlsa, secure: false } }, ['none', at]],
    ['are not asked for where nobody vouches for the address', { 'mx.test': { ...host, secure: false }, '_25._tcp.mx.test': tlsa }, ['none']],
    ['of an alias are those of its end', { 'mx.test': alias, 'end.test': host, '_25._tcp.end.test': tlsa, '_25._tcp.mx.test': tlsa }, ['usable end.test', atEnd]],
    ['of an alias are its own, where its end has none', { 'mx.test': alias, 'end.test': host, '_25._tcp.mx.test': tlsa }, ['usable mx.test', atEnd, at]],
    ['of an alias are bogus at its end', { 'mx.test': alias, 'end.test': host, '_25._tcp.end.test': 'SERVFAIL', '_25._tcp.mx.test': tlsa }, ['temporary', atEnd]],
    ['of an alias in a signed zone that leads out of it', { 'mx.test': alias, 'end.test': { ...host, secure: false }, '_25._tcp.mx.test': tlsa }, ['usable mx.test', 'CNAME mx.test', at]],
    ['of an alias that nobody vouches for', { 'mx.test': { ...alias, secure: false }, 'end.test': host, '_25._tcp.mx.test': tlsa }, ['none', 'CNAME mx.test']],
    ['themselves an alias', { 'mx.test': host, '_25._tcp.mx.test': { CNAME: ['_tlsa.test'], secure: true }, '_tlsa.test': tlsa }, ['usable mx.test', at]],
  ]; // prettier-ignore
  for (const [name, zone, want] of cases) test(name, async () => assert.deepEqual(await found(zone), want));

  test('an address has none', async () => {
    const asked: string[] = [];
    const resolver = zoneResolver({}, asked);
    const facts = await daneFacts({ host: '192.0.2.1', port: 25 }, { authenticated: true }, resolver);
    assert.deepEqual([facts.kind, asked], ['none', []]);
  });

  test('are asked for at the port that is dialled', async () => {
    const zone = { 'mx.test': host, '_587._tcp.mx.test': tlsa };
    const facts = await daneFacts({ host: 'mx.test', port: 587 }, { authenticated: true }, zoneResolver(zone));
    assert.equal(facts.kind, 'usable');
  });
});
