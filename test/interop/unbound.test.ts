/** The stub resolver asks a real recursive server: what it says by UDP and TCP is read as it was meant. */

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findSite } from '../../src/deliver/smtp/mx.ts';
import { StubResolver } from '../../src/dns/stub-resolver.ts';
import { parseDomain } from '../../src/mail/domain.ts';
import { interopNeeds, libraryFolders, packageRoot } from '../lib/debs.ts';
import { freePort, removeFolder, type Running, startProcess, testFolder } from '../lib/processes.ts';
import { until } from '../lib/wait.ts';

const ZONE = `
$ORIGIN example.test.
$TTL 300
@ IN SOA ns root 1 7200 3600 1209600 120
@ IN NS ns
ns IN A 127.0.0.1
@ IN MX 20 MX2
@ IN MX 10 mx1
mx1 IN A 192.0.2.1
mx1 IN AAAA 2001:db8::1
mx2 IN A 192.0.2.2
null IN MX 0 .
alias IN CNAME alias2
alias2 IN CNAME @
dangling IN CNAME nothing
text IN TXT "v=spf1 " "-all"
_25._tcp.mx1 IN TLSA 3 1 1 ${'ab'.repeat(32)}
${Array.from({ length: 80 }, (_, i) => `big IN MX ${i} a-rather-long-name-of-a-host-number-${i}`).join('\n')}
`;

describe('a real unbound', { skip: await interopNeeds('unbound') }, () => {
  let folder: string;
  let unbound: Running;
  let resolver: StubResolver;

  before(async () => {
    const root = await packageRoot('unbound');
    const port = await freePort();
    folder = await testFolder('unbound');
    await writeFile(join(folder, 'zone'), ZONE);
    await writeFile(join(folder, 'unbound.conf'), configuration(folder, port));
    unbound = startProcess({
      argv: [join(root, 'usr/sbin/unbound'), '-d', '-c', join(folder, 'unbound.conf')],
      env: { LD_LIBRARY_PATH: libraryFolders(root).join(':') },
    });
    const start = performance.now();
    resolver = new StubResolver({
      servers: [{ address: '127.0.0.1', port }],
      timeoutMs: 5000,
      attempts: 2,
      trustAd: 'loopback',
      cacheOctets: 100_000,
      clock: { now: () => 0, monotonic: () => performance.now() - start },
      timers: {
        after(delay, wake) {
          const handle = setTimeout(wake, delay);
          return { cancel: () => clearTimeout(handle) };
        },
      },
    });
    await until('unbound to answer', async () => {
      resolver.flush();
      return (await resolver.resolve('ns.example.test', 'A')).kind === 'found';
    });
  });
  after(async () => {
    resolver?.close();
    await unbound?.stop();
    await removeFolder(folder);
  });

  const found = (...records: readonly unknown[]) => ({ kind: 'found', records, ttl: 300, authenticated: false });
  const cases = [
    [
      'MX',
      'example.test',
      'MX',
      found({ preference: 10, exchange: 'mx1.example.test' }, { preference: 20, exchange: 'mx2.example.test' }),
    ],
    [
      'another case',
      'Example.TEST',
      'MX',
      found({ preference: 10, exchange: 'mx1.example.test' }, { preference: 20, exchange: 'mx2.example.test' }),
    ],
    ['null MX', 'null.example.test', 'MX', found({ preference: 0, exchange: '' })],
    ['A', 'mx1.example.test', 'A', found('192.0.2.1')],
    ['AAAA', 'mx1.example.test', 'AAAA', found('2001:db8::1')],
    ['TXT', 'text.example.test', 'TXT', found('v=spf1 -all')],
    [
      'TLSA',
      '_25._tcp.mx1.example.test',
      'TLSA',
      found({ usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32, 0xab) }),
    ],
    [
      'through two CNAMEs',
      'alias.example.test',
      'MX',
      {
        ...found({ preference: 10, exchange: 'mx1.example.test' }, { preference: 20, exchange: 'mx2.example.test' }),
        name: 'example.test',
      },
    ],
    ['no such name', 'nobody.example.test', 'A', { kind: 'noName', ttl: 120, authenticated: false }],
    ['a CNAME to no such name', 'dangling.example.test', 'A', { kind: 'noName', ttl: 120, authenticated: false }],
    ['no such record', 'mx2.example.test', 'AAAA', { kind: 'noData', ttl: 120, authenticated: false }],
  ] as const;
  for (const [name, asked, type, want] of cases)
    test(name, async () => {
      resolver.flush();
      const answer = await resolver.resolve(asked, type);
      const sorted =
        answer.kind === 'found' && type === 'MX'
          ? { ...answer, records: answer.records.toSorted(byPreference) }
          : answer;
      assert.deepEqual(sorted, want);
    });

  test('what does not fit into UDP comes by TCP', async () => {
    const answer = await resolver.resolve('big.example.test', 'MX');
    assert.equal(answer.kind === 'found' && answer.records.length, 80);
  });
  test('what it may not tell us is temporary', async () => {
    const answer = await resolver.resolve('refused.test', 'A');
    assert.ok(answer.kind === 'temporary');
    assert.match(answer.reason, /REFUSED/);
  });
  test('a site is found', async () => {
    const domain = parseDomain('example.test');
    assert.ok(domain.ok);
    const answer = await findSite(domain.value, {
      resolver,
      helloNames: new Set(),
      ownAddresses: (address) => address === '192.0.2.2',
      maxHosts: 5,
      random: { next: () => 0 },
      family: 'both',
    });
    assert.ok(answer.kind === 'site');
    assert.deepEqual(answer.hosts, [{ name: 'mx1.example.test', preference: 10 }]);
  });
});

function byPreference(a: unknown, b: unknown): number {
  return (a as { preference: number }).preference - (b as { preference: number }).preference;
}

function configuration(folder: string, port: number): string {
  return `
server:
  interface: 127.0.0.1@${port}
  do-ip6: no
  do-daemonize: no
  use-syslog: no
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  module-config: "iterator"
  local-zone: "test." transparent
  local-zone: "refused.test." refuse
remote-control:
  control-enable: no
auth-zone:
  name: "example.test."
  zonefile: "${folder}/zone"
  for-downstream: yes
  for-upstream: no
  fallback-enabled: no
`;
}
