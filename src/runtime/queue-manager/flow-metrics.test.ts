import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delivered, entryOf, recipientOf, undelivered } from '../../../test/lib/entries.ts';
import { mergedText, snapshot } from '../../observe/metrics.ts';
import { countAccepted, countDisposition, showQueue } from './flow-metrics.ts';

async function value(series: string): Promise<number> {
  const text = await mergedText([await snapshot()]);
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  assert.ok(line !== undefined, `${series} is not there:\n${text}`);
  return Number(line.slice(series.length));
}

test('messages and recipients that were taken are counted', async () => {
  const recipients = [recipientOf('a@x.test'), recipientOf('b@x.test', 1)];
  countAccepted([entryOf({ recipients }), entryOf()]);
  assert.equal(await value('postrider_messages_accepted_total'), 1);
  assert.equal(await value('postrider_recipients_accepted_total'), 3);
});

test('each recipient is counted with its fate, and mail that is thrown away is no delivery', async () => {
  const entry = entryOf({ acceptedAt: 1000 });
  const [recipient] = entry.recipients;
  const nothing = { remove: [], put: [], notices: [] };
  const over = [{ recipient: recipient!, kind: 'delivered' as const, outcome: delivered() }];
  const deferred = [
    {
      recipients: [recipient!, recipient!],
      reason: 'transient' as const,
      nextAt: 5,
      outcome: undelivered({ scope: 'site' }),
    },
  ];
  countDisposition({ ...nothing, over, deferred }, { entry, dropped: false, now: 4000 });
  countDisposition({ ...nothing, over, deferred: [] }, { entry, dropped: true, now: 4000 });
  assert.equal(await value('postrider_recipients_over_total{fate="delivered"}'), 1);
  assert.equal(await value('postrider_recipients_over_total{fate="dropped"}'), 1);
  assert.equal(await value('postrider_deferrals_total{scope="site"}'), 2);
  assert.equal(await value('postrider_delivery_seconds_sum'), 6);
});

test('the queue is shown as it is when somebody asks', async () => {
  showQueue(
    { messages: 2, entries: 3, freeOctets: 4, usedOctets: 5, reusableOctets: 6, readerLag: 7 },
    { entries: 1, inFlight: 6, slots: 9, idleSlots: 2, sites: 7 },
  );
  assert.equal(await value('postrider_queue_entries'), 3);
  assert.equal(await value('postrider_connections_out{state="busy"}'), 7);
  assert.equal(await value('postrider_connections_out{state="idle"}'), 2);
});
