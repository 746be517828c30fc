import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { type Domain } from '../../mail/domain.ts';
import { ANN, directoryContract } from '../directory.contract.ts';
import { backupDirectory, checkDirectory, openSqliteDirectory } from './sqlite-directory.ts';

const folder = mkdtempSync(join(tmpdir(), 'directory-'));
let made = 0;
const file = (): string => join(folder, `${(made += 1)}.db`);

after(() => rmSync(folder, { recursive: true }));

describe('the directory in SQLite', () => {
  directoryContract(() => openSqliteDirectory(file(), 'write'));

  test('another connection sees a change when it has been told', () => {
    const path = file();
    const writer = openSqliteDirectory(path, 'write');
    const reader = openSqliteDirectory(path, 'read');
    assert.equal(reader.credential('ann'), undefined);
    writer.putCredential(ANN);
    assert.equal(reader.credential('ann'), undefined);
    reader.refresh();
    assert.equal(reader.credential('ann')?.user, 'ann');
    assert.throws(() => reader.putCredential(ANN), /readonly/);
    reader.close();
    writer.close();
  });

  test('is there again after it was closed, with the same pepper, and for its owner only', () => {
    const path = file();
    const first = openSqliteDirectory(path, 'write');
    first.putDomain({ name: 'a.test' as Domain, tenant: '', changedAt: 1 });
    const pepper = Buffer.from(first.pepper).toString('hex');
    first.close();
    const again = openSqliteDirectory(path, 'write');
    assert.equal(again.domains().length, 1);
    assert.equal(Buffer.from(again.pepper).toString('hex'), pepper);
    again.close();
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  test('two programs that make it at once make one', () => {
    const path = file();
    const [one, two] = [openSqliteDirectory(path, 'write'), openSqliteDirectory(path, 'write')];
    one.putCredential(ANN);
    assert.equal(two.credential('ann')?.user, 'ann');
    assert.deepEqual(one.pepper, two.pepper);
    one.close();
    two.close();
  });

  for (const [name, write, reason] of [
    [
      'no database',
      (path: string) => writeFileSync(path, 'x'.repeat(5000)),
      /not a database.*restore it from a backup/,
    ],
    [
      'a database of another program',
      (path: string) => {
        const other = new DatabaseSync(path);
        other.exec('CREATE TABLE t (a)');
        other.close();
      },
      /of another program; move it away/,
    ],
    [
      'a newer format',
      (path: string) => {
        openSqliteDirectory(path, 'write').close();
        const newer = new DatabaseSync(path);
        newer.exec('PRAGMA user_version = 99');
        newer.close();
      },
      /format 99, and this version knows 1/,
    ],
  ] as const)
    test(`${name} is refused, and not changed`, () => {
      const path = file();
      write(path);
      const before = readFileSync(path);
      assert.throws(() => openSqliteDirectory(path, 'write'), reason);
      assert.throws(() => openSqliteDirectory(path, 'read'), reason);
      assert.deepEqual(readFileSync(path), before);
    });

  test('a record that does not fit is told of, not believed', () => {
    const path = file();
    const store = openSqliteDirectory(path, 'write');
    store.putCredential(ANN);
    const other = new DatabaseSync(path);
    other.exec(`UPDATE credential SET kind = 'root'`);
    other.close();
    store.refresh();
    assert.throws(() => store.credential('ann'), /the directory is damaged: kind of ann/);
    store.close();
  });

  test('a backup is a directory, taken while it is in use', () => {
    const path = file();
    const target = file();
    const store = openSqliteDirectory(path, 'write');
    store.putCredential(ANN);
    backupDirectory(path, target);
    store.removeCredential('ann');
    store.close();
    assert.equal(statSync(target).mode & 0o777, 0o600);
    const copy = openSqliteDirectory(target, 'write');
    assert.equal(copy.credential('ann')?.user, 'ann');
    copy.close();
    assert.deepEqual(checkDirectory(target), []);
  });

  test('there is nothing to copy or to check where none was made', () => {
    const path = file();
    backupDirectory(path, file());
    assert.deepEqual(checkDirectory(path), []);
  });
});
