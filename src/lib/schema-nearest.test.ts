import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearestName } from './schema-nearest.ts';

const NAMES = ['listeners', 'hostname', 'routes', 'port', 'tls', 'proxyFrom'];

const cases: readonly (readonly [string, string | undefined])[] = [
  ['listner', 'listeners'],
  ['hostName', 'hostname'],
  ['host_name', 'hostname'],
  ['route', 'routes'],
  ['prot', 'port'],
  ['TLS', 'tls'],
  ['proxy-from', 'proxyFrom'],
  ['certificate', undefined],
  ['x', undefined],
  ['', undefined],
  ['p'.repeat(10_000), undefined],
];

for (const [name, want] of cases)
  test(`${JSON.stringify(name.slice(0, 20))} is near ${want ?? 'nothing'}`, () =>
    assert.equal(nearestName(name, NAMES), want));
