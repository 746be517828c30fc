import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { canonicalIp, formatIp, isLoopback, isPrivate, Networks, parseIp } from './ip.ts';

describe('canonicalIp', () => {
  const good: readonly (readonly [string, string])[] = [
    ['192.0.2.1', '192.0.2.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:db8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8:0:0:1:0:0:0', '2001:db8:0:0:1::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['fe80::', 'fe80::'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:0201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['100:10:0:0:0:0:0:10', '100:10::10'],
  ];
  for (const [text, want] of good)
    test(`${text} is ${want}`, () => assert.deepEqual(canonicalIp(text), { ok: true, value: want }));

  // prettier-ignore
  const bad = [
    '', ' ', '1', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.04', '0x7f.0.0.1', '1.2.3.4 ', '1..3.4',
    ':', ':::', '1:2', '1::2::3', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', '::1:2:3:4:5:6:7:8', 'fe80::1%eth0',
    'g::1', '12345::', '[::1]', '::1.2.3', '1.2.3.4::', '::1.2.3.4:5', '1:2:3:4:5:6:7:1.2.3.4', ':1::2', '1::2:',
    '١.2.3.4', 'localhost', '__proto__', `${'0:'.repeat(100)}1`, '-1.2.3.4', '1e1.2.3.4',
  ];
  for (const text of bad)
    test(`${JSON.stringify(text.slice(0, 40))} is no address`, () => assert.equal(canonicalIp(text).ok, false));

  test('agrees with node:net on what is an address, and is canonical', () => {
    const group = fc.oneof(
      fc.constantFrom('0', 'ffff', '1', ''),
      fc.integer({ max: 0x1ffff, min: 0 }).map((n) => n.toString(16)),
    );
    const dotted = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 3, maxLength: 5 }).map((n) => n.join('.'));
    const text = fc
      .tuple(fc.array(group, { maxLength: 9 }), fc.option(dotted, { nil: undefined }))
      .map(([groups, tail]) => (tail === undefined ? groups : [...groups, tail]).join(':'));
    fc.assert(
      fc.property(fc.oneof(text, dotted, fc.ipV6(), fc.ipV4(), fc.string()), (candidate) => {
        if (candidate.includes('%')) return;
        const result = canonicalIp(candidate);
        assert.equal(result.ok, isIP(candidate) !== 0, candidate);
        if (result.ok) assert.deepEqual(canonicalIp(result.value), result);
      }),
      { numRuns: 500 },
    );
  });
  test('text and number are the same thing', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (value) => {
        const ip = parseIp(formatIp({ family: 6, value }));
        assert.ok(ip.ok);
        assert.equal(ip.value.family === 6 ? ip.value.value : (0xffffn << 32n) | ip.value.value, value);
      }),
    );
  });
});

describe('Networks', () => {
  const list = ['192.0.2.0/24', '198.51.100.7', '2001:db8::/32', '::ffff:203.0.113.0/120', '10.0.0.0/8'];
  const networks = Networks.parse(list);
  assert.ok(networks.ok);
  const cases: readonly (readonly [string, boolean])[] = [
    ['192.0.2.0', true],
    ['192.0.2.255', true],
    ['192.0.3.0', false],
    ['::ffff:192.0.2.9', true],
    ['198.51.100.7', true],
    ['198.51.100.8', false],
    ['2001:db8:ffff::1', true],
    ['2001:db9::1', false],
    ['203.0.113.77', true],
    ['203.0.114.1', false],
    ['10.255.255.255', true],
    ['', false],
    ['not an address', false],
    // The same 32 bits, in the other family.
    ['::c000:201', false],
  ];
  for (const [address, want] of cases)
    test(`${address} is ${want ? '' : 'not '}in`, () => assert.equal(networks.value.contains(address), want));

  test('everything of one family is not everything of the other', () => {
    const all = Networks.parse(['::/0']);
    assert.ok(all.ok);
    assert.equal(all.value.contains('2001:db8::1'), true);
    assert.equal(all.value.contains('192.0.2.1'), false);
  });
  test('an empty list has nothing', () => {
    const none = Networks.parse([]);
    assert.ok(none.ok);
    assert.equal(none.value.contains('127.0.0.1'), false);
  });
  const bad: readonly (readonly [string, RegExp])[] = [
    ['192.0.2.0/33', /bad prefix length/],
    ['192.0.2.0/-1', /bad prefix length/],
    ['192.0.2.0/', /bad prefix length/],
    ['192.0.2.0/024', /bad prefix length/],
    ['::ffff:192.0.2.0/24', /bad prefix length/],
    ['192.0.2.1/24', /bits set after the prefix; did you mean 192\.0\.2\.0\/24/],
    ['2001:db8::1/32', /did you mean 2001:db8::\/32/],
    ['example.com', /not an IP address/],
    ['192.0.2.0/24/8', /bad prefix length/],
  ];
  for (const [text, reason] of bad)
    test(`${text} is refused`, () => {
      const result = Networks.parse(['192.0.2.1', text]);
      assert.ok(!result.ok);
      assert.match(result.reason, reason);
      assert.ok(result.reason.includes(text));
    });
});

test('loopback and private addresses', () => {
  for (const address of ['127.0.0.1', '127.255.0.1', '::1', '::ffff:127.0.0.1']) {
    assert.equal(isLoopback(address), true, address);
    assert.equal(isPrivate(address), true, address);
  }
  for (const address of [
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.0.1',
    '100.64.0.1',
    'fd00::1',
    'fe80::1',
    '::',
    '0.0.0.0',
  ]) {
    assert.equal(isLoopback(address), false, address);
    assert.equal(isPrivate(address), true, address);
  }
  for (const address of ['192.0.2.1', '172.32.0.1', '2001:db8::1', 'x'])
    assert.equal(isPrivate(address), false, address);
});
