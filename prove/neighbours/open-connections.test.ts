import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openAtOnce, openConnections } from './open-connections.ts';

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:3A98 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:3A98 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
   2: 0100007F:3A98 0100007F:C002 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1
   3: 0100007F:3A98 0100007F:C003 08 00000000:00010000 00:00000000 00000000     0        0 4 1 0 20 4 30 10 -1
   4: 0100007F:C001 0100007F:3A98 01 00000000:00000000 00:00000000 00000000     0        0 5 1 0 20 4 30 10 -1
   5: 0100007F:C002 0100007F:3A98 04 00000000:00010000 00:00000000 00000000     0        0 6 1 0 20 4 30 10 -1
   6: 0100007F:C003 0100007F:3A98 01 00000000:00000000 00:00000000 00000000     0        0 7 1 0 20 4 30 10 -1
`;

test('open are those that their dialling end has not closed; who listens has none', () => {
  assert.deepEqual(openConnections(TABLE).get(15_000), ['0100007F:C001', '0100007F:C003']);
  assert.equal(openConnections(TABLE).get(0), undefined);
  assert.equal(openConnections('').size, 0);
});

test('open at once are those that stand in two looks', () => {
  const looks = [new Map([[25, ['a', 'b', 'c']]]), new Map([[25, ['b', 'c', 'd']]]), new Map<number, string[]>()];
  const look = (): ReadonlyMap<number, readonly string[]> => looks.shift() ?? new Map();
  assert.equal(openAtOnce(25, look), 2);
  assert.equal(openAtOnce(25, look), 0);
});
