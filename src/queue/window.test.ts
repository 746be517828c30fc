import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryOf, recipientOf } from '../../test/lib/entries.ts';
import { costOf, tenantOf, Window } from './window.ts';

test('an entry is in the window once, and its octets are counted in and out', () => {
  const window = new Window();
  const entry = entryOf({ tenant: 'shop' });
  const waiting = window.add(entry, 'admitted');
  assert.throws(() => window.add(entry, 'ready'), /in the window already/);
  assert.equal(window.octets, costOf(entry));
  assert.equal(window.octetsOf('shop'), costOf(entry));
  window.remove(waiting);
  window.remove(waiting);
  assert.deepEqual([window.size, window.octets, window.octetsOf('shop')], [0, 0, 0]);
});

test('the cost follows recipients and the length of what is kept', () => {
  const one = costOf(entryOf());
  const hundred = costOf(
    entryOf({ recipients: Array.from({ length: 100 }, (_, i) => recipientOf(`r${i}@a.test`, i)) }),
  );
  assert.ok(hundred > 20 * one);
  assert.ok(costOf(entryOf({ lastReply: 'x'.repeat(1000) })) >= one + 1000);
});

test('the tenant of a queue name', () => {
  assert.equal(tenantOf(entryOf({ campaign: 'c:1', tenant: 'a@b' }).queue), 'a%40b');
  assert.equal(tenantOf(entryOf().queue), '');
});
