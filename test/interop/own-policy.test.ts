/** Others fetch our MTA-STS policy: curl, by HTTPS, under the certificate for the name. */

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { makeAuthority } from '../lib/certificates.ts';
import { freePort, removeFolder, run, startProcess, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';

let product: Product;
let folder: string;
let port: number;

before(async () => {
  folder = await testFolder('own-policy');
  port = await freePort();
  const authority = makeAuthority();
  await writeFile(join(folder, 'authority.pem'), authority.cert);
  for (const name of ['mx.a.test', 'mta-sts.a.test']) {
    const { cert, key } = authority.issue(name);
    await writeFile(join(folder, `${name}.pem`), cert);
    await writeFile(join(folder, `${name}.key`), key);
  }
  const files = (name: string) => ({
    certificate: join(folder, `${name}.pem`),
    key: join(folder, `${name}.key`),
  });
  product = await startProduct({
    folder: join(folder, 'product'),
    config: {
      hostname: 'mx.a.test',
      listeners: [{ name: 'smtp', host: '127.0.0.1', port: await freePort() }],
      tls: { ...files('mx.a.test'), certificates: [files('mta-sts.a.test')] },
      relay: { domains: ['a.test'] },
      mtaSts: { mode: 'enforce', https: true, httpsHost: '127.0.0.1', httpsPort: port },
      routes: [{ kind: 'mx', name: 'out' }],
    },
  });
});
after(async () => {
  await product?.stop();
  await removeFolder(folder);
});

const argv = (host: string): readonly [string, ...string[]] => [
  ...(['curl', '--silent', '--show-error', '--cacert', join(folder, 'authority.pem')] as const),
  ...['--connect-to', `::127.0.0.1:${port}`, `https://${host}/.well-known/mta-sts.txt`],
];

test('curl fetches the policy', async () => {
  assert.equal(
    await run({ argv: argv('mta-sts.a.test') }),
    'version: STSv1\r\nmode: enforce\r\nmx: mx.a.test\r\nmax_age: 604800\r\n',
  );
});

test('by a name without a certificate it gets none', async () => {
  // 60: the certificate is not for the name.
  assert.equal(await startProcess({ argv: argv('mta-sts.b.test') }).exited, 60);
});

test('a port that is taken keeps the server from starting, with a word on why', async () => {
  const other = { httpsHost: '127.0.0.1', httpsPort: port, mode: 'testing', https: true } as const;
  const second = startProduct({
    folder: join(folder, 'second'),
    config: {
      hostname: 'mx.b.test',
      listeners: [{ name: 'smtp', host: '127.0.0.1', port: await freePort() }],
      ...{ mtaSts: other, relay: { domains: ['b.test'] }, routes: [{ kind: 'mx', name: 'out' }] },
    },
  });
  await assert.rejects(second, /mtaSts\.https cannot listen on 127\.0\.0\.1 port \d+: another program listens there/);
});
