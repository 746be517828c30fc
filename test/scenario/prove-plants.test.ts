/** Each change that the prover lays over the product still fits it: a fault that cannot be planted proves nothing. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { PLANTS } from '../../prove/kill/points.ts';
import { type Plant } from '../../prove/suite.ts';
import { SUITES } from '../../prove/suites.ts';
import { MAIN } from '../lib/product.ts';

function fits(plants: readonly Plant[]): void {
  for (const { file, find } of plants) {
    const found = readFileSync(join(dirname(MAIN), file), 'utf8').split(find).length - 1;
    assert.equal(found, 1, `${JSON.stringify(find)} in ${file}`);
  }
}

test('the named points at which it is killed', () => fits(PLANTS));
for (const suite of SUITES)
  for (const fault of suite.faults) test(`${suite.name}: ${fault.name}`, () => fits(fault.plants));
