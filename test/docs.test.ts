/** The reference pages on disk are those that the sources make, and what the guide shows is valid. */

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { referencePages } from '../scripts/docs.ts';
import { loadConfig } from '../src/config/load.ts';
import { formatProblem } from '../src/lib/schema-reading.ts';

for (const [path, text] of await referencePages())
  test(`${path} says what the sources say`, () => {
    assert.ok(existsSync(path), `${path} is missing: npm run docs`);
    assert.ok(readFileSync(path, 'utf8') === text, `${path} is not what the sources say: npm run docs`);
  });

const folder = mkdtempSync(join(tmpdir(), 'postrider-guide-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const GUIDE = 'docs/guide/configuration.md';
const examples = readFileSync(GUIDE, 'utf8').matchAll(/^## (.*)$|^```ts\n([^]*?)^```$/gm);
let title = '';
let number = 0;
for (const [, heading, text] of examples) {
  title = heading ?? title;
  if (text === undefined) continue;
  const file = join(folder, `example-${(number += 1)}.ts`);
  test(`the example "${title}" (${number}) of the guide is a valid configuration`, async () => {
    writeFileSync(file, text);
    const loaded = await loadConfig(file, 1);
    assert.ok(loaded.ok, loaded.ok ? '' : loaded.problems.map(formatProblem).join('\n'));
  });
}
test('the guide has examples', () => assert.ok(number >= 8));
