import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { characterOf, type Receivers } from './receivers.ts';
import { newMail, runTraffic } from './traffic.ts';
import { FastSink } from '../../test/lib/fast-sink.ts';

const MOUNTAIN = { messages: 1000, domains: 500, largest: 40, overdue: 30, campaigns: 10 };
const SITES = 100;

describe('traffic beside a mountain', () => {
  test('goes to sites that take it, to many domains', () => {
    const mails = Array.from({ length: 5000 }, (_, n) => newMail(MOUNTAIN, SITES, n));
    const domains = mails.map(({ to }) => Number(/@d(\d+)\./.exec(to)?.[1]));
    assert.ok(domains.every((domain) => characterOf(domain % SITES) === 'takes'));
    assert.equal(new Set(domains).size, MOUNTAIN.domains / 2);
  });

  test('sends one message for each that has arrived, with numbers of its own, until there were attempts enough', async () => {
    const product = new FastSink();
    const port = await product.listen();
    // Three of the mountain arrive by themselves; what is sent arrives too.
    const receivers: Receivers = {
      ...{ port: 0, dns: '', stop: () => undefined },
      arrived: async () => ({ delivered: 3 + product.copies.length, twice: 0, refused: 2, firstAt: 0, lastAt: 0 }),
    };
    const { accepted, refused } = await runTraffic({
      mountain: MOUNTAIN,
      sites: SITES,
      port,
      receivers,
      attempts: 12,
    });
    await product.close();
    assert.ok(accepted >= 7 && accepted <= 9, `${accepted} were sent`);
    assert.equal(refused, 0);
    const numbers = product.copies.map(({ recipient }) => Number.parseInt(recipient, 10));
    assert.deepEqual(
      numbers.toSorted((a, b) => a - b),
      Array.from({ length: accepted }, (_, n) => MOUNTAIN.messages + n),
    );
  });
});
