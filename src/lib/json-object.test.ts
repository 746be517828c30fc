import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonObject } from './json-object.ts';

test('an object', () => assert.deepEqual(jsonObject('{"a":[1]}'), { a: [1] }));

for (const json of ['', '{', '[]', 'null', '"a"', '1', '{"a":1} {"b":2}'])
  test(`none: ${json}`, () => assert.equal(jsonObject(json), undefined));
