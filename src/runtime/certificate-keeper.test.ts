import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { certify, type Party } from '../../test/lib/pki.ts';
import { type Config, readConfig } from '../config/config.ts';
import { CertificateKeeper } from './certificate-keeper.ts';

const DAY = 86_400_000;
const root = mkdtempSync(join(tmpdir(), 'keeper-'));
after(() => rmSync(root, { recursive: true }));
let scenes = 0;

interface Scene {
  readonly keeper: CertificateKeeper;
  readonly config: Config;
  readonly folder: string;
  readonly logged: string[];
  readonly clock: HandClock;
  put(name: string, party: { readonly cert: string; readonly key: string }): void;
}

async function scene(tls: object, more: object = {}): Promise<Scene> {
  const folder = join(root, String((scenes += 1)));
  await mkdir(folder);
  const logged: string[] = [];
  const note = (text: string, facts?: object) => void logged.push(`${text} ${JSON.stringify(facts ?? {})}`);
  const clock = new HandClock();
  const listeners = [{ name: 'smtp', port: 0 }];
  const config = readConfig({ hostname: 'mx.test', listeners, tls, spool: { folder: 'spool' }, ...more }, folder);
  assert.ok(config.ok, JSON.stringify(config));
  const put = (name: string, { cert, key }: { readonly cert: string; readonly key: string }): void => {
    writeFileSync(join(folder, `${name}.pem`), cert);
    writeFileSync(join(folder, `${name}.key`), key);
  };
  const keeper = new CertificateKeeper(clock, { error: note, warn: note, info: note });
  return { keeper, config: config.value, folder, logged, clock, put };
}

const USUAL = { certificate: 'usual.pem', key: 'usual.key' };

async function party(name: string, days: readonly [number, number] = [-1, 90], now?: number): Promise<Party> {
  return certify({ subject: name, names: [name], days, ...(now !== undefined && { now }) });
}

async function started(tls: object, parties: Readonly<Record<string, Party>>): Promise<Scene> {
  const made = await scene(tls);
  for (const [name, each] of Object.entries(parties)) made.put(name, each);
  await made.keeper.load(made.config);
  made.keeper.take();
  return made;
}

describe('certificates of a running server', () => {
  test('files that have changed are taken, once', async () => {
    const { keeper, put } = await started(USUAL, { usual: await party('one.test') });
    assert.equal(await keeper.look(), undefined);
    const next = await party('two.test');
    put('usual', next);
    assert.equal((await keeper.look())?.certificate, next.cert);
    assert.equal(await keeper.look(), undefined);
    assert.deepEqual(keeper.views()[0]?.names, ['two.test']);
  });

  test('a half-written pair keeps the old one, and the log names the file, once', async () => {
    const { keeper, put, logged, folder } = await started(USUAL, { usual: await party('one.test') });
    const next = await party('two.test');
    writeFileSync(join(folder, 'usual.pem'), next.cert);
    assert.equal(await keeper.look(), undefined);
    assert.equal(await keeper.look(), undefined);
    assert.equal(logged.length, 1);
    assert.match(logged[0]!, /not taken.*tls\.key: .*usual\.key belongs to another certificate than .*usual\.pem/);
    put('usual', next);
    assert.equal((await keeper.look())?.certificate, next.cert);
  });

  const broken: readonly (readonly [title: string, text: string])[] = [
    ['an empty file', ''],
    ['no certificate', 'hello'],
    ['the first line alone', '-----BEGIN CERTIFICATE-----\n'],
  ];
  for (const [title, text] of broken)
    test(`${title} keeps the old one`, async () => {
      const { keeper, folder, logged } = await started(USUAL, { usual: await party('one.test') });
      writeFileSync(join(folder, 'usual.pem'), text);
      assert.equal(await keeper.look(), undefined);
      assert.deepEqual(keeper.views()[0]?.names, ['one.test']);
      assert.match(logged[0]!, /usual\.pem/);
    });

  test('a certificate that ends in the middle keeps the old one', async () => {
    const { keeper, folder } = await started(USUAL, { usual: await party('one.test') });
    const next = await party('two.test');
    writeFileSync(join(folder, 'usual.key'), next.key);
    for (const share of [0.1, 0.5, 0.9]) {
      writeFileSync(join(folder, 'usual.pem'), next.cert.slice(0, next.cert.length * share));
      assert.equal(await keeper.look(), undefined);
    }
    assert.deepEqual(keeper.views()[0]?.names, ['one.test']);
  });

  test('a file that is gone keeps the old one, also for workers that start anew', async () => {
    const { keeper, folder } = await started(USUAL, { usual: await party('one.test') });
    rmSync(join(folder, 'usual.key'));
    assert.equal(await keeper.look(), undefined);
    assert.deepEqual(keeper.views()[0]?.names, ['one.test']);
  });

  test('of several, each is taken by itself', async () => {
    const tls = { ...USUAL, certificates: [{ certificate: 'more.pem', key: 'more.key', names: ['Shown.Test'] }] };
    const { keeper, put, folder } = await started(tls, { usual: await party('one.test'), more: await party('m.test') });
    writeFileSync(join(folder, 'usual.pem'), 'broken');
    const next = await party('n.test');
    put('more', next);
    const fresh = await keeper.look();
    assert.deepEqual(
      fresh?.named?.map(({ names, certificate }) => [names, certificate]),
      [[['shown.test'], next.cert]],
    );
    assert.notEqual(fresh?.certificate, 'broken');
  });

  test('names come from the certificate where none are given', async () => {
    const { keeper } = await started(
      { ...USUAL, certificates: [{ certificate: 'more.pem', key: 'more.key' }] },
      { usual: await party('one.test'), more: await party('*.m.test') },
    );
    assert.deepEqual(
      keeper.views().map(({ source, names }) => [source, names]),
      [
        ['tls.certificate', ['one.test']],
        ['tls.certificates[0]', ['*.m.test']],
      ],
    );
  });

  test('without tls.certificate the first of tls.certificates is the usual one', async () => {
    const one = await party('one.test');
    const made = await scene({ certificates: [{ certificate: 'usual.pem', key: 'usual.key' }] });
    made.put('usual', one);
    assert.equal((await made.keeper.load(made.config)).certificate, one.cert);
  });

  test('files that cannot be used at the start are refused by name', async () => {
    const made = await scene({ certificates: [{ certificate: 'none.pem', key: 'none.key' }] });
    await assert.rejects(made.keeper.load(made.config), /none\.(pem|key) cannot be read/);
  });

  test('ACME before its first certificate: one that is made here', async () => {
    const made = await scene({}, { acme: { enabled: true, agreeToTerms: true } });
    const { certificate } = await made.keeper.load(made.config);
    made.keeper.take();
    assert.deepEqual(
      made.keeper.views().map(({ source }) => source),
      ['self-signed'],
    );
    const got = await party('mx.test');
    await mkdir(join(made.folder, 'spool', 'acme'), { recursive: true });
    writeFileSync(join(made.folder, 'spool', 'acme', 'certificate.pem'), `${got.key}${got.cert}`);
    const fresh = await made.keeper.look();
    assert.ok(fresh !== undefined && fresh.certificate !== certificate);
    assert.deepEqual(
      made.keeper.views().map(({ source, names }) => [source, names]),
      [['acme', ['mx.test']]],
    );
  });

  test('what ACME left half-written does not stop a start', async () => {
    const made = await scene({}, { acme: { enabled: true, agreeToTerms: true } });
    await mkdir(join(made.folder, 'spool', 'acme'), { recursive: true });
    writeFileSync(join(made.folder, 'spool', 'acme', 'certificate.pem'), 'torn');
    await made.keeper.load(made.config);
    made.keeper.take();
    assert.equal(made.keeper.views()[0]?.source, 'self-signed');
  });

  test('a reload that is refused leaves what is in force', async () => {
    const { keeper, config, put } = await started(USUAL, { usual: await party('one.test') });
    put('usual', await party('two.test'));
    await keeper.load(config);
    assert.deepEqual(keeper.views()[0]?.names, ['one.test']);
  });
});

describe('the end of a certificate', () => {
  const cases: readonly (readonly [title: string, days: readonly [number, number], warned: RegExp | undefined])[] = [
    ['ninety days, sixty left', [-30, 60], undefined],
    ['ninety days, ten left', [-80, 10], /about to expire/],
    ['six days, four left', [-2, 4], undefined],
    ['six days, one left', [-5, 1], /about to expire/],
    ['expired', [-90, -1], /has expired/],
  ];
  for (const [title, days, warned] of cases)
    test(title, async () => {
      const now = new HandClock().now();
      const { keeper, logged, clock } = await started(USUAL, { usual: await party('one.test', days, now) });
      assert.equal(logged.length, warned === undefined ? 0 : 1);
      if (warned !== undefined) assert.match(logged[0]!, warned);
      assert.equal(keeper.health()[0]?.state, warned === undefined ? 'ok' : 'degraded');
      // Once a day, however often it is looked.
      await keeper.look();
      assert.equal(logged.length, warned === undefined ? 0 : 1);
      clock.advance(DAY);
      await keeper.look();
      if (warned !== undefined) assert.equal(logged.length, 2);
    });

  test('it makes nobody unready', async () => {
    const { keeper } = await started(USUAL, { usual: await party('one.test', [-90, -1]) });
    assert.equal(keeper.health()[0]?.needed, false);
  });
});
