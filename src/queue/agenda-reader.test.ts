import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type QueueName } from '../mail/queue-name.ts';
import { AgendaReader } from './agenda-reader.ts';
import { type AgendaPosition } from './scheduling.ts';

const row = (dueAt: number, queue = `:@q${dueAt}.test`): AgendaPosition => ({ dueAt, queue: queue as QueueName });
const reader = (partitions = [0]) =>
  new AgendaReader({ partitions, rowsPerPage: 2, concurrent: 2, sweepEvery: 60_000 });
const page = (rows: readonly AgendaPosition[], next?: AgendaPosition, partition = 0) => ({ partition, rows, next });

describe('AgendaReader', () => {
  test('one page per partition at first, a bounded number at once', () => {
    const agenda = reader([3, 4, 5]);
    agenda.start(0);
    assert.deepEqual(agenda.nextRead(), { kind: 'readAgenda', partition: 3, after: undefined, limit: 2 });
    assert.ok(agenda.nextRead());
    assert.equal(agenda.nextRead(), undefined);
    agenda.read(page([], undefined, 3), 0, () => true);
    assert.ok(agenda.nextRead());
    assert.equal(agenda.nextRead(), undefined);
  });

  test('pages follow each other until a row is not due, and the next look begins there', () => {
    const agenda = reader();
    const taken: number[] = [];
    const take = ({ dueAt }: AgendaPosition) => taken.push(dueAt) > 0;
    agenda.start(0);
    agenda.nextRead();
    agenda.read(page([row(1), row(2)], row(2)), 10, take);
    assert.deepEqual(agenda.nextRead(), { kind: 'readAgenda', partition: 0, after: row(2), limit: 2 });
    agenda.read(page([row(3), row(50)], row(50)), 10, take);
    assert.deepEqual(taken, [1, 2, 3]);
    assert.equal(agenda.nextRead(), undefined);
    assert.equal(agenda.nextWake(), 50);
    agenda.wake(50);
    assert.deepEqual(agenda.nextRead(), { kind: 'readAgenda', partition: 0, after: row(3), limit: 2 });
  });

  test('what cannot be taken is read again from there', () => {
    const agenda = reader();
    agenda.start(0);
    agenda.nextRead();
    agenda.read(page([row(1), row(2)], row(2)), 10, ({ dueAt }) => dueAt < 2);
    assert.deepEqual(agenda.nextRead(), { kind: 'readAgenda', partition: 0, after: row(1), limit: 2 });
  });

  test('a sweep from the beginning once a minute', () => {
    const agenda = reader();
    agenda.start(0);
    agenda.nextRead();
    agenda.read(page([row(1)]), 10, () => true);
    assert.equal(agenda.nextWake(), 60_000);
    agenda.wake(60_000);
    assert.deepEqual(agenda.nextRead(), { kind: 'readAgenda', partition: 0, after: undefined, limit: 2 });
  });

  test('a sweep when asked', () => {
    const agenda = reader();
    agenda.start(0);
    agenda.nextRead();
    agenda.read(page([row(1)]), 10, () => true);
    agenda.sweep(20);
    assert.deepEqual(agenda.nextRead(), { kind: 'readAgenda', partition: 0, after: undefined, limit: 2 });
  });

  test('what was taken and lost is named again before the sweep, once, and only when there is room', () => {
    const agenda = reader();
    agenda.start(0);
    agenda.nextRead();
    agenda.lost(0);
    agenda.read(page([row(1)]), 10, () => true);
    assert.equal(agenda.nextRead(), undefined);
    agenda.recover(20);
    assert.deepEqual(agenda.nextRead(), { kind: 'readAgenda', partition: 0, after: undefined, limit: 2 });
    agenda.read(page([row(1)]), 20, () => true);
    agenda.recover(30);
    assert.equal(agenda.nextRead(), undefined);
    assert.equal(agenda.nextWake(), 60_020);
  });

  test('an answer to no question is ignored', () => {
    const agenda = reader();
    agenda.start(0);
    agenda.read(page([row(1)]), 10, () => assert.fail('taken'));
    agenda.nextRead();
    agenda.read(page([]), 10, () => true);
    agenda.read(page([row(1)]), 10, () => assert.fail('taken'));
  });
});
