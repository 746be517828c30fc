import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeQueueId, parseQueueId, timeOf } from '../../mail/queue-id.ts';
import { PICKUP_MAKER, pickupId, pickupName, UNFINISHED } from './pickup-name.ts';

const SECRET = Buffer.from('00112233445566778899aabbccddeeff', 'hex');

test('a name has its time and its secret', () => {
  assert.equal(pickupName(1_800_000_000_000, SECRET), '01mcc5rm00-00112233445566778899aabbccddeeff');
});

test('an id follows from the name: its time, its maker, and chance', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 47 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      (now, secret) => {
        const name = pickupName(now, Buffer.from(secret));
        const id = pickupId(name);
        assert.ok(id !== undefined && parseQueueId(id) === id);
        assert.equal(pickupId(name), id);
        assert.equal(timeOf(id), now);
        assert.equal(
          id.slice(10, 12),
          makeQueueId({ now: 0, maker: PICKUP_MAKER, counter: 0, chance: 0 }).slice(10, 12),
        );
      },
    ),
  );
});

test('two names have two ids', () => {
  const ids = Array.from({ length: 1000 }, (_, n) => {
    const secret = Buffer.alloc(16);
    secret.writeUInt32BE(n);
    return pickupId(pickupName(5, secret));
  });
  assert.equal(new Set(ids).size, 1000);
});

for (const name of [
  '',
  'x',
  '..',
  `${UNFINISHED}1`,
  '01mc7fb600-001122',
  '01MC7FB600-00112233445566778899aabbccddeeff',
  '01mc7fb600-00112233445566778899aabbccddeeff\n',
  '../01mc7fb600-00112233445566778899aabbccddeeff',
])
  test(`${JSON.stringify(name)} is no name of ours`, () => assert.equal(pickupId(name), undefined));
