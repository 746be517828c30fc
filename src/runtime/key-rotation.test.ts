import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { recipientOf } from '../../test/lib/entries.ts';
import { messageOf } from '../../test/lib/queue-parts.ts';
import { type Config, readConfig } from '../config/config.ts';
import { DirectoryAdministration } from '../directory/administration.ts';
import { dkimRecord } from '../directory/domain-records.ts';
import { openSqliteDirectory } from '../directory/sqlite/sqlite-directory.ts';
import { DAY, HOUR } from '../lib/time.ts';
import { PRIORITY_CLASSES } from '../mail/priority-class.ts';
import { type Resolver } from '../ports/resolver.ts';
import { moveKeysOn } from './key-rotation.ts';
import { planOf } from './settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'rotation-'));
after(() => rmSync(folder, { recursive: true }));
let made = 0;

function configOf(queue: object = {}): Config {
  const read = readConfig({ hostname: 'mx.a.test', queue }, '/');
  if (!read.ok) throw new Error(read.problems.map(String).join());
  return read.value;
}

/** Its mail is tried once and is not for later. */
const NOT_LATER = configOf({ longestHold: '0s' });

async function world(config = NOT_LATER) {
  const store = openSqliteDirectory(join(folder, `${(made += 1)}.db`), 'write');
  const clock = { now: 1_000_000_000_000 };
  const administration = new DirectoryAdministration({ store, now: () => clock.now, changed: () => undefined });
  await administration.addDomain({ domain: 'a.test' });
  const gone: string[] = [];
  const dns = new Map<string, string>();
  const resolver: Resolver = {
    resolve: (name) => {
      const text = dns.get(name);
      const answer =
        text === undefined
          ? { kind: 'noName', ttl: 1, authenticated: false }
          : { kind: 'found', records: [text], ttl: 1, authenticated: false };
      return Promise.resolve(answer as never);
    },
  };
  const publish = (): void => {
    for (const key of store.keys()) dns.set(`${key.selector}._domainkey.a.test`, dkimRecord(key));
  };
  const step = (): Promise<void> =>
    moveKeysOn({
      ...{
        store,
        resolver,
        now: () => clock.now,
        queue: () => config.queue,
        removed: async (key) => void gone.push(key.selector),
      },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      switchKeys: async (domain) => administration.switchKeys(domain),
    });
  const states = (): string[] =>
    store.keys().map(({ selector, state, algorithm }) => `${selector} ${algorithm[0]} ${state}`);
  return { store, clock, administration, publish, step, states, gone, dns };
}

describe('a rotation', () => {
  test('switches when both records are seen, and forgets the old keys when no mail can be under way', async () => {
    const { clock, administration, publish, step, states, gone } = await world();
    await administration.rotate({ domain: 'a.test' });
    const waiting = states();
    assert.equal(waiting.filter((state) => state.endsWith('published')).length, 2);
    clock.now += 2 * HOUR;
    await step();
    assert.deepEqual(states(), waiting, 'nothing is in DNS yet');
    publish();
    await step();
    assert.equal(states().filter((state) => state.endsWith('signing')).length, 2);
    assert.equal(states().filter((state) => state.endsWith('retired')).length, 2);
    clock.now += 6 * DAY;
    await step();
    assert.equal(states().length, 4, 'mail may be waiting elsewhere still');
    clock.now += 2 * DAY;
    await step();
    assert.deepEqual(
      states().map((state) => state.split(' ')[2]),
      ['signing', 'signing'],
    );
    assert.equal(gone.length, 2, 'each is told of');
  });

  for (const [name, queue] of [
    ['as it is shipped', {}],
    ['with a class that is tried for long', { retry: { classes: { bulk: { giveUpAfter: '9d' } } } }],
    ['with a short time ahead', { longestHold: '2d' }],
  ] as const)
    test(`${name}: a key stays until the last message that it signed has been tried for the last time`, async () => {
      const config = configOf(queue);
      const { clock, administration, step, states } = await world(config);
      await administration.rotate({ domain: 'a.test' });
      administration.switchKeys('a.test');
      const end = lastEnd(config, clock.now);
      clock.now = end;
      await step();
      assert.equal(states().filter((state) => state.endsWith('retired')).length, 2);
      clock.now = end + 2 * DAY;
      await step();
      assert.equal(states().filter((state) => state.endsWith('retired')).length, 0);
    });

  test('does not switch to a key that verifiers would not use', async () => {
    const { clock, administration, publish, step, states, dns } = await world();
    await administration.rotate({ domain: 'a.test' });
    publish();
    for (const [name, text] of dns) dns.set(name, `${text}; h=sha1; s=tlsrpt`);
    clock.now += 2 * HOUR;
    await step();
    assert.equal(states().filter((state) => state.endsWith('published')).length, 2);
  });

  test('waits a while though the record is there', async () => {
    const { administration, publish, step, states } = await world();
    await administration.rotate({ domain: 'a.test' });
    publish();
    await step();
    assert.equal(states().filter((state) => state.endsWith('published')).length, 2);
  });

  test('one at a time', async () => {
    const { administration } = await world();
    await administration.rotate({ domain: 'a.test' });
    await assert.rejects(administration.rotate({ domain: 'a.test' }), /is being rotated/);
  });
});

/** When the last message expires that is signed now: of each class, handed in as far ahead as may be. */
function lastEnd(config: Config, now: number): number {
  const message = { ...messageOf([]), octets: 1 };
  const ends = PRIORITY_CLASSES.flatMap((priority) =>
    planOf(config)
      .entriesOf({ ...message, class: priority, acceptedAt: now, releaseAt: now + config.queue.longestHold }, [
        recipientOf('bob@b.test'),
      ])
      .map(({ expiresAt }) => expiresAt),
  );
  return Math.max(...ends);
}
