import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { entryOf } from '../../../test/lib/entries.ts';
import { messageOf, queueParts } from '../../../test/lib/queue-parts.ts';
import { type MessageStory, Refusal } from '../../api/contract.ts';
import { idOf } from '../../spool/spool.fixtures.contract.ts';
import { EntryLocks } from './entry-locks.ts';
import { QueueOperations } from './queue-admin.ts';
import { QueueChanges } from './queue-changes.ts';

async function world(count = 3) {
  const parts = queueParts();
  const locks = new EntryLocks();
  const nothing = (): undefined => undefined;
  let forgotten = 0;
  let story: MessageStory['events'] = [];
  const backups: string[] = [];
  const changes = new QueueChanges(parts.context, {
    ...{ locks, settled: nothing, rules: nothing, inFlightUnder: () => 0, noticed: nothing },
  });
  const operations = new QueueOperations({
    ...{ spool: parts.spool, changes, locks, forgetBackOffs: () => (forgotten += 1) },
    maintenance: {
      check: async () => ({ messages: 0, entries: 0, problems: [] }),
      backup: async (folder) => {
        if (folder === '/full') throw new Error('/full is not empty');
        backups.push(folder);
        return { messages: 0, files: 0 };
      },
    },
    story: async () => story,
  });
  for (let n = 1; n <= count; n += 1)
    await parts.spool.accept([messageOf([entryOf({ id: `${idOf(n)}/0`, dueAt: 9e12, sender: 'ann@sender.test' })])], 1);
  return Object.assign(parts, {
    ...{ locks, operations, backups, forgotten: () => forgotten },
    tellStory: (events: MessageStory['events']) => (story = events),
  });
}

const refused = (kind: Refusal['kind'], words: RegExp) => (error: unknown) =>
  error instanceof Refusal && error.kind === kind && words.test(error.message);

describe('a change', () => {
  test('of everything has to be said in so many words', async () => {
    const { operations } = await world();
    for (const change of ['retry', 'hold', 'release', 'remove'] as const) {
      await assert.rejects(async () => operations[change]({ select: {} }), refused('invalid', /whole queue/), change);
      await assert.rejects(async () => operations[change]({ select: { id: undefined } as never }), Refusal);
    }
    assert.deepEqual(await operations.retry({ select: {}, all: true }), { entries: 3, inFlight: 0 });
  });

  test('names what it is about, and nothing else is touched', async () => {
    const { operations, spool } = await world();
    assert.deepEqual(await operations.hold({ select: { id: idOf(2) }, by: 'me' }), { entries: 1, inFlight: 0 });
    const lanes = (await spool.entries(undefined, 10)).rows.map(({ lane }) => lane);
    assert.deepEqual(lanes, ['fresh', 'held', 'fresh']);
  });

  test('by flush also forgets what holds back the sites', async () => {
    const { operations, forgotten } = await world();
    assert.equal((await operations.flush({ select: {} })).entries, 3);
    assert.equal(forgotten(), 1);
  });
});

describe('a message', () => {
  test('is shown with its entries, and what is with a worker now is marked', async () => {
    const { operations, locks } = await world();
    locks.take(`${idOf(1)}/0`);
    const { message, entries } = await operations.message({ id: idOf(1) });
    assert.equal(message!.sender, 'ann@sender.test');
    assert.deepEqual(
      entries.map(({ inFlight }) => inFlight),
      [true],
    );
  });

  test('that is gone is known by its story, and not at all without one', async () => {
    const w = await world();
    await assert.rejects(w.operations.message({ id: idOf(9) }), refused('notFound', /nothing is known/));
    w.tellStory([{ kind: 'delivered' }] as unknown as MessageStory['events']);
    assert.deepEqual((await w.operations.message({ id: idOf(9) })).entries, []);
  });

  for (const id of ['', '../../etc/passwd', 'x'.repeat(1000), '\0', `${idOf(1)}/0`])
    test(`is not asked for by ${JSON.stringify(id.slice(0, 30))}`, async () => {
      const { operations } = await world();
      await assert.rejects(async () => operations.message({ id }), refused('invalid', /not a queue id/));
      await assert.rejects(async () => operations.content({ id }), refused('invalid', /not a queue id/));
    });

  test('gives its content, from memory or from a file, but not what nobody could look at', async (t) => {
    const { operations, spool } = await world();
    assert.match(Buffer.from(await operations.content({ id: idOf(1) })).toString(), /^Subject: one/);
    const folder = await mkdtemp(join(tmpdir(), 'content-'));
    t.after(() => rm(folder, { recursive: true }));
    const path = join(folder, 'content');
    await writeFile(path, 'large');
    spool.content = async () => ({ kind: 'file', path, octets: 5 });
    assert.equal(Buffer.from(await operations.content({ id: idOf(1) })).toString(), 'large');
    spool.content = async () => ({ kind: 'file', path, octets: 2 ** 40 });
    await assert.rejects(operations.content({ id: idOf(1) }), refused('invalid', /too large to show/));
    spool.content = async () => undefined;
    await assert.rejects(operations.content({ id: idOf(1) }), refused('notFound', /nothing is known/));
  });
});

describe('a list', () => {
  test('comes in pages', async () => {
    const { operations } = await world(5);
    const first = await operations.list({ limit: 3 });
    const second = await operations.list({ limit: 3, after: first.next! });
    assert.deepEqual([first.entries.length, second.entries.length, second.next], [3, 2, undefined]);
  });
});

describe('a suspension', () => {
  test('is listed, and ended by its id or its target', async () => {
    const { operations } = await world();
    const { rule } = await operations.suspend({ target: { domain: 'a.test' } });
    await operations.suspend({ target: { domain: 'b.test' }, by: 'me', reason: 'why', until: 9e12 });
    assert.equal((await operations.rules()).rules.length, 2);
    assert.equal((await operations.resume({ id: rule.id })).rules[0]!.target.domain, 'a.test');
    assert.equal((await operations.resume({ target: { domain: 'b.test' } })).rules[0]!.until, 9e12);
    await assert.rejects(operations.resume({ id: rule.id }), refused('notFound', /no such rule/));
    await assert.rejects(operations.resume({}), refused('invalid', /name the rule/));
  });
});

test('a backup goes to a folder that is named whole: the folder of the server is nobody’s meaning', async () => {
  const { operations, backups } = await world();
  for (const folder of ['copy', '../../copy', './copy', ''])
    await assert.rejects(operations.backup({ folder }), refused('invalid', /whole path/));
  await operations.backup({ folder: '/var/backups/spool' });
  assert.deepEqual(backups, ['/var/backups/spool']);
  await assert.rejects(operations.backup({ folder: '/full' }), refused('conflict', /\/full is not empty/));
});
