/** The order of keys is the order of what they stand for. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type EntryId } from '../../mail/entry.ts';
import { partitionOf } from '../../mail/partition.ts';
import { queueName } from '../../mail/queue-name.ts';
import { entry, idOf, laneOf } from '../spool.fixtures.contract.ts';
import {
  agendaPrefix,
  agendaSuffix,
  dueKey,
  lanePrefix,
  noticeKey,
  outboxKey,
  parseAgendaKey,
  parseDueRow,
  partitionDigits,
  partitionDigitsOf,
  queuePrefix,
  under,
} from './keys.ts';

const instants = fc.integer({ min: 0, max: 32 ** 10 - 1 });
const part = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => text.isWellFormed());
const names = fc.record({ campaign: part, tenant: part, domain: part }).map(queueName);

test('keys are printable ASCII, whatever the name of the queue', () => {
  fc.assert(
    fc.property(names, instants, (queue, dueAt) => {
      const key = dueKey(entry(`${idOf(1)}/0`, { queue, dueAt }));
      assert.match(key, /^[\x21-\x7e]+$/);
      assert.ok(key.startsWith(lanePrefix(laneOf(entry(`${idOf(1)}/0`, { queue })))));
    }),
  );
});

test('rows of a lane sort by due time, then by entry', () => {
  const rows = fc.record({ dueAt: instants, n: fc.nat(5) });
  fc.assert(
    fc.property(rows, rows, (a, b) => {
      const keyOf = ({ dueAt, n }: typeof a): string => dueKey(entry(`${idOf(n)}/0`, { dueAt }));
      const want = a.dueAt - b.dueAt || a.n - b.n;
      const [left, right] = [keyOf(a), keyOf(b)];
      assert.equal(Math.sign(want), left < right ? -1 : Number(left > right));
    }),
  );
});

test('what a key was made of is read from it again', () => {
  fc.assert(
    fc.property(names, instants, fc.nat(999), (queue, dueAt, n) => {
      const id: EntryId = `${idOf(3)}/${n}`;
      const digits = partitionDigits(partitionOf('example.com'));
      const key = dueKey(entry(id, { queue, dueAt, class: 'bulk', lane: 'held' }));
      assert.deepEqual(parseDueRow(key, queuePrefix(digits, queue)), { lane: 'bulk/held', dueAt, entry: id });
      const row = agendaPrefix(digits) + agendaSuffix(dueAt, queue);
      assert.deepEqual(parseAgendaKey(row), { partition: digits, dueAt, queue });
    }),
  );
});

test('a time becomes a whole number of milliseconds that is not later', () => {
  const cases = [
    { at: -5, want: 0 },
    { at: 0.9, want: 0 },
    { at: 1_800_000_000_000.7, want: 1_800_000_000_000 },
    { at: Number.MAX_SAFE_INTEGER, want: 32 ** 10 - 1 },
  ];
  for (const { at, want } of cases)
    assert.equal(parseAgendaKey(agendaPrefix('00') + agendaSuffix(at, 'q')).dueAt, want, String(at));
});

test('a range has all keys with its prefix, and behind one of them all that follow it', () => {
  const keys = ['entry/a/0', 'entry/a/1', 'entry/a/10', 'entry/a/2', 'entry/b/0'];
  const within = ({ start, end }: { start: string; end: string }): string[] =>
    keys.filter((key) => key >= start && key < end);
  assert.deepEqual(within(under('entry/a/')), keys.slice(0, 4));
  assert.deepEqual(within(under('entry/a/', '1')), ['entry/a/10', 'entry/a/2']);
  assert.deepEqual(within(under('entry/')), keys);
  assert.deepEqual(within(under('entry/', 'a/2')), ['entry/b/0']);
});

test('numbers sort as numbers', () => {
  const sequences = [1, 9, 10, 99, 1000, 2 ** 31];
  assert.deepEqual(sequences.map(outboxKey).sort(), sequences.map(outboxKey));
  const recipients = [0, 2, 10, 99_999].map((n) => noticeKey(idOf(0), n));
  assert.deepEqual(recipients.toSorted(), recipients);
});

test('the remembered partition of a domain is the computed one, also when many were asked for', () => {
  for (let i = 0; i < 10_000; i++) partitionDigitsOf(`d${i}.test`);
  for (const domain of ['d1.test', 'd9999.test', 'example.com', ''])
    assert.equal(Number.parseInt(partitionDigitsOf(domain), 16), partitionOf(domain));
});
