/** Points fit the product as it is built from the sources beside them. */

import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';
import { describe, test } from 'node:test';
import { removeFolder, startProcess, testFolder } from '../../test/lib/processes.ts';
import { KILL_FAULTS } from './faults.ts';
import { PLANTS, Points, POINTS } from './points.ts';

const SRC = join(import.meta.dirname, '..', '..', 'src');

/** As the compiler writes it, nearly: without types, and indented by four. */
function compiled(file: string): string {
  const source = readFileSync(join(SRC, file.replace(/\.js$/, '.ts')), 'utf8');
  return stripTypeScriptTypes(source).replaceAll(/\s+/g, ' ');
}

describe('each point', () => {
  test('has a name of its own', () => assert.equal(new Set(POINTS).size, POINTS.length));

  for (const { file, find } of PLANTS)
    test(`has its place: ${file}, ${find.slice(0, 40)}`, () =>
      assert.equal(compiled(file).split(find.replaceAll(/\s+/g, ' ')).length, 2));
});

describe('the last signs of life', () => {
  const at = 1000;
  const cases: readonly [name: string, sign: number, stalls: readonly object[], place?: number][] = [
    ['a thread that beat a moment ago was not held up', at - 4, []],
    ['one whose beat was due was, from then on', at - 30, [{ from: at - 25, to: at }]],
    ['one that never was there was not', 0, []],
    ['a commit that began a moment ago was not held up', at - 1, [], 62],
    ['one that took longer than on a quiet machine was', at - 30, [{ from: at - 28, to: at }], 62],
    ['none under way', 0, [], 62],
  ];
  for (const [name, sign, stalls, place = 3] of cases)
    test(name, async (t) => {
      const folder = await testFolder('points');
      t.after(() => removeFolder(folder));
      const points = new Points(folder);
      const beats = Buffer.alloc(64 * 8);
      beats.writeDoubleLE(sign, 8 * place);
      writeFileSync(points.environment['POSTRIDER_BEATS']!, beats);
      appendFileSync(points.environment['POSTRIDER_STALLS']!, '10.5 20.5\n30 4');
      assert.deepEqual(points.lifeUntil(at).stalls, [{ from: 10.5, to: 20.5 }, ...stalls]);
      assert.deepEqual(points.lifeUntil(at).stalls, [], 'they are told once');
    });
});

test('an outcome is recorded when more than one commit has begun since it was given to the committer', async (t) => {
  const folder = await testFolder('points');
  t.after(() => removeFolder(folder));
  const points = new Points(folder);
  const beats = Buffer.alloc(64 * 8);
  beats.writeDoubleLE(9, 8 * 63);
  writeFileSync(points.environment['POSTRIDER_BEATS']!, beats);
  appendFileSync(points.environment['POSTRIDER_OUTCOMES']!, '7 10.5 a b\n8 11 c\n');
  assert.deepEqual(points.lifeUntil(1000), {
    stalls: [],
    recorded: [
      { name: 'a', at: 10.5 },
      { name: 'b', at: 10.5 },
    ],
  });
});

test('a point is armed by its number, and told of when it was hit', async (t) => {
  const folder = await testFolder('points');
  t.after(() => removeFolder(folder));
  const points = new Points(folder);
  const script = `process.prove.at('commit:after'); process.prove.at('commit:before'); process.prove.at('commit:before');`;
  points.arm('commit:before', 2);
  const plain = { ...points.environment, NODE_OPTIONS: points.environment['NODE_OPTIONS']!.split(' ')[0]! };
  const running = startProcess({ argv: [process.execPath, '-e', `${script} console.log('alive')`], env: plain });
  assert.equal(await running.exited, 'SIGKILL');
  assert.deepEqual(
    points.hits.map(({ point }) => point),
    ['commit:before'],
  );
  assert.equal(running.output(), '');
});

test('each fault has a name of its own', () =>
  assert.equal(new Set(KILL_FAULTS.map(({ name }) => name)).size, KILL_FAULTS.length));
