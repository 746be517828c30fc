/** Points fit the product as it is built from the sources beside them. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { KILL_FAULTS } from './faults.ts';
import { PLANTS, POINTS } from './points.ts';

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

test('each fault has a name of its own', () =>
  assert.equal(new Set(KILL_FAULTS.map(({ name }) => name)).size, KILL_FAULTS.length));
