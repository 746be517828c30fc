import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readResolvConf } from './resolv-conf.ts';

describe('readResolvConf', () => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ['one server', 'nameserver 192.0.2.1\n', ['192.0.2.1']],
    ['no final newline', 'nameserver 192.0.2.1', ['192.0.2.1']],
    ['tabs and spaces', ' \tnameserver\t 192.0.2.1 \n', ['192.0.2.1']],
    ['CRLF', 'nameserver 192.0.2.1\r\nnameserver 192.0.2.2\r\n', ['192.0.2.1', '192.0.2.2']],
    ['IPv6 in its canonical form', 'nameserver 2001:DB8:0::1', ['2001:db8::1']],
    ['a link-local server with its interface', 'nameserver fe80::1%eth0', ['fe80::1%eth0']],
    ['other lines and comments', '# c\n; c\nsearch a.test\noptions edns0\nnameserver 192.0.2.1 # mine', ['192.0.2.1']],
    ['a server behind a comment sign', '#nameserver 192.0.2.9\n;nameserver 192.0.2.9', ['127.0.0.1']],
    ['what is no address', 'nameserver dns.test\nnameserver 1.2.3\nnameserver 192.0.2.1', ['192.0.2.1']],
    [
      'at most three',
      [1, 2, 3, 4].map((n) => `nameserver 192.0.2.${n}`).join('\n'),
      ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
    ],
    ['no server', 'search a.test\n', ['127.0.0.1']],
    ['nothing', '', ['127.0.0.1']],
    ['a word that only begins like it', 'nameservers 192.0.2.1', ['127.0.0.1']],
    ['an interface that is none', 'nameserver fe80::1%a/b', ['127.0.0.1']],
  ];
  for (const [name, text, addresses] of cases)
    test(name, () =>
      assert.deepEqual(
        readResolvConf(text),
        addresses.map((address) => ({ address, port: 53 })),
      ),
    );

  test('any text gives a server', () => {
    fc.assert(fc.property(fc.string(), (text) => assert.ok(readResolvConf(`nameserver ${text}`).length > 0)));
  });
});
