/** The commands of the directory, over one in memory. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { type EventsAdmin, type QueueAdmin } from '../api/contract.ts';
import { type DirectoryAdmin } from '../api/directory-contract.ts';
import { type DirectoryStore } from '../directory/directory.ts';
import { memoryDirectory } from '../directory/memory/memory-directory.ts';
import { verifyPassword } from '../directory/passwords.ts';
import { directoryCalls, DirectoryOperations } from '../runtime/directory-operations.ts';
import { runProgram, type Wiring } from './program.ts';
import { fakeTerminal } from './terminal.fixtures.contract.ts';

const folder = mkdtempSync(join(tmpdir(), 'cli-directory-'));
after(() => rmSync(folder, { recursive: true }));

let store: DirectoryStore;
let told: number;
let recorded: string[];
beforeEach(() => {
  store = memoryDirectory();
  told = 0;
  recorded = [];
});

async function run(words: string) {
  const operations = new DirectoryOperations({
    store,
    now: () => Date.UTC(2026, 10, 26),
    changed: async () => void (told += 1),
    record: async (lines) => void recorded.push(...lines),
    facts: () => ({
      hostname: 'mx.test',
      stsRecord: () => undefined,
      sendsBy: [],
      reportsTo: undefined,
      notes: (domain) => [`publish no MX for ${domain}`],
    }),
  });
  const admin = { ...directoryCalls(operations), close: () => Promise.resolve() } as unknown;
  const none = (): never => assert.fail('not for these commands');
  const wiring: Wiring = {
    ...{ runParent: none, runWorking: none, startSandbox: none, compact: none },
    openOffline: () => Promise.resolve(admin as QueueAdmin & EventsAdmin & DirectoryAdmin & { close(): Promise<void> }),
  };
  const terminal = fakeTerminal({ cwd: folder });
  const code = await runProgram([...words.split(' '), '--spool', folder], terminal, wiring);
  return { code, ...terminal.written };
}

/** Runs them one after the other; all must do. Gives what the last said. */
async function all(...commands: readonly string[]): Promise<string> {
  let said = '';
  for (const words of commands) {
    const { code, out, err } = await run(words);
    assert.equal(code, 0, `${words}: ${err}`);
    said = out;
  }
  return said;
}

describe('tenants', () => {
  test('are made, listed, changed, shown and removed', async () => {
    await all('tenant add acme --messages-per-hour 10 --message-size 1MiB', 'domain add a.test --tenant acme');
    assert.match(await all('tenant'), /^TENANT .*\nacme +messagesPerHour=10 messageOctets=1048576\n$/);
    const shown = await all('credential add ann --tenant acme', 'tenant change acme --suspend', 'tenant show acme');
    assert.match(shown, /^tenant {2}acme, suspended\nlimits .*\ndomains a.test\nusers {3}ann\n$/);
    await all('tenant change acme --resume');
    assert.equal(store.tenant('acme')?.suspended, false);
    await all('tenant remove acme');
    assert.deepEqual([store.tenants(), store.domains(), store.credentials(), store.keys()], [[], [], [], []]);
    assert.ok(told >= 6);
  });

  test('a change of one limit leaves the others, and none takes one away', async () => {
    await all(
      'tenant add acme --messages-per-hour 10 --recipients-per-day 5',
      'tenant change acme --messages-per-hour 20',
    );
    assert.deepEqual(store.tenant('acme')?.limits, { messagesPerHour: 20, recipientsPerDay: 5 });
    await all('tenant change acme --recipients-per-day none');
    assert.deepEqual(store.tenant('acme')?.limits, { messagesPerHour: 20 });
  });
});

test('every change is on record with who made it, and no secret is', async () => {
  await all('tenant add acme', 'domain add a.test --tenant acme', 'key rotate a.test', 'key switch a.test');
  const said = await all('credential add ann --tenant acme --messages-per-hour 5');
  await all('credential change ann --disable', 'tenant remove acme', 'credential', 'domain', 'key', 'tenant');
  const events = recorded.map((line) => JSON.parse(line) as Record<string, string>);
  assert.ok(events.every(({ kind, by }) => kind === 'directoryChanged' && /^cli:.+/.test(by ?? '')));
  const summary = events.map(({ action, what, name, changes }) => [action, what, name, String(changes)].join(' '));
  assert.deepEqual(summary.slice(0, 4), [
    'added tenant acme suspended: no',
    'added domain a.test tenant: acme',
    'added signingKey p202611r._domainkey.a.test algorithm: rsa-sha256,state: signing',
    'added signingKey p202611e._domainkey.a.test algorithm: ed25519-sha256,state: signing',
  ]);
  for (const wanted of [
    'rotated signingKey p202611r2._domainkey.a.test algorithm: rsa-sha256,state: published',
    'changed signingKey p202611r2._domainkey.a.test state: published → signing',
    'changed signingKey p202611r._domainkey.a.test state: signing → retired',
    'added user ann disabled: no,messagesPerHour: 5',
    'changed user ann disabled: no → yes',
    'removed tenant acme ',
    'removed user ann ',
    'removed signingKey p202611e2._domainkey.a.test ',
  ])
    assert.ok(summary.includes(wanted), `${wanted}\n${summary.join('\n')}`);
  const secret = /^password (\S+)$/m.exec(said)?.[1] ?? '';
  assert.doesNotMatch(recorded.join('\n'), new RegExp(`${secret}|scrypt|PRIVATE|storedKey`));
});

describe('users', () => {
  test('get a password that is shown once and nowhere else', async () => {
    const said = await all('credential add ann --sender ann@a.test --sender .b.test');
    const secret = /^password (\S+)$/m.exec(said)?.[1] ?? '';
    assert.equal(await verifyPassword(secret, store.credential('ann')?.hash ?? ''), true);
    assert.deepEqual(store.credential('ann')?.senders, ['ann@a.test', '.b.test']);
    for (const words of ['credential', 'credential show ann', '--json credential show ann', '--json credential list']) {
      const again = await all(words);
      assert.match(again, /ann@a.test/);
      assert.doesNotMatch(again, new RegExp(`scrypt|scram|hash|${secret}`));
    }
  });

  test('a password of their own comes from a file, without its last line end', async () => {
    const file = join(folder, 'password');
    writeFileSync(file, 'correct horse\n');
    const said = await all(`credential add ann --password-file ${file}`);
    assert.doesNotMatch(said, /password/);
    assert.equal(await verifyPassword('correct horse', store.credential('ann')?.hash ?? ''), true);
    writeFileSync(file, 'another horse\r\n');
    await all(`credential change ann --password-file ${file}`);
    assert.equal(await verifyPassword('another horse', store.credential('ann')?.hash ?? ''), true);
  });

  test('are switched off and on, limited and removed', async () => {
    await all('credential add ann --messages-per-hour 3', 'credential change ann --disable --messages-per-day 9');
    assert.equal(store.credential('ann')?.disabled, true);
    assert.deepEqual(store.credential('ann')?.limits, { messagesPerHour: 3, messagesPerDay: 9 });
    await all('credential change ann --enable');
    assert.equal(store.credential('ann')?.disabled, false);
    await all('credential remove ann');
    assert.equal(await all('credential'), 'none\n');
  });
});

describe('domains and keys', () => {
  test('a domain is printed as lines of a zone, long keys in strings of 255 octets', async () => {
    const said = await all('domain add a.test');
    assert.match(said, /\n\n; note: publish no MX for a\.test\n$/);
    assert.match(said, /^p202611e\._domainkey\.a\.test\. 3600 IN TXT "v=DKIM1; k=ed25519; p=[\w+/=]{44}"$/m);
    const rsa = /^p202611r\._domainkey\.a\.test\. 3600 IN TXT \( (.*) \)$/m.exec(said)?.[1] ?? '';
    const strings = rsa.split(' "').map((text) => text.replaceAll('"', ''));
    assert.ok(strings.length > 1 && strings.every((text) => text.length <= 255));
    assert.match(said, /^a\.test\. 3600 IN TXT "v=spf1 a:mx\.test mx ~all"$/m);
    assert.match(said, /^a\.test\. 3600 IN MX 10 mx\.test\.$/m);
    assert.equal(await all('domain show a.test'), said);
  });

  test('keys are rotated, switched, changed and removed', async () => {
    const said = await all('domain add a.test', 'key rotate a.test');
    assert.match(said, /^p202611r2\._domainkey\.a\.test\. 3600 IN TXT \( "v=DKIM1; k=rsa; [^"]+" "[^"]+" \)$/m);
    assert.match(await all('key switch a.test'), /p202611r2 .*signing/);
    const removed = await all('key change a.test p202611r2 --state retired', 'key remove a.test p202611r2');
    assert.match(removed, /p202611r2 of a.test is gone/);
    const listed = await all('key list a.test');
    assert.match(listed, /p202611r +rsa-sha256 +retired/);
    assert.doesNotMatch(listed, /PRIVATE/);
    assert.doesNotMatch(await all('--json key list a.test'), /PRIVATE/);
  });

  test('the last key that signs is not retired without a word', async () => {
    await all('domain add a.test');
    assert.equal((await run('key change a.test p202611e --state retired')).err.includes('warning'), false);
    const { code, err } = await run('key change a.test p202611r --state retired');
    assert.equal(code, 0);
    assert.match(
      err,
      /^warning: nothing signs the mail of a\.test now: postrider key change --state signing, or key rotate$/m,
    );
  });
});

describe('what is wrong is said', () => {
  const cases: readonly (readonly [words: string, code: number, text: RegExp])[] = [
    ['tenant show none', 1, /there is no tenant none: postrider tenant add none/],
    ['tenant add a --messages-per-hour many', 2, /messagesPerHour many: write a whole number/],
    ['tenant add a --message-size 10MB!', 2, /or one like 10MiB/],
    ['tenant change a --suspend --resume', 2, /one of them/],
    ['credential show none', 1, /there is no user none/],
    ['credential add a --kind imap', 2, /write smtp or api/],
    ['credential add a --sender @', 1, /"@" is no sender/],
    ['credential add a --tenant none', 1, /there is no tenant none/],
    ['credential add a --password-file /none/there', 1, /\/none\/there cannot be read/],
    ['domain add a..b', 1, /"a..b" is no domain/],
    ['domain show a.test', 1, /postrider domain add a.test/],
    ['domain remove a.test', 1, /there is no domain a\.test: postrider domain list/],
    [
      `credential add ${'x'.repeat(400)}`,
      1,
      /a login name is 1 to 255 characters of printable ASCII without spaces, not "x{60}"$/m,
    ],
    ['credential change bob', 2, /say what is to change: --sender, --reset, /],
    ['tenant change acme', 2, /say what is to change: --suspend, --resume or a limit/],
    ['key add a.test --algorithm rsa', 2, /write rsa-sha256 or ed25519-sha256/],
    ['key change a.test x --state old', 2, /write published, signing or retired/],
  ];
  for (const [words, wanted, text] of cases)
    test(words, async () => {
      const { code, err } = await run(words);
      assert.equal(code, wanted, err);
      assert.match(err, text);
      assert.equal(told, 0);
    });
});
