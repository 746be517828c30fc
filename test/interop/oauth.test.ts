/** Foreign clients log in by token: curl, nodemailer and msmtp, each by the mechanisms that it knows. */

import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { createTransport } from 'nodemailer';

import { traceOf, waitForMaildir } from '../lib/arrived.ts';
import { makeAuthority } from '../lib/certificates.ts';
import { interopNeeds } from '../lib/debs.ts';
import { jwksOf, jwt, makePair, type OAuthServer, oauthServer } from '../lib/oauth-server.ts';
import { packaged } from '../lib/packaged.ts';
import { freePort, removeFolder, startProcess, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';

const noClients = await interopNeeds('submission');

const KEYS = makePair('RS256');
const CONTENT = 'From: ann@client.test\r\nTo: x@far.test\r\nSubject: Hello\r\n\r\nHello\r\n';

let product: Product;
let server: OAuthServer;
let folder: string;
let port: number;

function token(claims: Readonly<Record<string, unknown>> = {}): string {
  const now = Math.floor(Date.now() / 1000);
  const usual = { iss: 'https://id.test/', aud: 'postrider', email: 'ann@client.test', iat: now, exp: now + 600 };
  return jwt(KEYS, { ...usual, ...claims });
}

before(async () => {
  folder = await testFolder('oauth');
  server = await oauthServer(jwksOf(KEYS));
  const { cert, key } = makeAuthority().issue('localhost', '127.0.0.1');
  await writeFile(join(folder, 'certificate.pem'), cert);
  await writeFile(join(folder, 'key.pem'), key);
  port = await freePort();
  product = await startProduct({
    folder: join(folder, 'product'),
    config: {
      listeners: [{ name: 'submission', host: '127.0.0.1', port, auth: 'required' }],
      tls: { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') },
      oauth: { issuer: 'https://id.test/', audience: ['postrider'], jwksUrl: `${server.url}/jwks` },
      relay: { networks: [] },
      routes: [{ kind: 'maildir', name: 'out', path: join(folder, 'mail', '{user}') }],
    },
  });
  await product.control.addDomain({ domain: 'client.test' });
  await product.control.addCredential({ user: 'ann@client.test' });
});
after(async () => {
  await product?.stop();
  await server?.close();
  await removeFolder(folder);
});

async function arrived(user: string): Promise<void> {
  const [message] = await waitForMaildir(join(folder, 'mail', user), undefined, 1);
  assert.match(traceOf(message!.content).join('\n'), /with ESMTPSA/);
}

interface Ended {
  readonly code: number | string | null;
  readonly output: string;
}

async function ended(argv: readonly [string, ...string[]]): Promise<Ended> {
  const running = startProcess({ argv });
  const code = await running.exited;
  return { code, output: running.output() };
}

describe('curl', () => {
  async function send(mechanism: string, given: string, to: string, user = 'ann@client.test'): Promise<Ended> {
    const file = join(folder, `${to}.eml`);
    await writeFile(file, CONTENT);
    return ended([
      ...(['curl', '--verbose', '--insecure', '--ssl-reqd', '--url', `smtp://127.0.0.1:${port}/client.test`] as const),
      ...['--user', `${user}:`, '--oauth2-bearer', given, '--login-options', `AUTH=${mechanism}`],
      ...['--mail-from', 'ann@client.test', '--mail-rcpt', `${to}@far.test`, '--upload-file', file],
    ]);
  }

  for (const mechanism of ['OAUTHBEARER', 'XOAUTH2']) {
    test(`${mechanism}: a good token is taken`, async () => {
      const to = `curl-${mechanism.toLowerCase()}`;
      const { code, output } = await send(mechanism, token(), to);
      assert.equal(code, 0, output);
      await arrived(to);
    });

    for (const [name, claims] of [
      ['one that is over', { exp: 1 }],
      ['one for another service', { aud: 'other' }],
      ['one of another issuer', { iss: 'https://evil.test/' }],
      ['one of a user who is not here', { email: 'eve@client.test' }],
    ] as const)
      test(`${mechanism}: ${name} is not, and the token stands nowhere`, async () => {
        const given = token(claims);
        const { code, output } = await send(
          mechanism,
          given,
          'x',
          String((claims as { email?: string }).email ?? 'ann@client.test'),
        );
        assert.notEqual(code, 0);
        assert.match(output, /535 5\.7\.8/);
        const event = await product.event(
          'the failed login',
          (each) => each.kind === 'rejected' && each.stage === 'login',
        );
        assert.doesNotMatch(JSON.stringify(event), new RegExp(given.slice(0, 40)));
      });
  }

  test('a token of somebody else is no token of the user', async () => {
    const { output } = await send('XOAUTH2', token(), 'x', 'bob@client.test');
    assert.match(output, /535 5\.7\.8/);
  });
});

test('nodemailer: XOAUTH2', async () => {
  const transport = createTransport({
    ...{ host: '127.0.0.1', port, requireTLS: true, tls: { rejectUnauthorized: false } },
    auth: { type: 'OAuth2', user: 'ann@client.test', accessToken: token() },
  });
  await transport.sendMail({ from: 'ann@client.test', to: 'nodemailer@far.test', subject: 'x', text: 'x' });
  transport.close();
  await arrived('nodemailer');
});

describe('msmtp', { skip: noClients }, () => {
  for (const mechanism of ['oauthbearer', 'xoauth2'])
    test(mechanism, async () => {
      const config = join(folder, `${mechanism}.conf`);
      await writeFile(join(folder, 'token'), token());
      await writeFile(
        config,
        [
          ...['account default', 'host 127.0.0.1', `port ${port}`, 'tls on', 'tls_certcheck off'],
          ...[`auth ${mechanism}`, 'user ann@client.test', 'from ann@client.test'],
          `passwordeval "cat ${join(folder, 'token')}"`,
        ].join('\n'),
      );
      await chmod(config, 0o600);
      const sent = await packaged('msmtp', ['-C', config, `msmtp-${mechanism}@far.test`], { folder, input: CONTENT });
      assert.equal(sent.code, 0, sent.output);
      await arrived(`msmtp-${mechanism}`);
    });
});
