import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { entryOf, recipientOf } from '../../../test/lib/entries.ts';
import { type QueueFilter } from '../../api/contract.ts';
import { type EntryId } from '../../mail/entry.ts';
import { entryTest, onlyMessage } from './queue-filter.ts';

const entry = entryOf({
  ...{ id: 'm1/3' as EntryId, routingDomain: 'far.test', tenant: 'shop one', campaign: 'spring' },
  ...{ lane: 'deferred', reason: 'greylisted', sender: 'Ann@Sender.test' },
  recipients: [recipientOf('bob@far.test'), recipientOf('eve@other.test', 1)],
});

const cases: readonly (readonly [string, QueueFilter, boolean])[] = [
  ['nothing', {}, true],
  ['the entry', { id: 'm1/3' }, true],
  ['its message', { id: 'm1' }, true],
  ['another entry of the message', { id: 'm1/4' }, false],
  ['a message with a longer id', { id: 'm11' }, false],
  ['the sender, in any case', { sender: 'ann@sender.test' }, true],
  ["the sender's domain", { sender: 'sender.test' }, true],
  ['another sender', { sender: 'bob@sender.test' }, false],
  ['no sender', { sender: '<>' }, false],
  ['any of the recipients', { recipient: 'eve@other.test' }, true],
  ['a pattern of recipients', { recipient: '*@other.test' }, true],
  ['another recipient', { recipient: 'zed@far.test' }, false],
  ['the routing domain', { domain: 'FAR.test' }, true],
  ['the domain of a recipient', { domain: 'other.test' }, true],
  ['a domain that only ends alike', { domain: 'ar.test' }, false],
  ['the lane', { lane: 'deferred' }, true],
  ['another lane', { lane: 'held' }, false],
  ['the reason', { reason: 'greylisted' }, true],
  ['the whole queue', { queue: 'spring:shop%20one@far.test' }, true],
  ['a tenant', { queue: 'shop%20one' }, true],
  ['a tenant that is not encoded', { queue: 'shop one' }, true],
  ['a domain of queues', { queue: '@far.test' }, true],
  ['another campaign', { queue: 'autumn:@' }, false],
  ['what cannot be decoded', { queue: '%zz' }, false],
  ['all of several parts', { sender: 'sender.test', lane: 'deferred' }, true],
  ['all but one of several parts', { sender: 'sender.test', lane: 'fresh' }, false],
];

describe('an entry is meant by a filter that names', () => {
  for (const [name, filter, wanted] of cases)
    test(`${name}: ${wanted ? 'yes' : 'no'}`, () => {
      assert.equal(entryTest(filter)(entry), wanted);
    });
});

test('a bounce is found by its empty sender', () => {
  assert.equal(entryTest({ sender: '<>' })(entryOf()), true);
});

test('a filter by id names the only message that has to be read', () => {
  assert.deepEqual(
    [onlyMessage({ id: 'm1/3' }), onlyMessage({ id: 'm1' }), onlyMessage({ lane: 'held' })],
    ['m1', 'm1', undefined],
  );
});
