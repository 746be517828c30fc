import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queueParts } from '../../../test/lib/queue-parts.ts';
import { MemorySpool } from '../../spool/memory/memory-spool.ts';
import { type IntakeState } from '../../receive/ports.ts';
import { Gate } from './gate.ts';

function gateOver(freeOctets: { value: number }) {
  const spool = new MemorySpool();
  const { figures } = spool;
  spool.figures = async () => ({ ...(await figures.call(spool)), freeOctets: freeOctets.value });
  const parts = queueParts(spool);
  const changes: IntakeState[] = [];
  return { ...parts, spool, changes, gate: new Gate(parts.context, (state) => void changes.push(state)) };
}

test('closes before the disk is full, opens when there is clearly more room, and tells only of changes', async () => {
  const free = { value: 5000 };
  const { gate, changes, logged } = gateOver(free);
  for (const value of [5000, 999, 999, 1000, 1099, 1101, 5000]) {
    free.value = value;
    await gate.check();
  }
  assert.deepEqual(changes, ['full', 'open']);
  assert.deepEqual(
    logged.filter((line) => line.startsWith('warn')),
    ['warn: the disk of the spool is nearly full: no new mail is taken'],
  );
});

test('an operator pauses and opens it; a full disk shows again behind the pause', async () => {
  const free = { value: 10 };
  const { gate, changes } = gateOver(free);
  await gate.pause();
  assert.equal(gate.state, 'paused');
  await gate.unpause();
  free.value = 5000;
  await gate.check();
  assert.deepEqual(changes, ['paused', 'full', 'open']);
});

test('once the server stops it stays closed, whatever is asked or was asked before', async () => {
  const { gate, changes } = gateOver({ value: 5000 });
  const checking = gate.pause();
  gate.drain();
  await checking;
  await gate.unpause();
  assert.deepEqual(changes, ['draining']);
});

test('a spool that cannot tell its figures rejects, for the owner to end the process', async () => {
  const { gate, spool } = gateOver({ value: 5000 });
  spool.figures = () => Promise.reject(new Error('EIO'));
  await assert.rejects(gate.check(), /EIO/);
});
