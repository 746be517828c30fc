import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { decodeHead } from '../../wire/sendmail/pickup-file.ts';
import { pickupId, pickupName, UNFINISHED } from '../../wire/sendmail/pickup-name.ts';
import { DropFile, type DropOptions } from './drop-file.ts';
import { failureOf, SENDMAIL_EXIT, SendmailFailure } from './failure.ts';

const base = mkdtempSync('/tmp/drop-file-');
after(() => rmSync(base, { recursive: true, force: true }));
let n = 0;

function options(): DropOptions {
  const folder = join(base, String(n));
  mkdirSync(folder);
  return { folder, now: 1_800_000_000_000, secret: Buffer.alloc(16, n++) };
}

const ENVELOPE = { recipients: ['ann'] };

describe('a file in the pickup folder', () => {
  test('has a hidden name until it is finished, and then the one of its id', () => {
    const where = options();
    const name = pickupName(where.now, where.secret);
    const file = new DropFile(where, ENVELOPE);
    file.write(Buffer.from('A: b\r\n'));
    assert.deepEqual(readdirSync(where.folder), [`${UNFINISHED}${name}`]);
    file.write(Buffer.from('\r\nx\r\n'));
    file.finish();
    assert.deepEqual(readdirSync(where.folder), [name]);
    assert.equal(file.id, pickupId(name));
    const octets = readFileSync(join(where.folder, name));
    const head = decodeHead(octets);
    assert.ok(head.ok);
    assert.deepEqual(head.value.envelope, ENVELOPE);
    assert.equal(octets.toString('latin1', head.value.headOctets), 'A: b\r\n\r\nx\r\n');
    assert.equal(head.value.contentOctets, 11);
  });

  test('that is given up was never there, and may be given up twice', () => {
    const where = options();
    const file = new DropFile(where, ENVELOPE);
    file.abandon();
    file.abandon();
    assert.deepEqual(readdirSync(where.folder), []);
  });

  test('that is finished stays when it is given up afterwards', () => {
    const where = options();
    const file = new DropFile(where, ENVELOPE);
    file.finish();
    file.abandon();
    assert.equal(readdirSync(where.folder).length, 1);
  });

  test('is never written over another', () => {
    const where = options();
    new DropFile(where, ENVELOPE).write(Buffer.from('x'));
    assert.throws(
      () => new DropFile(where, ENVELOPE),
      (error) => error instanceof SendmailFailure && /EEXIST/.test(error.message),
    );
  });

  test('whose folder goes away meanwhile is a failure that says so', () => {
    const where = options();
    const file = new DropFile(where, ENVELOPE);
    rmSync(where.folder, { recursive: true });
    assert.throws(
      () => file.finish(),
      (error) =>
        error instanceof SendmailFailure && error.exit === 'unavailable' && /handed in: ENOENT/.test(error.message),
    );
  });

  test(
    'is finished in a folder that may not be listed',
    { skip: process.getuid?.() === 0 && 'root may list all' },
    () => {
      const where = options();
      chmodSync(where.folder, 0o300);
      new DropFile(where, ENVELOPE).finish();
      chmodSync(where.folder, 0o700);
      assert.equal(readdirSync(where.folder).length, 1);
    },
  );
});

describe('what a failed system call means', () => {
  const cases: Readonly<Record<string, keyof typeof SENDMAIL_EXIT>> = {
    ENOENT: 'unavailable',
    EACCES: 'permission',
    ENOSPC: 'temporary',
    EDQUOT: 'temporary',
    EROFS: 'temporary',
    EMFILE: 'temporary',
    EFBIG: 'unavailable',
    EIO: 'io',
  };
  for (const [code, exit] of Object.entries(cases))
    test(`${code} is ${exit}`, () => {
      const failure = failureOf(Object.assign(new Error('it failed'), { code }), 'doing');
      assert.ok(failure instanceof SendmailFailure);
      assert.deepEqual([failure.exit, failure.message], [exit, 'doing: it failed']);
    });
  test('what to do is said behind it', () => {
    const error = Object.assign(new Error('it failed'), { code: 'EACCES' });
    const failure = failureOf(error, 'doing', { EACCES: 'do this' });
    assert.ok(failure instanceof SendmailFailure);
    assert.equal(failure.message, 'doing: it failed; do this');
  });
  test('a bug stays a bug, and a failure the one it is', () => {
    for (const error of [new TypeError('x'), new SendmailFailure('data', 'x'), 'text'])
      assert.equal(failureOf(error, 'doing'), error);
  });
  test('exit codes are those of sysexits.h', () => {
    assert.deepEqual(SENDMAIL_EXIT, {
      ...{ ok: 0, usage: 64, data: 65, noInput: 66, unavailable: 69, software: 70, io: 74, temporary: 75 },
      ...{ permission: 77, configuration: 78 },
    });
  });
});
