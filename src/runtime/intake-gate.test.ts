import assert from 'node:assert/strict';
import { test } from 'node:test';
import { intakeState } from './intake-gate.ts';

const facts = { paused: false, draining: false, freeOctets: 1000, minFreeOctets: 100 };

test('with room enough mail is taken', () => assert.equal(intakeState(facts, 'open'), 'open'));
test('below the guard it is not', () => assert.equal(intakeState({ ...facts, freeOctets: 99 }, 'open'), 'full'));
test('it is taken again only with clearly more room', () => {
  assert.equal(intakeState({ ...facts, freeOctets: 105 }, 'full'), 'full');
  assert.equal(intakeState({ ...facts, freeOctets: 111 }, 'full'), 'open');
});
test('a pause by an operator counts whatever the room', () =>
  assert.equal(intakeState({ ...facts, paused: true }, 'open'), 'paused'));
test('shutting down comes before everything', () =>
  assert.equal(intakeState({ ...facts, paused: true, draining: true, freeOctets: 0 }, 'open'), 'draining'));
