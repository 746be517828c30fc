/** The reference pages on disk are those that the sources make. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { referencePages } from '../scripts/docs.ts';

for (const [path, text] of await referencePages())
  test(`${path} says what the sources say`, () => {
    assert.ok(existsSync(path), `${path} is missing: npm run docs`);
    assert.ok(readFileSync(path, 'utf8') === text, `${path} is not what the sources say: npm run docs`);
  });
