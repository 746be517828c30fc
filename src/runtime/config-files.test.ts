/** Every file that a configuration names, missing, junk or closed: told with its option, by check and by start alike. */

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { certify } from '../../test/lib/pki.ts';
import { type Config, type PostriderConfig, readConfig } from '../config/config.ts';
import { expired, faultsOfFiles, faultsOfFolders, missingPrograms, refuseFaults } from './config-files.ts';
import { ConfigProblems } from './config-source.ts';
import { FileFault } from './named-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'config-files-'));
after(() => rmSync(folder, { recursive: true }));

before(async () => {
  const names = { subject: 'us.test', names: ['us.test'] };
  const [good, old] = [await certify(names), await certify({ ...names, days: [-60, -30] })];
  writeFileSync(join(folder, 'good.pem'), good.cert);
  writeFileSync(join(folder, 'good.key'), good.key);
  writeFileSync(join(folder, 'old.pem'), old.cert);
  writeFileSync(join(folder, 'old.key'), old.key);
  writeFileSync(join(folder, 'junk'), 'junk');
  mkdirSync(join(folder, 'strange'));
  writeFileSync(join(folder, 'strange', 'file'), 'keep');
});

const GOOD = { certificate: 'good.pem', key: 'good.key' };

function configOf(written: Partial<PostriderConfig>): Config {
  const read = readConfig({ hostname: 'us.test', listeners: [{ name: 'smtp', auth: 'offered' }], ...written }, folder);
  assert.ok(read.ok, JSON.stringify(read));
  return read.value;
}

/** What is told, with the folder left out. */
async function told(written: Partial<PostriderConfig>): Promise<readonly string[]> {
  const config = configOf(written);
  const faults = [...(await faultsOfFiles(config)), ...(await faultsOfFolders(config))];
  const texts = faults.map(({ message }) => message);
  if (texts.length > 0)
    await assert.rejects(
      refuseFaults(config, 'all'),
      (error) => error instanceof ConfigProblems && error.problems.length === texts.length,
    );
  return texts.map((text) => text.replaceAll(folder, ''));
}

const missing = (option: string, file: string): string =>
  `${option}: /${file} cannot be read: there is no such file (ENOENT); write its right name, or make it`;
const noCertificate = (option: string): string =>
  `${option}: /junk holds no certificate in PEM; name the file that does`;

const oauth = { issuer: 'https://id.test/', audience: ['us'] };
const introspection = { url: 'https://id.test/ask', clientId: 'us' };
const acme = { enabled: true, agreeToTerms: true };
const route = { kind: 'mx', name: 'out' } as const;

describe('a file is told of with its option:', () => {
  const cases: readonly (readonly [name: string, written: Partial<PostriderConfig>, want: readonly string[]])[] = [
    ['nothing, where all is well', { tls: { ...GOOD, clientCa: 'good.pem' } }, []],
    [
      'certificate and key that are missing, each',
      { tls: { certificate: 'a.pem', key: 'a.key' } },
      [missing('tls.certificate', 'a.pem'), missing('tls.key', 'a.key')],
    ],
    [
      'a key among the further certificates',
      { tls: { ...GOOD, certificates: [GOOD, { certificate: 'good.pem', key: 'old.key' }] } },
      [
        'tls.certificates[1].key: /old.key belongs to another certificate than /good.pem; name the two that belong together',
      ],
    ],
    ['junk in place of authorities', { tls: { ...GOOD, clientCa: 'junk' } }, [noCertificate('tls.clientCa')]],
    ['authorities of receivers', { deliver: { tls: { ca: 'no.pem' } } }, [missing('deliver.tls.ca', 'no.pem')]],
    ['authorities of policies', { deliver: { mtaSts: { ca: 'junk' } } }, [noCertificate('deliver.mtaSts.ca')]],
    [
      'the certificate that a route shows',
      { routes: [{ ...route, tlsOptions: { clientCertificate: { certificate: 'good.pem', key: 'no.key' } } }] },
      [missing('route out, tlsOptions.clientCertificate.key', 'no.key')],
    ],
    [
      'a signing key',
      { signing: { keys: [{ domain: 'us.test', selector: 's', file: 'no.pem' }] } },
      [missing('signing.keys[0].file', 'no.pem')],
    ],
    ['the keys of an issuer', { oauth: { ...oauth, jwksFile: 'no.json' } }, [missing('oauth.jwksFile', 'no.json')]],
    [
      'a secret',
      { oauth: { ...oauth, introspection: { ...introspection, secretFile: 'no' } } },
      [missing('oauth.introspection.secretFile', 'no')],
    ],
    ['authorities of ACME', { acme: { ...acme, ca: 'no.pem' } }, [missing('acme.ca', 'no.pem')]],
    [
      'the key of an external account',
      { acme: { ...acme, externalKeyId: 'k', externalKeyFile: 'no' } },
      [missing('acme.externalKeyFile', 'no')],
    ],
    ['what is not used is not looked at', { acme: { ca: 'no.pem' } }, []],
  ];
  for (const [name, written, want] of cases) test(name, async () => assert.deepEqual(await told(written), want));
});

describe('a folder is told of with its option:', () => {
  const cases: readonly (readonly [name: string, written: Partial<PostriderConfig>, want: readonly string[]])[] = [
    ['a spool that is a file', { spool: { folder: 'junk' } }, ['spool.folder: /junk is no folder; name a folder']],
    [
      'a spool under a file',
      { spool: { folder: 'junk/spool' } },
      ['spool.folder: /junk/spool cannot be made: /junk is no folder; name a folder'],
    ],
    [
      'a spool that holds something else',
      { spool: { folder: 'strange' } },
      ["spool.folder: /strange is not a spool: it holds 'file' and no store; name an empty folder, or a spool"],
    ],
    [
      'a spool whose name is too long for a socket',
      { spool: { folder: `/${'s'.repeat(110)}` } },
      [
        `spool.folder: the path of the control socket, /${'s'.repeat(110)}/control.sock, has 124 octets, and 107 is the most; give spool.folder a shorter name`,
      ],
    ],
    ['events that are a file', { events: { folder: 'junk' } }, ['events.folder: /junk is no folder; name a folder']],
    ['a pickup that is a file', { pickup: { folder: 'junk' } }, ['pickup.folder: /junk is no folder; name a folder']],
  ];
  for (const [name, written, want] of cases) test(name, async () => assert.deepEqual(await told(written), want));

  test('and nothing is made or changed', async () => {
    const names = readdirSync(folder, { recursive: true });
    await told({ spool: { folder: 'new/spool' }, events: { folder: 'events' }, pickup: { folder: 'pickup' } });
    assert.deepEqual(readdirSync(folder, { recursive: true }), names);
  });

  test('but a reload keeps the folders that it has', () =>
    refuseFaults(configOf({ spool: { folder: 'junk' } }), 'files'));
});

test('a certificate that has expired is no fault, and worth a warning', async () => {
  const config = configOf({ tls: { certificate: 'old.pem', key: 'old.key' } });
  assert.deepEqual(await faultsOfFiles(config), []);
  assert.match(expired(config, Date.now()).join(), /^tls\.certificate: .*old\.pem has expired, on .*; renew it$/);
  assert.deepEqual(expired(config, 0), []);
});

test('a program of a route that cannot be run is worth a warning', async () => {
  const pipe = (name: string, program: string) =>
    ({ kind: 'pipe', name, argv: [program], match: { recipients: [`${name}.test`] } }) as const;
  const programs = ['/bin/cat', join(folder, 'none'), folder, join(folder, 'junk')];
  const config = configOf({ routes: programs.map((program, i) => pipe(`p${i}`, program)) });
  assert.deepEqual(await faultsOfFiles(config), []);
  const warnings = await missingPrograms(config);
  assert.deepEqual(
    warnings.map((text) => text.replaceAll(folder, '').split(';')[0]?.replace(/by .*/, 'by …')),
    [
      'routes[1].argv[0]: /none is not there',
      'routes[2].argv[0]:  is no file',
      'routes[3].argv[0]: /junk may not be run by …',
    ],
  );
});

test('a file that is closed to this user may be open to the server’s', () => {
  const denied = Object.assign(new Error('permission denied'), { code: 'EACCES' });
  assert.equal(new FileFault('tls.key', ['closed', 'open it'], denied).isDenied, true);
  assert.equal(new FileFault('tls.key', ['gone', 'make it']).isDenied, false);
});
