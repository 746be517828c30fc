/** The transports that dial nobody: Maildir, pipe, discard, fail; and what they share. */

import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { agentFor, dispatchOf, type Letter, recipient, verdictsOf } from '../../test/lib/delivery.ts';
import { type PipeRoute, type Route } from '../mail/route.ts';
import { filledIn } from './final-delivery.ts';
import { LocalLines } from './local-lines.ts';
import { maildirOf } from './maildir.ts';

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'postrider-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function deliver(t: TestContext, route: Route, letter: Letter = {}) {
  const under = agentFor(t);
  const { outcomes, connection } = await under.agent.deliver(dispatchOf(route, letter));
  assert.equal(connection, 'closed');
  return { ...under, outcomes, verdicts: verdictsOf(outcomes) };
}

const maildir = (path: string): Route => ({ kind: 'maildir', name: 'boxes', match: {}, path });

describe('Maildir', () => {
  test('a message is in new, whole, with LF, under a name that says its size', async (t) => {
    const folder = folderFor(t);
    const { verdicts, outcomes } = await deliver(t, maildir(join(folder, '{domain}/{user}')), { to: ['bob@x.test'] });
    assert.deepEqual(verdicts, ['delivered']);
    assert.equal(outcomes[0]?.kind === 'delivered' && outcomes[0].final, true);
    const box = join(folder, 'x.test/bob');
    const [name = ''] = readdirSync(join(box, 'new'));
    const octets = readFileSync(join(box, 'new', name), 'utf8');
    assert.equal(octets, 'Return-Path: <ann@us.test>\nDelivered-To: bob@x.test\nSubject: x\n\nHello\n');
    assert.match(name, new RegExp(`^\\d+\\.M\\d+P${process.pid}Q\\d+\\.us\\.test,S=${octets.length}$`));
    assert.deepEqual(readdirSync(join(box, 'tmp')), []);
    assert.equal(statSync(join(box, 'new')).mode & 0o777, 0o700);
    assert.equal(statSync(join(box, 'new', name)).mode & 0o777, 0o600);
  });

  test('every message has a name of its own', async (t) => {
    const folder = folderFor(t);
    const { agent } = agentFor(t, { clock: { now: () => 1, monotonic: () => 1 } });
    const to = ['bob@x.test', 'bob@x.test'];
    await Promise.all(
      [1, 2, 3].map((slot) => agent.deliver(dispatchOf(maildir(join(folder, '{user}')), { slot, to }))),
    );
    assert.equal(readdirSync(join(folder, 'bob/new')).length, 6);
  });

  test('the null reverse-path is empty', async (t) => {
    const folder = folderFor(t);
    await deliver(t, maildir(join(folder, 'box')), { from: null });
    const [name = ''] = readdirSync(join(folder, 'box/new'));
    assert.match(readFileSync(join(folder, 'box/new', name), 'utf8'), /^Return-Path: <>\n/);
  });

  test('a user has one mailbox, however the address is written', async (t) => {
    const folder = folderFor(t);
    await deliver(t, maildir(join(folder, '{domain}/{user}')), { to: ['Bob@X.test', 'BOB@x.test'] });
    assert.deepEqual(readdirSync(join(folder, 'x.test')), ['bob']);
  });

  const hostile = [
    '..',
    '.',
    '.hidden',
    'a/b',
    '../../etc/passwd',
    'a\0b',
    'a\nb',
    'a\\b',
    'a..b',
    '',
    'x'.repeat(256),
  ];
  for (const user of hostile)
    test(`an address that is no folder name fails: ${JSON.stringify(user.slice(0, 20))}`, async (t) => {
      const folder = folderFor(t);
      const to = { ...recipient('a@x.test'), forwardPath: { localPart: user, domain: 'x.test' as never } };
      const { verdicts } = await deliver(t, maildir(join(folder, 'box/{user}')), { recipients: [to] });
      assert.deepEqual(verdicts, ['failed 5.1.3 recipient']);
      assert.deepEqual(readdirSync(folder), []);
    });

  test('a path with braces in an address is not filled in twice', () => {
    const to = { forwardPath: { localPart: '{domain}', domain: 'x.test' as never } };
    assert.equal(maildirOf('/m/{user}', to)?.path, '/m/{domain}');
  });

  for (const link of ['x.test', 'x.test/bob', 'x.test/bob/new'])
    test(`a link is not followed: ${link}`, async (t) => {
      const folder = folderFor(t);
      const elsewhere = folderFor(t);
      mkdirSync(join(folder, link, '..'), { recursive: true });
      symlinkSync(elsewhere, join(folder, link));
      const { verdicts } = await deliver(t, maildir(join(folder, '{domain}/{user}')), { to: ['bob@x.test'] });
      assert.deepEqual(verdicts, ['deferred 4.3.5 recipient']);
      assert.deepEqual(readdirSync(elsewhere), []);
    });

  test('a folder that cannot be made defers, and costs the others nothing', async (t) => {
    const folder = folderFor(t);
    writeFileSync(join(folder, 'bob'), 'in the way');
    const { verdicts, logged } = await deliver(t, maildir(join(folder, '{user}')), {
      to: ['bob@x.test', 'eve@x.test'],
    });
    assert.deepEqual(verdicts, ['deferred 4.3.5 recipient', 'delivered']);
    assert.equal(logged[0]?.level, 'error');
  });

  test('a loop fails', async (t) => {
    const folder = folderFor(t);
    const content = 'Subject: x\r\nDELIVERED-TO:  Bob@X.test\r\n\r\nHello\r\n';
    const { verdicts } = await deliver(t, maildir(join(folder, '{user}')), {
      to: ['bob@x.test', 'eve@x.test'],
      content,
    });
    assert.deepEqual(verdicts, ['failed 5.4.6 recipient', 'delivered']);
  });

  test('a content file that is gone defers', async (t) => {
    const folder = folderFor(t);
    const content = { file: join(folder, 'none'), octets: 10 };
    const { verdicts } = await deliver(t, maildir(join(folder, '{user}')), { content });
    assert.deepEqual(verdicts, ['deferred 4.3.0 message']);
  });
});

describe('pipe', () => {
  const pipe = (argv: readonly string[], timeout = 10_000): PipeRoute => {
    return { kind: 'pipe', name: 'program', match: {}, argv: argv as [string, ...string[]], timeout };
  };
  const shell = (script: string, ...args: readonly string[]): PipeRoute =>
    pipe(['/bin/sh', '-c', script, 'sh', ...args]);

  test('the program reads the message with LF', async (t) => {
    const out = join(folderFor(t), 'out');
    const { verdicts } = await deliver(t, shell('cat > "$1"', out));
    assert.deepEqual(verdicts, ['delivered']);
    assert.equal(
      readFileSync(out, 'utf8'),
      'Return-Path: <ann@us.test>\nDelivered-To: bob@peer.test\nSubject: x\n\nHello\n',
    );
  });

  test('an argument is one argument, whatever is in it, and an empty one keeps its place', async (t) => {
    const out = join(folderFor(t), 'out');
    const evil = '$(touch x);`id` "*\' {sender}';
    const to = { ...recipient('a@x.test'), forwardPath: { localPart: evil, domain: 'x.test' as never } };
    const route = shell('printf "[%s]" "$@" > "$0"; cat > /dev/null', '{sender}', '{user}', '{domain}', '-{queueId}');
    const { verdicts } = await deliver(
      t,
      { ...route, argv: [...route.argv.slice(0, 3), out, ...route.argv.slice(4)] as never },
      { from: null, recipients: [to] },
    );
    assert.deepEqual(verdicts, ['delivered']);
    assert.equal(readFileSync(out, 'utf8'), `[][${evil}][x.test][-01234567890123456789]`);
  });

  test('its environment is small and its own', async (t) => {
    const out = join(folderFor(t), 'out');
    await deliver(t, shell('env > "$1"; cat > /dev/null', out));
    const names = readFileSync(out, 'utf8').split('\n').map((line) => line.split('=')[0]); // prettier-ignore
    assert.deepEqual(
      names.filter((name) => !['PATH', 'LANG', 'PWD', '_', 'SHLVL', 'OLDPWD', ''].includes(name!)),
      [],
    );
  });

  const codes: readonly [code: number, want: string][] = [
    [0, 'delivered'], [64, 'failed 5.3.5 recipient'], [65, 'failed 5.6.0 recipient'], [67, 'failed 5.1.1 recipient'],
    [68, 'failed 5.1.2 recipient'], [71, 'deferred 4.3.0 recipient'], [74, 'deferred 4.3.0 recipient'],
    [75, 'deferred 4.3.0 recipient'], [77, 'failed 5.7.0 recipient'], [78, 'failed 5.3.5 recipient'],
    [1, 'deferred 4.3.0 recipient'], [127, 'deferred 4.3.0 recipient'],
  ]; // prettier-ignore
  for (const [code, want] of codes)
    test(`exit status ${code}`, async (t) => {
      const { verdicts } = await deliver(t, shell(`exit ${code}`));
      assert.deepEqual(verdicts, [want]);
    });

  test('what it says is kept, harmless and bounded', async (t) => {
    const { outcomes } = await deliver(t, shell('printf "no such\\r\\nuser\\033[2J" >&2; exit 67'));
    assert.equal(outcomes[0]?.diagnostic, 'postrider: the program ended with status 67: no such user [2J');
    const loud = await deliver(t, shell('head -c 1000000 /dev/zero | tr "\\0" x; exit 67'));
    assert.ok(loud.outcomes[0]!.diagnostic.length < 1100);
  });

  test('one that does not read its input is judged by its exit status', async (t) => {
    const content = `Subject: x\r\n\r\n${'x\r\n'.repeat(500_000)}`;
    assert.deepEqual((await deliver(t, shell('exit 0'), { content })).verdicts, ['delivered']);
  });

  test('one that is not there defers', async (t) => {
    const { verdicts, outcomes } = await deliver(t, pipe(['/nonexistent/program']));
    assert.deepEqual(verdicts, ['deferred 4.3.0 recipient']);
    assert.match(outcomes[0]!.diagnostic, /ENOENT/);
  });

  test('arguments that are too long for the system cost this recipient only', async (t) => {
    const long = {
      ...recipient('a@x.test'),
      forwardPath: { localPart: 'x'.repeat(200_000), domain: 'x.test' as never },
    };
    const route = shell('exit 0', '{user}');
    const { verdicts } = await deliver(t, route, { recipients: [recipient('b@x.test'), long] });
    assert.deepEqual(verdicts, ['delivered', 'deferred 4.3.0 recipient']);
  });

  test('one that takes too long is ended with all its children', async (t) => {
    const pid = join(folderFor(t), 'pid');
    const route = shell('sleep 60 & echo $! > "$1"; sleep 60', pid);
    const { verdicts, outcomes } = await deliver(t, { ...route, timeout: 300 });
    assert.deepEqual(verdicts, ['deferred 4.3.0 recipient']);
    assert.match(outcomes[0]!.diagnostic, /no end within 300 ms/);
    const child = readFileSync(pid, 'utf8').trim();
    const alive = (): boolean => {
      try {
        return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${child}/status`, 'utf8'));
      } catch {
        return false;
      }
    };
    for (let i = 0; i < 100 && alive(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.ok(!alive());
  });
});

describe('discard and fail', () => {
  test('discard says so', async (t) => {
    const { verdicts, outcomes } = await deliver(t, { kind: 'discard', name: 'nobody', match: {} });
    assert.deepEqual(verdicts, ['delivered']);
    assert.equal(outcomes[0]!.diagnostic, 'postrider: discarded by route nobody');
  });

  const cases: readonly [code: number, status: string, want: string][] = [
    [550, '5.7.1', 'failed 5.7.1 site'],
    [450, '4.2.1', 'deferred 4.2.1 site'],
    [450, '5.7.1', 'deferred 4.7.1 site'],
    [550, 'nonsense', 'failed 5.0.0 site'],
  ];
  for (const [code, status, want] of cases)
    test(`fail with ${code} ${status}`, async (t) => {
      const { verdicts } = await deliver(t, { kind: 'fail', name: 'no', match: {}, code, status, text: 'No' });
      assert.deepEqual(verdicts, [want]);
    });
});

describe('what they share', () => {
  test('CRLF becomes LF, split anyhow; a CR that ends no line stays', () => {
    const piece = fc.constantFrom('\r', '\n', '\r\n', 'a', 'text');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), fc.integer({ min: 1, max: 5 }), (pieces, step) => {
        const text = pieces.join('');
        const lines = new LocalLines();
        let out = '';
        for (let at = 0; at < text.length; at += step)
          out += String(lines.push(Buffer.from(text.slice(at, at + step))));
        assert.equal(out + String(lines.end()), text.replaceAll('\r\n', '\n'));
      }),
    );
  });

  test('only what is named is filled in, and no name reaches a prototype', () => {
    assert.equal(filledIn('{a}{b}{constructor}{toString}', { a: '{b}' }), '{b}{b}{constructor}{toString}');
  });
});
