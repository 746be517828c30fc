import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { healthOf, MAX_SILENCE, type PartHealth } from './health.ts';

const NOW = 1_000_000;
const ok: PartHealth = { part: 'queue-manager', state: 'ok', reason: '', heardAt: NOW, needed: true };
const archivist: PartHealth = { ...ok, part: 'archivist', needed: false };

describe('healthOf', () => {
  const cases: readonly { name: string; parts: readonly PartHealth[]; live: boolean; ready: boolean }[] = [
    { name: 'all is well', parts: [ok, archivist], live: true, ready: true },
    { name: 'nothing is known yet', parts: [], live: true, ready: false },
    { name: 'a part starts', parts: [ok, { ...ok, state: 'starting' }], live: true, ready: false },
    { name: 'a part is degraded', parts: [{ ...ok, state: 'degraded' }], live: true, ready: true },
    { name: 'draining', parts: [{ ...ok, state: 'draining' }], live: true, ready: false },
    { name: 'a needed part failed', parts: [{ ...ok, state: 'failed' }, ok], live: false, ready: false },
    {
      name: 'a part that can be missed failed',
      parts: [ok, { ...archivist, state: 'failed' }],
      live: true,
      ready: true,
    },
    { name: 'only parts that can be missed', parts: [archivist], live: true, ready: false },
    { name: 'silent for too long', parts: [{ ...ok, heardAt: NOW - MAX_SILENCE - 1 }], live: false, ready: false },
    { name: 'silent for just not too long', parts: [{ ...ok, heardAt: NOW - MAX_SILENCE }], live: true, ready: true },
    { name: 'asked directly', parts: [{ ...ok, heardAt: undefined }], live: true, ready: true },
    {
      name: 'heard of in the future (the clock was set back)',
      parts: [{ ...ok, heardAt: NOW + 1e9 }],
      live: true,
      ready: true,
    },
  ];
  for (const { name, parts, live, ready } of cases) {
    test(name, () => {
      const health = healthOf(parts, NOW);
      assert.deepEqual([health.live, health.ready], [live, ready]);
    });
  }

  test('each part is named with its reason', () => {
    const parts = [
      { ...ok, state: 'degraded' as const, reason: 'disk nearly full' },
      { ...archivist, heardAt: NOW - 25_000 },
      { ...ok, part: 'worker 0', state: 'failed' as const, reason: 'died', heardAt: NOW - 1e6 },
    ];
    assert.deepEqual(healthOf(parts, NOW).parts, [
      { part: 'queue-manager', state: 'degraded', reason: 'disk nearly full' },
      { part: 'archivist', state: 'silent', reason: 'nothing heard for 25 s' },
      { part: 'worker 0', state: 'failed', reason: 'died' },
    ]);
  });
});
