import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mailOf } from './mountain.ts';

const SHAPE = { messages: 20_000, domains: 500, largest: 40, overdue: 30, campaigns: 1000 };
const NOW = 1_700_000_000_000;
const mails = Array.from({ length: SHAPE.messages }, (_, n) => mailOf(SHAPE, n, NOW));

function shareOf(matches: (mail: (typeof mails)[number]) => boolean): number {
  return mails.filter(matches).length / SHAPE.messages;
}

function near(share: number, wanted: number): void {
  assert.ok(Math.abs(share - wanted) < 0.02, `${share} is not about ${wanted}`);
}

describe('a mountain of mail', () => {
  test('has the shares that were asked for', () => {
    near(
      shareOf(({ to }) => to.endsWith('@d0.mountain.test')),
      0.4,
    );
    near(
      shareOf(({ entry }) => entry?.lane === 'deferred'),
      0.3,
    );
    for (const name of ['transactional', 'normal', 'bulk'])
      near(
        shareOf((mail) => mail.class === name),
        1 / 3,
      );
  });

  test('goes to all domains, of all campaigns', () => {
    assert.equal(new Set(mails.map(({ to }) => to.slice(to.indexOf('@')))).size, SHAPE.domains);
    assert.equal(new Set(mails.map(({ campaign }) => campaign)).size, SHAPE.campaigns);
  });

  test('is due, and each message has a number', () => {
    assert.ok(mails.every(({ entry }) => (entry?.dueAt ?? NOW) < NOW));
    assert.ok(mails.every(({ to }, n) => Number.parseInt(to, 10) === n));
  });

  test('is the same each time', () => {
    assert.deepEqual(
      Array.from({ length: 100 }, (_, n) => mailOf(SHAPE, n, NOW)),
      mails.slice(0, 100),
    );
  });
});
