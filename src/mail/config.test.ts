import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Option } from '../lib/schema-reading.ts';
import {
  address,
  addressPattern,
  domainName,
  hostOrAddress,
  ipAddress,
  network,
  nextHopAddress,
  wholeAddress,
} from './config.ts';

interface Cases {
  readonly name: string;
  readonly option: Option<unknown, string>;
  readonly good: readonly (readonly [string, unknown])[];
  readonly bad: readonly unknown[];
}

const TABLE: readonly Cases[] = [
  {
    name: 'domainName',
    option: domainName('example.com', ''),
    good: [
      ['Example.COM', 'example.com'],
      ['bücher.example', 'xn--bcher-kva.example'],
    ],
    bad: ['', 'a..b', '-a.test', 'a b', 5, null, 'a\r\nb'],
  },
  {
    name: 'hostOrAddress',
    option: hostOrAddress('mx.example.com', ''),
    good: [
      ['MX.example.com', 'mx.example.com'],
      ['192.0.2.1', '192.0.2.1'],
      ['2001:DB8::0:1', '2001:db8::1'],
      ['::', '::'],
    ],
    bad: ['', '[::1]', 'a:25', 'a b'],
  },
  {
    name: 'ipAddress of IPv4',
    option: ipAddress(4, '192.0.2.1', ''),
    good: [
      ['192.0.2.1', '192.0.2.1'],
      ['::ffff:192.0.2.1', '192.0.2.1'],
    ],
    bad: ['::1', 'localhost', '192.0.2', '1.2.3.4/8'],
  },
  {
    name: 'ipAddress of IPv6',
    option: ipAddress(6, '2001:db8::1', ''),
    good: [['2001:DB8::0:1', '2001:db8::1']],
    bad: ['192.0.2.1', '::ffff:192.0.2.1'],
  },
  {
    name: 'wholeAddress',
    option: wholeAddress('ann@example.com', ''),
    good: [['Ann@Example.com', 'Ann@example.com']],
    bad: ['', 'ann', 'ann@', 'mailto:ann'],
  },
  {
    name: 'network',
    option: network('192.0.2.0/24', ''),
    good: [
      ['192.0.2.0/24', '192.0.2.0/24'],
      ['::1', '::1'],
    ],
    bad: ['192.0.2.1/24', '192.0.2.0/33', 'any', ''],
  },
  {
    name: 'address',
    option: address('ann', ''),
    good: [
      ['ann', 'ann'],
      ['Ann@Example.com', 'Ann@example.com'],
    ],
    bad: ['', '@', 'a b', 'ann@', '@example.com', 'a@b@c', '<ann@example.com>'],
  },
  {
    name: 'addressPattern',
    option: addressPattern('*', ''),
    good: [
      ['*', '*'],
      ['<>', '<>'],
      ['.Example.com', '.example.com'],
      ['example.com', 'example.com'],
      ['ann@Example.com', 'ann@example.com'],
    ],
    bad: ['', '.', '*.example.com', '@example.com', 'a b'],
  },
  {
    name: 'nextHopAddress',
    option: nextHopAddress('/run/lmtp', ''),
    good: [
      ['/run/lmtp', { socket: '/run/lmtp' }],
      ['localhost.test:24', { host: 'localhost.test', port: 24 }],
      ['127.0.0.1:24', { host: '127.0.0.1', port: 24 }],
      ['[::1]:24', { host: '::1', port: 24 }],
    ],
    bad: ['', 'localhost', 'a:0', 'a:65536', '::1:24', 'a:b', 'run/lmtp'],
  },
];

for (const { name, option, good, bad } of TABLE)
  describe(name, () => {
    for (const [written, want] of good)
      test(`${written} is read`, () => assert.deepEqual(option.read(written, 'p'), { ok: true, value: want }));
    for (const written of bad)
      test(`${JSON.stringify(written)} is refused`, () => assert.equal(option.read(written, 'p').ok, false));
  });
