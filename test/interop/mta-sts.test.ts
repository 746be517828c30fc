/** MTA-STS policies from nginx, by certificates of an authority of ours: neither its TLS nor its HTTP is Node's. */

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type FetchOptions, fetchStsPolicy } from '../../src/deliver/sts/fetch.ts';
import { startDnsServer } from '../../src/sandbox/dns-server.ts';
import { type ResourceRecord } from '../../src/wire/dns/record.ts';
import { MAX_POLICY_OCTETS } from '../../src/tlspolicy/mta-sts.ts';
import { makeAuthority } from '../lib/certificates.ts';
import { LineClient } from '../lib/line-client.ts';
import { interopNeeds, libraryFolders, packageRoot } from '../lib/debs.ts';
import { freePort, removeFolder, type Running, startProcess, testFolder } from '../lib/processes.ts';
import { startProduct } from '../lib/product.ts';
import { untilListening } from '../lib/wait.ts';
import { zoneResolver } from '../lib/zone-resolver.ts';

const POLICY = 'version: STSv1\r\nmode: enforce\r\nmx: mx.b.test\r\nmx: *.c.test\r\nmax_age: 604800\r\n';
const READ = { kind: 'policy', policy: { mode: 'enforce', mx: ['mx.b.test', '*.c.test'], maxAge: 604_800 } };
const PLAIN = 'default_type text/plain;';

/** What stands in the place of the policy, by host. */
const HOSTS: Readonly<Record<string, string>> = {
  'good.test': PLAIN,
  'charset.test': `${PLAIN} charset utf-8;`,
  // Who does not say that it takes it must not be sent it.
  'gzip.test': `${PLAIN} gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;`,
  'packed.test': `${PLAIN} add_header Content-Encoding gzip;`,
  'moved.test': 'return 301 https://mta-sts.good.test$request_uri;',
  'temporarily.test': 'return 302 /elsewhere.txt;',
  'page.test': 'default_type text/html;',
  'untyped.test': 'default_type "";',
  'missing.test': 'return 404;',
  'forbidden.test': 'deny all;',
  'closed.test': 'return 444;',
  'large.test': `${PLAIN} alias large.txt;`,
  'nonsense.test': `${PLAIN} alias nonsense.txt;`,
  'slow.test': `${PLAIN} limit_rate 1;`,
  'b.test': PLAIN,
  'wrong-name.test': PLAIN,
  'stranger.test': PLAIN,
};

const skip = await interopNeeds('nginx');

describe('nginx', { skip }, () => {
  const authority = makeAuthority();
  let folder: string;
  let port: number;
  let nginx: Running;

  before(async () => {
    folder = await testFolder('nginx');
    port = await freePort();
    const root = await packageRoot('nginx');
    await writeFile(join(folder, 'policy.txt'), POLICY);
    await writeFile(join(folder, 'large.txt'), `${POLICY}x: ${'y'.repeat(MAX_POLICY_OCTETS)}\r\n`);
    await writeFile(join(folder, 'nonsense.txt'), '<html>Welcome to nginx!</html>');
    const certificates = {
      right: authority.issue(
        ...Object.keys(HOSTS)
          .map((host) => `mta-sts.${host}`)
          .filter((name) => !name.includes('wrong')),
      ),
      other: authority.issue('wrong-name.test', 'www.wrong-name.test'),
      stranger: makeAuthority().issue('mta-sts.stranger.test'),
    };
    for (const [name, { cert, key }] of Object.entries(certificates)) {
      await writeFile(join(folder, `${name}.pem`), cert);
      await writeFile(join(folder, `${name}.key`), key);
    }
    await writeFile(join(folder, 'nginx.conf'), configuration(folder, port));
    nginx = startProcess({
      argv: [join(root, 'usr/sbin/nginx'), '-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'],
      env: { LD_LIBRARY_PATH: libraryFolders(root).join(':') },
    });
    await untilListening(port);
  });
  after(async () => {
    await nginx?.stop();
    await removeFolder(folder);
  });

  function fetch(host: string, more: Partial<FetchOptions> = {}) {
    return fetchStsPolicy(host, {
      resolver: zoneResolver({ [`mta-sts.${host}`]: { A: ['127.0.0.1'] } }),
      timers: {
        after: (delay, wake) => {
          const timer = setTimeout(wake, delay);
          return { cancel: () => clearTimeout(timer) };
        },
      },
      ...{ family: 'ipv4', port, timeout: 60_000, ca: authority.cert, prohibited: () => false, ...more },
    });
  }

  for (const host of ['good.test', 'charset.test', 'gzip.test'])
    test(`a policy is read: ${host}`, async () => assert.deepEqual(await fetch(host), READ));

  const FETCH = 'sts-policy-fetch-error';
  for (const [host, resultType, reason] of [
    ['moved.test', FETCH, /^mta-sts\.moved\.test answered 301$/],
    ['temporarily.test', FETCH, /answered 302$/],
    ['page.test', FETCH, /answered with "text\/html", not text\/plain/],
    ['untyped.test', FETCH, /not text\/plain/],
    ['packed.test', FETCH, /in an encoding nobody asked for/],
    ['missing.test', FETCH, /answered 404$/],
    ['forbidden.test', FETCH, /answered 403$/],
    ['closed.test', FETCH, /mta-sts\.closed\.test:\d+: /],
    ['large.test', FETCH, /more than 65536 octets/],
    ['nonsense.test', 'sts-policy-invalid', /line 1/],
    [
      'wrong-name.test',
      'sts-webpki-invalid',
      /the certificate of mta-sts\.wrong-name\.test:\d+ is not valid: .*ALTNAME/,
    ],
    ['stranger.test', 'sts-webpki-invalid', /the certificate of mta-sts\.stranger\.test:\d+ is not valid: /],
  ] as const)
    test(`no policy: ${host}`, async () => {
      const fetched = await fetch(host);
      assert.ok(fetched.kind === 'failed', JSON.stringify(fetched));
      assert.equal(fetched.resultType, resultType);
      assert.match(fetched.reason, reason);
    });

  test('a policy that comes an octet a second is not waited for', async () => {
    const fetched = await fetch('slow.test', { timeout: 300 });
    assert.deepEqual(fetched, { kind: 'failed', resultType: FETCH, reason: `mta-sts.slow.test:${port} was too slow` });
  });

  test('the product obeys it: no mail goes to a host that the policy does not name', async (t) => {
    const record = { ttl: 60 } as const;
    const zone = new Map<string, readonly ResourceRecord[]>([
      ['b.test', [{ ...record, name: 'b.test', type: 'MX', data: { preference: 10, exchange: 'mx.evil.test' } }]],
      ['_mta-sts.b.test', [{ ...record, name: '_mta-sts.b.test', type: 'TXT', data: 'v=STSv1; id=1' }]],
      ['mta-sts.b.test', [{ ...record, name: 'mta-sts.b.test', type: 'A', data: '127.0.0.1' }]],
      ['mx.evil.test', [{ ...record, name: 'mx.evil.test', type: 'A', data: '127.0.0.1' }]],
    ]);
    const dns = await startDnsServer(zone);
    t.after(() => dns.close());
    await writeFile(join(folder, 'authority.pem'), authority.cert);
    const product = await startProduct({
      config: {
        dns: { servers: [`127.0.0.1:${dns.port}`] },
        deliver: { mtaSts: { port, ca: join(folder, 'authority.pem'), privateAddresses: true } },
        routes: [{ kind: 'mx', name: 'mx', port: await freePort(), tls: 'opportunistic' }],
      },
    });
    t.after(() => product.stop());
    const client = await LineClient.greeted(product.smtpPort);
    await client.send('ann@client.test', ['bob@b.test'], 'From: ann@client.test\r\n\r\nHello\r\n');
    client.close();
    const event = await product.event('what became of it', ({ kind }) => kind === 'deferred' || kind === 'delivered');
    assert.ok(event.kind === 'deferred', JSON.stringify(event));
    assert.match(event.reply, /MTA-STS: the policy of the domain does not allow mx\.evil\.test/);
    assert.equal(event.status.slice(0, 4), '4.7.');
  });
});

/** One process; `http2` is offered beside HTTP/1.1, as it is nearly everywhere. */
function configuration(folder: string, port: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const servers = Object.entries(HOSTS).map(([host, place]) => {
    const certificate = host === 'wrong-name.test' ? 'other' : host === 'stranger.test' ? 'stranger' : 'right';
    return `server {
  listen 127.0.0.1:${port} ssl http2;
  server_name mta-sts.${host};
  ssl_certificate ${folder}/${certificate}.pem;
  ssl_certificate_key ${folder}/${certificate}.key;
  location = /.well-known/mta-sts.txt { ${place.includes('alias') ? place.replace('alias ', `alias ${folder}/`) : `alias ${folder}/policy.txt; ${place}`} }
  location / { return 500; }
}`;
  });
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
events { worker_connections 64; }
http {
${temporary.map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n')}
  access_log off;
  types { }
${servers.join('\n')}
}
`;
}
