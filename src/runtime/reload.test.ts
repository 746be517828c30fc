/** A reload over threads that are scripted: everywhere or nowhere, whoever dies meanwhile. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Config, readConfig } from '../config/config.ts';
import { type ConfigSource } from './config-source.ts';
import { reload, type ReloadThread } from './reload.ts';

const WRITTEN = { hostname: 'us.test', listeners: [], routes: [{ name: 'mx', kind: 'mx' }] };

function configOf(changes: object = {}): Config {
  const read = readConfig({ ...WRITTEN, ...changes }, '/nonexistent');
  assert.ok(read.ok, JSON.stringify(read));
  return read.value;
}

type Asked = (method: string) => unknown;

interface FakeThread extends ReloadThread {
  readonly asked: string[];
  readonly ended: boolean;
}

function thread(answer: Asked = () => undefined): FakeThread {
  const asked: string[] = [];
  const fake = {
    ...{ asked, ended: false },
    ask: async (method: string) => {
      asked.push(method);
      return answer(method);
    },
    terminate: async () => {
      fake.ended = true;
    },
  };
  return fake;
}

/** Refuses one of the methods. */
const refuses =
  (what: string): Asked =>
  (method) => {
    if (method === what) throw new Error(`cannot ${what}`);
    return undefined;
  };

interface Scene {
  readonly queueManager?: FakeThread;
  readonly workers: FakeThread[];
  readonly written?: object;
  /** In force by an earlier reload. */
  readonly before?: object;
  readonly certificates?: () => Promise<{ certificate: string; key: string }>;
}

async function reloaded({ queueManager = thread(), workers, written = {}, before = {}, certificates }: Scene) {
  const taken: Config[] = [];
  const source: ConfigSource = { kind: 'value', written: { ...WRITTEN, ...written }, folder: '/nonexistent' };
  const answer = await reload({
    threads: {
      queueManager,
      get workers() {
        return workers.map((one) => ({ thread: one }));
      },
    },
    ...{ source, before: configOf(before), started: configOf(), taken: (config) => void taken.push(config) },
    certificatesOf: certificates ?? (async () => ({ certificate: '', key: '' })),
  });
  return { answer, taken, asked: workers.map(({ asked }) => asked.join(' ')), queueManager };
}

describe('a reload', () => {
  test('that everybody can follow is taken by everybody, the queue manager between the halves', async () => {
    const order: string[] = [];
    const noting = (name: string) => thread((method) => void order.push(`${name} ${method}`));
    const { answer, taken } = await reloaded({ workers: [noting('a'), noting('b')], queueManager: noting('q') });
    assert.equal(answer.result, 'swapped');
    assert.equal(taken.length, 1);
    assert.deepEqual(order, ['a prepare', 'b prepare', 'q reload', 'a swap', 'b swap']);
  });

  test('names the options that need a restart, and takes the others', async () => {
    const written = { queue: { memory: '64MiB' }, http: { port: 1234 }, softBounce: true };
    const { answer, taken } = await reloaded({ workers: [thread()], written });
    assert.deepEqual(answer.needsRestart, ['queue.memory', 'http']);
    assert.equal(taken[0]!.softBounce, true);
  });
});

describe('an option that needs a restart', () => {
  const needs = async (before: object, written: object): Promise<readonly string[]> =>
    (await reloaded({ workers: [thread()], before, written })).answer.needsRestart;

  test('is named again by each reload until there was one', async () =>
    assert.deepEqual(await needs({ workers: 2 }, { workers: 2 }), ['workers']));

  test('is named no more when it is put back to what runs', async () =>
    assert.deepEqual(await needs({ workers: 2 }, {}), []));
});

describe('a reload is taken by nobody, and what was prepared is given up,', () => {
  const nowhere = async (scene: Scene, problem: RegExp): Promise<void> => {
    const { answer, taken, asked } = await reloaded(scene);
    assert.equal(answer.result, 'kept');
    assert.match(answer.problems.join('\n'), problem);
    assert.deepEqual(taken, []);
    assert.ok(
      asked.every((methods) => !methods.includes('swap')),
      asked.join('; '),
    );
    assert.ok(scene.workers.every(({ ended }) => !ended));
  };

  test('when the configuration is wrong', () =>
    nowhere({ workers: [thread()], written: { hostname: 'not a name' } }, /hostname/));

  test('when a file that the configuration names cannot be read', () =>
    nowhere(
      { workers: [thread()], written: { deliver: { tls: { ca: 'none.pem' } } } },
      /^deliver\.tls\.ca: .*none\.pem/,
    ));

  test('when the certificates cannot be read', () =>
    nowhere({ workers: [thread()], certificates: () => Promise.reject(new Error('tls: no')) }, /tls: no/));

  test('when one worker cannot prepare', async () => {
    const workers = [thread(), thread(refuses('prepare')), thread()];
    await nowhere({ workers }, /cannot prepare/);
    assert.deepEqual(
      workers.map(({ asked }) => asked.join(' ')),
      ['prepare abandon', 'prepare abandon', 'prepare abandon'],
    );
  });

  test('when the queue manager cannot', async () => {
    const workers = [thread()];
    await nowhere({ workers, queueManager: thread(refuses('reload')) }, /cannot reload/);
    assert.deepEqual(workers[0]!.asked, ['prepare', 'abandon']);
  });
});

describe('a worker that dies', () => {
  test('before it swaps changes nothing for the others: its successor begins with the new configuration', async () => {
    const dead = thread(refuses('swap'));
    const { answer, taken, asked } = await reloaded({ workers: [thread(), dead] });
    assert.equal(answer.result, 'swapped');
    assert.equal(taken.length, 1);
    assert.equal(dead.ended, true);
    assert.equal(asked[0], 'prepare swap');
  });

  test('and whose successor began with the old configuration leaves one that follows', async () => {
    const workers = [thread()];
    const successor = thread();
    const queueManager = thread(() => void workers.splice(0, 1, successor));
    const { answer } = await reloaded({ workers, queueManager });
    assert.equal(answer.result, 'swapped');
    assert.deepEqual(successor.asked, ['prepare', 'swap']);
    assert.equal(successor.ended, false);
  });

  test('and whose successor is still starting leaves one that starts once more', async () => {
    const workers = [thread()];
    const successor = thread(refuses('prepare'));
    const queueManager = thread(() => void workers.splice(0, 1, successor));
    assert.equal((await reloaded({ workers, queueManager })).answer.result, 'swapped');
    assert.equal(successor.ended, true);
  });

  test('is no reason to fail when none is there at all', async () => {
    assert.equal((await reloaded({ workers: [] })).answer.result, 'swapped');
  });
});
