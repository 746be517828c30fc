/** Certificates by ACME from Debian's pebble: neither the authority nor its DNS and its look at our challenge are ours. */

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { connect } from 'node:tls';
import { Acme } from '../../src/acme/acme.ts';
import { ACME_OPTIONS, type AcmeOptions } from '../../src/acme/config.ts';
import { acmeFiles, type AcmeFiles } from '../../src/acme/files.ts';
import { read } from '../../src/lib/schema.ts';
import { namesOf } from '../../src/receive/certificate-choice.ts';
import { makeAuthority } from '../lib/certificates.ts';
import { interopNeeds, packageRoot } from '../lib/debs.ts';
import { freePort, removeFolder, type Running, startProcess, testFolder } from '../lib/processes.ts';
import { startProduct } from '../lib/product.ts';
import { until, untilListening } from '../lib/wait.ts';

const TIMERS = {
  after: (delay: number, wake: () => void) => {
    // Between two questions nobody need wait here; what ends a question that gets no answer stays as it is.
    const handle = setTimeout(wake, delay < 60_000 ? Math.min(delay, 200) : delay);
    return { cancel: () => clearTimeout(handle) };
  },
};
const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };

interface Ports {
  readonly acme: number;
  readonly http: number;
  readonly tls: number;
  readonly dns: number;
}

let folder: string;
let ports: Ports;
let started: Running[] = [];
const authority = makeAuthority();

async function startPebble(root: string, more: object = {}): Promise<void> {
  folder = await testFolder('pebble');
  ports = { acme: await freePort(), http: await freePort(), tls: await freePort(), dns: await freePort() };
  const { cert, key } = authority.issue('localhost');
  const file = (name: string): string => join(folder, name);
  await writeFile(file('cert.pem'), cert);
  await writeFile(file('key.pem'), key);
  await writeFile(file('ca.pem'), authority.cert);
  const pebble = {
    listenAddress: `127.0.0.1:${ports.acme}`,
    managementListenAddress: `127.0.0.1:${await freePort()}`,
    certificate: file('cert.pem'),
    privateKey: file('key.pem'),
    httpPort: ports.http,
    tlsPort: ports.tls,
    ...more,
  };
  await writeFile(file('pebble.json'), JSON.stringify({ pebble }));
  const names = `127.0.0.1:${ports.dns}`;
  const off = ['-http01', '', '-https01', '', '-tlsalpn01', '', '-doh', ''];
  const management = ['-management', `127.0.0.1:${await freePort()}`];
  const dns = [join(root, 'usr/bin/pebble-challtestsrv'), '-dns01', names, '-defaultIPv4', '127.0.0.1'] as const;
  started = [
    startProcess({ argv: [...dns, '-defaultIPv6', '', ...management, ...off.slice(0, 6)] }),
    startProcess({
      argv: [join(root, 'usr/bin/pebble'), '-config', file('pebble.json'), '-dnsserver', names],
      // A twentieth of all nonces is refused, as it comes.
      env: { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '5', PEBBLE_AUTHZREUSE: '0' },
    }),
  ];
  await untilListening(ports.acme);
}

async function stopPebble(): Promise<void> {
  for (const each of started) await each.stop('SIGKILL');
  await removeFolder(folder);
}

interface Scene {
  readonly acme: Acme;
  readonly files: AcmeFiles;
  readonly logged: string[];
  changes(): number;
}

function scene(t: TestContext, name: string, written: object = {}): Scene {
  const all = {
    ...{ enabled: true, agreeToTerms: true, names: ['mx.test'], host: '127.0.0.1' },
    ...{ directory: `https://localhost:${ports.acme}/dir`, httpPort: ports.http, tlsPort: ports.tls, ...written },
  };
  const options = read(ACME_OPTIONS, all);
  assert.ok(options.ok, JSON.stringify(options));
  const logged: string[] = [];
  let changes = 0;
  const note = (text: string, facts?: object) => void logged.push(`${text} ${JSON.stringify(facts ?? {})}`);
  const files = acmeFiles(join(folder, name));
  const acme = new Acme({
    ...{ options: options.value as AcmeOptions, files, clock: CLOCK, timers: TIMERS, random: { next: () => 0.5 } },
    log: { error: note, warn: note, info: note },
    userAgent: 'postrider/test',
    ca: readFileSync(join(folder, 'ca.pem'), 'utf8'),
    changed: async () => void (changes += 1),
  });
  t.after(() => acme.stop());
  return { acme, files, logged, changes: () => changes };
}

async function ordered({ acme, files, logged }: Scene): Promise<X509Certificate> {
  assert.equal(acme.renew(), undefined);
  await acme.idle();
  assert.equal(acme.standing().lastError, '', logged.join('\n'));
  return new X509Certificate(readFileSync(files.certificate));
}

function letWait({ files }: Scene): void {
  const state = JSON.parse(readFileSync(files.state, 'utf8')) as object;
  writeFileSync(files.state, JSON.stringify({ ...state, lastOrderAt: 0 }));
}

const keyOf = (certificate: X509Certificate): string =>
  certificate.publicKey.export({ type: 'spki', format: 'der' }).toString('hex');

async function shownAt(port: number): Promise<string | undefined> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { issuer } = socket.getPeerX509Certificate() ?? {};
  socket.destroy();
  return issuer;
}

const skip = await interopNeeds('pebble');

describe('a certificate from pebble', { skip }, () => {
  before(async () => startPebble(await packageRoot('pebble')));
  after(stopPebble);

  for (const challenge of ['http-01', 'tls-alpn-01'] as const)
    for (const keyType of ['ecdsa', 'rsa'] as const)
      test(`${challenge}, ${keyType}, two names`, async (t) => {
        const made = scene(t, `${challenge}-${keyType}`, { challenge, keyType, names: ['mx.test', 'mail.test'] });
        const certificate = await ordered(made);
        assert.deepEqual([...namesOf(certificate.toString())].sort(), ['mail.test', 'mx.test']);
        assert.equal(certificate.publicKey.asymmetricKeyType, keyType === 'rsa' ? 'rsa' : 'ec');
        assert.equal(made.changes(), 1);
        for (const name of await readdir(made.files.folder))
          assert.equal(statSync(join(made.files.folder, name)).mode & 0o777, 0o600, name);
        assert.equal(statSync(made.files.folder).mode & 0o777, 0o700);
        const pem = readFileSync(made.files.certificate, 'utf8');
        assert.ok((pem.match(/BEGIN CERTIFICATE/g) ?? []).length >= 2, 'the chain is there too');
        assert.ok(made.acme.standing().nextAt > Date.now());
      });

  test('it is ordered at the start by itself, and not again after a restart', async (t) => {
    const first = scene(t, 'start');
    first.acme.start();
    await until('a certificate', () => first.changes() > 0);
    await first.acme.idle();
    first.acme.stop();
    const again = scene(t, 'start');
    again.acme.start();
    await until('a plan', () => again.acme.standing().nextAt > 0);
    await again.acme.idle();
    assert.equal(again.changes(), 0);
  });

  test('a renewal keeps the key and the account', async (t) => {
    const made = scene(t, 'keep');
    const before = await ordered(made);
    const account = readFileSync(made.files.accountKey, 'utf8');
    assert.match(made.acme.renew() ?? '', /less than a minute ago/);
    letWait(made);
    const later = scene(t, 'keep');
    const renewed = await ordered(later);
    assert.notEqual(renewed.serialNumber, before.serialNumber);
    assert.equal(keyOf(renewed), keyOf(before));
    assert.equal(readFileSync(made.files.accountKey, 'utf8'), account);
  });

  test('where keys change, the next one is there a renewal ahead', async (t) => {
    const made = scene(t, 'roll', { keepKey: false });
    const before = await ordered(made);
    const { nextKey } = made.acme.standing();
    assert.ok(nextKey !== undefined);
    const later = scene(t, 'roll', { keepKey: false });
    const renewed = await ordered(later);
    assert.notEqual(keyOf(renewed), keyOf(before));
    assert.ok(renewed.checkPrivateKey(nextKey));
    assert.ok(!renewed.checkPrivateKey(later.acme.standing().nextKey!));
  });

  test('other names are another certificate', async (t) => {
    await ordered(scene(t, 'names'));
    const made = scene(t, 'names', { names: ['other.test'] });
    made.acme.start();
    await until('a certificate', () => made.changes() > 0);
    assert.deepEqual(namesOf(readFileSync(made.files.certificate, 'utf8')), ['other.test']);
  });

  test('a challenge that fails: its reason, a wait that grows, and the old certificate stays', async (t) => {
    const good = scene(t, 'fail');
    const before = await ordered(good);
    const bad = scene(t, 'fail', { httpPort: await freePort() });
    bad.acme.renew();
    await bad.acme.idle();
    const { lastError, failures, nextAt } = bad.acme.standing();
    assert.match(lastError, /mx\.test: .*connection/i);
    assert.equal(failures, 1);
    assert.ok(nextAt > Date.now() + 14 * 60_000);
    assert.match(bad.logged.join('\n'), /no certificate by ACME; it is tried again later/);
    assert.equal(new X509Certificate(readFileSync(good.files.certificate)).serialNumber, before.serialNumber);
    // After a restart the wait goes on.
    const again = scene(t, 'fail', { names: ['mx.test', 'more.test'] });
    again.acme.start();
    await until('a plan', () => again.acme.standing().nextAt > 0);
    await again.acme.idle();
    assert.equal(again.changes(), 0);
    assert.equal(again.acme.standing().nextAt, nextAt);
  });

  test('a port that is taken is named', async (t) => {
    const made = scene(t, 'taken', { httpPort: ports.acme });
    made.acme.renew();
    await made.acme.idle();
    assert.match(
      made.acme.standing().lastError,
      /cannot listen for http-01 on 127\.0\.0\.1 port \d+: another program listens/,
    );
  });

  test('the product orders it while it serves, and every worker shows it without a restart', async (t) => {
    const port = await freePort();
    const product = await startProduct({
      config: {
        workers: 2,
        listeners: [{ name: 'smtps', host: '127.0.0.1', port, tls: 'implicit' }],
        acme: {
          ...{ enabled: true, agreeToTerms: true, host: '127.0.0.1', httpPort: ports.http, keepKey: false },
          ...{ directory: `https://localhost:${ports.acme}/dir`, ca: join(folder, 'ca.pem') },
        },
      },
    });
    t.after(() => product.stop());
    const { certificates, acme } = await until('the certificate', async () => {
      const view = await product.control.certificates();
      return view.certificates[0]?.source === 'acme' && view;
    });
    assert.match(certificates[0]!.issuer, /Pebble/);
    const records = await product.cli('certificate', 'tlsa', '--port', String(port));
    assert.match(
      records.output,
      new RegExp(`_${port}\\._tcp\\.mx\\.product\\.test\\. IN TLSA ${certificates[0]!.tlsa}`),
    );
    assert.match(records.output, new RegExp(`${acme!.nextTlsa!} ; of the next key`));
    await until('all workers to show it', async () => {
      const shown = await Promise.all(Array.from({ length: 8 }, () => shownAt(port)));
      return shown.every((issuer) => issuer?.includes('Pebble'));
    });
    const again = await product.cli('certificate', 'renew');
    assert.match(again.output, /less than a minute ago/);
  });

  test('pebble itself is who it says: another authority is not believed', async (t) => {
    const made = scene(t, 'stranger');
    await writeFile(join(folder, 'ca.pem'), makeAuthority().cert);
    const stranger = scene(t, 'stranger');
    await writeFile(join(folder, 'ca.pem'), authority.cert);
    stranger.acme.renew();
    await stranger.acme.idle();
    assert.match(stranger.acme.standing().lastError, /the certificate of localhost:\d+ is not valid: /);
    assert.equal(made.changes(), 0);
  });
});

describe('a pebble that asks for an external account', { skip }, () => {
  const mac = 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W';
  before(async () =>
    startPebble(await packageRoot('pebble'), {
      externalAccountBindingRequired: true,
      externalAccountMACKeys: { 'kid-1': mac },
    }),
  );
  after(stopPebble);

  test('with its key there is a certificate', async (t) => {
    await writeFile(join(folder, 'mac'), `${mac}\n`);
    await ordered(scene(t, 'bound', { externalKeyId: 'kid-1', externalKeyFile: join(folder, 'mac') }));
  });

  test('without it the log says what is missing', async (t) => {
    const made = scene(t, 'unbound');
    made.acme.renew();
    await made.acme.idle();
    assert.match(made.acme.standing().lastError, /acme\.externalKeyId/);
  });
});
