import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { DirectoryAdministration } from '../directory/administration.ts';
import { dkimRecord } from '../directory/domain-records.ts';
import { openSqliteDirectory } from '../directory/sqlite/sqlite-directory.ts';
import { DAY, HOUR } from '../lib/time.ts';
import { type Resolver } from '../ports/resolver.ts';
import { moveKeysOn } from './key-rotation.ts';

const folder = mkdtempSync(join(tmpdir(), 'rotation-'));
after(() => rmSync(folder, { recursive: true }));
let made = 0;

async function world() {
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
        longestWait: () => 5 * DAY,
        removed: async (key) => void gone.push(key.selector),
      },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      switchKeys: async (domain) => administration.switchKeys(domain),
    });
  const states = (): string[] =>
    store.keys().map(({ selector, state, algorithm }) => `${selector} ${algorithm[0]} ${state}`);
  return { store, clock, administration, publish, step, states, gone };
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
