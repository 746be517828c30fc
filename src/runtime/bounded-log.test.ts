import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoundedLog } from './bounded-log.ts';

test('fifty lines a minute, and how many were left out', () => {
  const lines: string[] = [];
  let now = 0;
  const tell = (text: string, fields?: object): void => void lines.push(`${text} ${JSON.stringify(fields)}`);
  const log = new BoundedLog({ error: tell, warn: tell, info: tell }, () => now);
  for (let i = 0; i < 70; i++) log.say('error', 'x', { i });
  assert.equal(lines.length, 50);
  now = 59_999;
  log.say('warn', 'x', {});
  assert.equal(lines.length, 50);
  now = 60_000;
  log.say('warn', 'y', {});
  assert.deepEqual(lines.slice(50), ['lines about the pickup folder were left out {"lines":21}', 'y {}']);
  now = 200_000;
  log.say('error', 'z', {});
  assert.equal(lines.at(-1), 'z {}');
  assert.equal(lines.length, 53);
});
