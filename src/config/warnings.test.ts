import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatProblem } from '../lib/schema-reading.ts';
import { readConfig } from './config.ts';
import { configWarnings } from './warnings.ts';

function warnings(http: object): readonly string[] {
  const read = readConfig({ hostname: 'mx.example.com', http }, '/');
  assert.ok(read.ok);
  return configWarnings(read.value).map(formatProblem);
}

test('an administrator’s port that others may reach is told', () => {
  assert.deepEqual(warnings({ host: '0.0.0.0' }), [
    "http.host: there is no login yet: whoever reaches 0.0.0.0 port 8025 is an administrator; write '127.0.0.1', or let a firewall keep everybody else away",
  ]);
  assert.equal(warnings({ host: '192.0.2.1' }).length, 1);
  assert.equal(warnings({ host: 'mail.example.com' }).length, 1);
});

test('one on this machine is not, nor one that is closed', () => {
  for (const http of [
    {},
    { host: '::1' },
    { host: '127.0.0.2' },
    { host: 'localhost' },
    { host: '::', enabled: false },
  ])
    assert.deepEqual(warnings(http), []);
});
