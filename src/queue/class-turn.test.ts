import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PriorityClass } from '../mail/priority-class.ts';
import { ClassTurn } from './class-turn.ts';

function served(waiting: readonly PriorityClass[], turns: number): Record<string, number> {
  const turn = new ClassTurn();
  const counts: Record<string, number> = {};
  for (let i = 0; i < turns; i++) {
    const first = turn.order().find((name) => waiting.includes(name))!;
    counts[first] = (counts[first] ?? 0) + 1;
    turn.next();
  }
  return counts;
}

test('the highest goes first, the lower keep a tenth', () => {
  assert.deepEqual(served(['transactional', 'normal', 'bulk'], 200), { transactional: 180, normal: 10, bulk: 10 });
  assert.deepEqual(served(['transactional', 'bulk'], 200), { transactional: 180, bulk: 20 });
});

test('of the two lower ones the higher still comes first', () => {
  assert.deepEqual(served(['normal', 'bulk'], 200), { normal: 190, bulk: 10 });
});

test('alone, each has everything', () => assert.deepEqual(served(['bulk'], 50), { bulk: 50 }));
