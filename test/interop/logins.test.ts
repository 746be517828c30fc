/** Foreign clients log in by what is no password: certificates, and tokens of an OAuth server. */

import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { traceOf, waitForMaildir } from '../lib/arrived.ts';
import { type Authority, makeAuthority } from '../lib/certificates.ts';
import { interopNeeds } from '../lib/debs.ts';
import { packaged as runPackaged } from '../lib/packaged.ts';
import { freePort, removeFolder, startProcess, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';

const noClients = await interopNeeds('submission');
const noCurl = (await has('curl')) ? false : 'curl is not installed';

const USER = 'ann@client.test';
const CONTENT = 'From: ann@client.test\r\nTo: x@far.test\r\nSubject: Hello\r\n\r\nHello\r\n';

let product: Product;
let ports: Readonly<Record<'submission' | 'submissions', number>>;
let folder: string;

before(async () => {
  folder = await testFolder('logins');
  const authority = makeAuthority();
  await writeFile(join(folder, 'authority.pem'), authority.cert);
  await writePair('server', authority.issue('localhost', '127.0.0.1'));
  await writePair('ann', authority.issueUser('Ann', `email:${USER}`));
  await writePair('both', authority.issueUser('Both', `email:${USER}`, 'email:boss@client.test'));
  await writePair('eve', makeAuthority().issueUser('Eve', `email:${USER}`));
  ports = { submission: await freePort(), submissions: await freePort() };
  const both = { host: '127.0.0.1', auth: 'required', clientCertificates: true } as const;
  product = await startProduct({
    folder: join(folder, 'product'),
    config: {
      listeners: [
        { ...both, name: 'submission', port: ports.submission },
        { ...both, name: 'submissions', port: ports.submissions, tls: 'implicit' },
      ],
      tls: {
        ...{ certificate: join(folder, 'server.pem'), key: join(folder, 'server.key') },
        ...{ clientCa: join(folder, 'authority.pem'), clientUser: 'address' },
      },
      relay: { networks: [] },
      routes: [{ kind: 'maildir', name: 'out', path: join(folder, 'mail', '{user}') }],
    },
  });
  await product.control.addDomain({ domain: 'client.test' });
  for (const user of [USER, 'boss@client.test']) await product.control.addCredential({ user });
});
after(async () => {
  await product?.stop();
  await removeFolder(folder);
});

async function writePair(name: string, { cert, key }: ReturnType<Authority['issue']>): Promise<void> {
  await writeFile(join(folder, `${name}.pem`), cert);
  await writeFile(join(folder, `${name}.key`), key, { mode: 0o600 });
}

async function has(program: string): Promise<boolean> {
  return (await startProcess({ argv: ['sh', '-c', `command -v ${program}`] }).exited) === 0;
}

/** It arrived, and says that its client had logged in. */
async function arrived(user: string): Promise<void> {
  const [message] = await waitForMaildir(join(folder, 'mail', user), undefined, 1);
  assert.match(traceOf(message!.content).join('\n'), /with ESMTPSA/);
}

/** A program of the packages, with its libraries. */
function packaged(program: string, args: readonly string[], input = '') {
  return runPackaged(program, args, { folder, input });
}

async function msmtp(to: string, lines: readonly string[]) {
  const config = join(folder, `${to}.conf`);
  await writeFile(
    config,
    [
      ...['account default', 'host localhost', `port ${ports.submission}`, 'tls on', `from ${USER}`],
      ...[`tls_trust_file ${join(folder, 'authority.pem')}`, ...lines],
    ].join('\n'),
  );
  await chmod(config, 0o600);
  return packaged('msmtp', ['--debug', '-C', config, `${to}@far.test`], CONTENT);
}

async function curl(to: string, more: readonly string[], how: 'submission' | 'submissions' = 'submission') {
  const file = join(folder, `${to}.eml`);
  await writeFile(file, CONTENT);
  const scheme = how === 'submission' ? 'smtp' : 'smtps';
  const running = startProcess({
    argv: [
      ...(['curl', '--silent', '--show-error', '--verbose', '--ssl-reqd'] as const),
      ...['--cacert', join(folder, 'authority.pem'), '--url', `${scheme}://localhost:${ports[how]}/client.test`],
      ...['--mail-from', USER, '--mail-rcpt', `${to}@far.test`, '--upload-file', file, ...more],
    ],
  });
  return { code: await running.exited, output: running.output() };
}

describe('EXTERNAL by curl', { skip: noCurl }, () => {
  const shown = (name: string): readonly string[] => [
    ...['--cert', join(folder, `${name}.pem`), '--key', join(folder, `${name}.key`)],
  ];

  for (const how of ['submission', 'submissions'] as const)
    test(`as the user whose name the client says, on ${how}`, async () => {
      const { code, output } = await curl(
        `curl-${how}`,
        [...shown('ann'), '--login-options', 'AUTH=EXTERNAL', '--user', `${USER}:`],
        how,
      );
      assert.equal(code, 0, output);
      assert.match(output, /AUTH EXTERNAL/);
      await arrived(`curl-${how}`);
    });

  test('as one of two whom the certificate names', async () => {
    const options = ['--login-options', 'AUTH=EXTERNAL', '--user', 'boss@client.test:'];
    const { code, output } = await curl('curl-both', [...shown('both'), ...options]);
    assert.equal(code, 0, output);
    await arrived('curl-both');
  });

  test('not as somebody else', async () => {
    const options = ['--login-options', 'AUTH=EXTERNAL', '--user', 'boss@client.test:'];
    const { code, output } = await curl('x', [...shown('ann'), ...options]);
    assert.notEqual(code, 0);
    assert.match(output, /535 5\.7\.8/);
    const event = await product.event('the failed login', (each) => each.kind === 'rejected' && each.stage === 'login');
    assert.equal((event as { user?: unknown }).user, 'boss@client.test');
  });

  test('is not offered without a certificate, nor for one that nobody vouches for', async () => {
    for (const more of [[], shown('eve')]) {
      const { code, output } = await curl('x', [...more, '--login-options', 'AUTH=EXTERNAL', '--user', `${USER}:`]);
      assert.notEqual(code, 0);
      assert.match(output, /250-AUTH SCRAM/);
    }
  });
});

describe('EXTERNAL by msmtp', { skip: noClients }, () => {
  test('as the user that the client says', async () => {
    const { code, output } = await msmtp('msmtp-external', [
      ...[
        'auth external',
        `user ${USER}`,
        `tls_cert_file ${join(folder, 'ann.pem')}`,
        `tls_key_file ${join(folder, 'ann.key')}`,
      ],
    ]);
    assert.equal(code, 0, output);
    await arrived('msmtp-external');
  });
});

describe('EXTERNAL by gsasl', { skip: noClients }, () => {
  const login = (name: string, ...more: readonly string[]) =>
    packaged('gsasl', [
      ...['--client', '--smtp', '--mechanism=EXTERNAL', '--verbose', `--connect=localhost:${ports.submission}`],
      ...[`--x509-ca-file=${join(folder, 'authority.pem')}`, `--x509-cert-file=${join(folder, `${name}.pem`)}`],
      ...[`--x509-key-file=${join(folder, `${name}.key`)}`, ...more],
    ]);

  test('as the user that it names', async () => {
    const { output } = await login('ann', `--authorization-id=${USER}`);
    assert.match(output, /235 2\.7\.0/, output);
  });
  test('not as another', async () => {
    const { output } = await login('ann', '--authorization-id=boss@client.test');
    assert.match(output, /535 5\.7\.8/, output);
  });
  test('not by a certificate of two users that says neither', async () => {
    const { output } = await login('both', '--authorization-id=');
    assert.match(output, /535 5\.7\.8/, output);
  });
});
