/** Records from a disk are believed only as far as they can be checked. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CorruptRecord, decodeEntry, decodeMessage, decodeNotice, decodeNumbers, decodeRule } from './codec.ts';
import { entry, ENVELOPE, idOf, notice, rule } from './spool.fixtures.contract.ts';

const stored = {
  id: idOf(0),
  envelope: ENVELOPE,
  class: 'normal',
  acceptedAt: 1,
  content: { octets: 3, file: 'aa/x' },
  report: false,
  eightBit: true,
} as const;

const RECORDS: readonly [string, (json: string) => unknown, object][] = [
  ['entry', decodeEntry, entry(`${idOf(0)}/0`, { lastAttemptAt: 5 })],
  ['message', decodeMessage, stored],
  ['message from nobody', decodeMessage, { ...stored, envelope: { ...ENVELOPE, reversePath: null, ret: undefined } }],
  ['message with REQUIRETLS', decodeMessage, { ...stored, envelope: { ...ENVELOPE, requireTls: true } }],
  ['message with TLS-Required: No', decodeMessage, { ...stored, envelope: { ...ENVELOPE, tlsOptional: true } }],
  [
    'entry with all that a sender may ask',
    decodeEntry,
    entry(`${idOf(0)}/0`, {
      ...{ releaseAt: 7, expiry: 'exact', tags: ['a', 'b'], trackingId: 't' },
      deliverBy: { at: 9, mode: 'return', trace: true },
    }),
  ],
  [
    'message with all that a sender may ask',
    decodeMessage,
    {
      ...stored,
      envelope: {
        ...{ ...ENVELOPE, priority: -4, tags: ['a'], trackingId: 't' },
        deliverBy: { at: 9, mode: 'notify', trace: false },
      },
    },
  ],
  ['notice', decodeNotice, notice(0, 3, { willRetryUntil: 7 })],
  ['rule', decodeRule, rule('r', { route: 'backup', until: 4, target: { sender: '*@a.test', recipient: '' } })],
];

for (const [name, decode, value] of RECORDS)
  describe(`a record of kind ${name}`, () => {
    test('is read as it was written', () => assert.deepEqual(decode(JSON.stringify(value)), value));

    test('is not accepted with any field missing or of another kind', () => {
      const optional = new Set([
        ...['lastAttemptAt', 'willRetryUntil', 'route', 'until'],
        ...['releaseAt', 'expiry', 'tags', 'trackingId', 'deliverBy'],
      ]);
      for (const field of Object.keys(value)) {
        const without = JSON.stringify({ ...value, [field]: undefined });
        if (!optional.has(field)) assert.throws(() => decode(without), CorruptRecord, `without ${field}`);
        const wrong = JSON.stringify({ ...value, [field]: [1] });
        assert.throws(() => decode(wrong), CorruptRecord, `${field} of another kind`);
      }
    });

    test('is not accepted when it is no object, or no JSON', () => {
      for (const json of ['', 'null', '1', '"x"', '[]', '{}', '{', JSON.stringify(value).slice(0, -1)])
        assert.throws(() => decode(json), CorruptRecord, json);
    });

    test('cut short or damaged anywhere is refused or read, and nothing else', () => {
      const json = JSON.stringify(value);
      fc.assert(
        fc.property(fc.nat(json.length - 1), fc.string({ minLength: 0, maxLength: 3 }), (at, noise) => {
          try {
            decode(json.slice(0, at) + noise + json.slice(at + noise.length));
          } catch (error) {
            assert.ok(error instanceof CorruptRecord);
          }
        }),
      );
    });
  });

test('words outside the closed lists are refused', () => {
  const wrong: readonly [(json: string) => unknown, object][] = [
    [decodeEntry, { ...entry(`${idOf(0)}/0`), lane: 'fast' }],
    [decodeEntry, { ...entry(`${idOf(0)}/0`), class: 'urgent' }],
    [decodeEntry, { ...entry(`${idOf(0)}/0`), reason: 'toString' }],
    [decodeNotice, { ...notice(0, 0), action: 'lost' }],
    [decodeRule, { ...rule('r'), kind: 'ban' }],
    [decodeMessage, { ...stored, envelope: { ...ENVELOPE, body: '9BIT' } }],
  ];
  for (const [decode, value] of wrong) assert.throws(() => decode(JSON.stringify(value)), CorruptRecord);
});

test('named numbers are all there or the record is refused', () => {
  assert.deepEqual(decodeNumbers('{"a":1,"b":2,"c":3}', ['a', 'b']), { a: 1, b: 2 });
  assert.throws(() => decodeNumbers('{"a":1}', ['a', 'b']), CorruptRecord);
  assert.throws(() => decodeNumbers('{"a":1,"b":"2"}', ['a', 'b']), CorruptRecord);
});
