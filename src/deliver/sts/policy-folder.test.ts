import assert from 'node:assert/strict';
import { mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type KeptPolicy } from '../../tlspolicy/sts-step.ts';
import { openPolicyFolder } from './policy-folder.ts';

const kept = (id: string, mx: readonly string[] = ['mx.b.test']): KeptPolicy => ({
  id,
  fetchedAt: 1_700_000_000_000,
  policy: { mode: 'enforce', mx, maxAge: 86_400 },
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postrider-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('policies on disk', () => {
  test('are there after a restart', async () => {
    const before = await openPolicyFolder(folder, '1');
    await before.write('b.test', kept('a'));
    const after = await openPolicyFolder(folder, '1');
    assert.ok(after.knows('b.test'));
    assert.ok(!after.knows('c.test'));
    assert.deepEqual(await after.read('b.test'), kept('a'));
    assert.deepEqual(await after.list(), ['b.test']);
  });

  test('are read also when another worker wrote them', async () => {
    const one = await openPolicyFolder(folder, '1');
    const other = await openPolicyFolder(folder, '2');
    await one.write('b.test', kept('a'));
    await one.write('b.test', kept('b'));
    assert.deepEqual(await other.read('b.test'), kept('b'));
    assert.deepEqual(await other.list(), ['b.test']);
  });

  test("that are written at once are each its domain's", async () => {
    const policies = await openPolicyFolder(folder, '1');
    const domains = Array.from({ length: 50 }, (_, n) => `d${n}.test`);
    await Promise.all(domains.map((domain) => policies.write(domain, kept(domain))));
    for (const domain of domains) assert.equal((await policies.read(domain))?.id, domain);
    assert.equal((await readdir(folder)).length, 50);
  });

  test('are of the domain that they say', async () => {
    const policies = await openPolicyFolder(folder, '1');
    await policies.write('b.test', kept('a'));
    await rename(
      join(folder, (await readdir(folder))[0]!),
      join(folder, (await readdir(folder))[0]!.replace('b.', 'c.')),
    );
    assert.equal(await policies.read('c.test'), undefined);
  });

  test('are forgotten when told', async () => {
    const policies = await openPolicyFolder(folder, '1');
    await policies.write('b.test', kept('a'));
    await policies.remove('b.test');
    await policies.remove('never.test');
    assert.ok(!policies.knows('b.test'));
    assert.equal(await policies.read('b.test'), undefined);
    assert.deepEqual(await readdir(folder), []);
  });

  test('make room, the one that nobody asked for first', async () => {
    const policies = await openPolicyFolder(folder, '1', 3 * 4096);
    for (const name of ['a', 'b', 'c']) await policies.write(`${name}.test`, kept(name));
    await policies.write('a.test', kept('again'));
    await policies.write('d.test', kept('d'));
    assert.deepEqual([...(await policies.list())].sort(), ['a.test', 'c.test', 'd.test']);
  });

  test('make room also for what was there before', async () => {
    const before = await openPolicyFolder(folder, '1');
    for (const name of ['a', 'b', 'c']) await before.write(`${name}.test`, kept(name));
    await utimes(join(folder, 'b.test.json'), 1000, 1000);
    const after = await openPolicyFolder(folder, '1', 3 * 4096);
    await after.write('d.test', kept('d'));
    assert.deepEqual([...(await after.list())].sort(), ['a.test', 'c.test', 'd.test']);
  });

  test('a big one takes the room of many', async () => {
    const policies = await openPolicyFolder(folder, '1', 3 * 4096);
    for (const name of ['a', 'b', 'c']) await policies.write(`${name}.test`, kept(name));
    const many = Array.from({ length: 200 }, (_, i) => `mail-exchanger-${i}.big.test`);
    await policies.write('big.test', kept('x', many));
    assert.deepEqual([...(await policies.list())].sort(), ['big.test', 'c.test']);
  });

  const damaged = [
    ['empty', ''],
    ['cut short', '{"id":"a","fetchedAt":17'],
    ['of another shape', '{"id":1}'],
    ['without a policy', '{"id":"a","fetchedAt":1,"policy":"hello"}'],
    ['null', 'null'],
  ] as const;
  for (const [name, text] of damaged) {
    test(`a file that is ${name} is no policy`, async () => {
      await writeFile(join(folder, 'b.test.json'), text);
      const policies = await openPolicyFolder(folder, '1');
      assert.equal(await policies.read('b.test'), undefined);
      await policies.write('b.test', kept('a'));
      assert.deepEqual(await policies.read('b.test'), kept('a'));
    });
  }

  test('nothing is read or written outside', async () => {
    const policies = await openPolicyFolder(folder, '1');
    for (const name of ['../b.test', 'a/b.test', '', 'x'.repeat(246)]) {
      await policies.write(name, kept('a'));
      assert.equal(await policies.read(name), undefined);
    }
    assert.deepEqual(await readdir(folder), []);
  });
});
