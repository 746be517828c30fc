import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { until } from '../../test/lib/wait.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { reply } from '../mail/reply.ts';
import { type PickupFile, type TakenIn } from '../receive/local-message.ts';
import { type Kept } from '../spool/spool.ts';
import { pickupId, pickupName, UNFINISHED } from '../wire/sendmail/pickup-name.ts';
import { Pickup, type PickupDeps } from './pickup.ts';

const base = mkdtempSync('/tmp/pickup-');
after(() => rmSync(base, { recursive: true, force: true }));
const NOW = Date.now();
let n = 0;

interface World {
  readonly pickup: Pickup;
  readonly drop: string;
  readonly bad: string;
  readonly taken: string[];
  readonly letGo: QueueId[];
  readonly told: string[];
  /** Files whose sender was told, and with what. */
  readonly refused: string[];
  /** What the timer that is set would do. */
  fire(): void;
  put(octets?: string): string;
  /** The driver has nothing left to do. */
  idle(): Promise<void>;
}

interface Options {
  readonly answer?: (file: PickupFile, times: number) => TakenIn | Promise<TakenIn>;
  readonly known?: (id: QueueId) => boolean;
  readonly kept?: (world: { readonly drop: string }) => readonly Kept[];
}

function world({ answer = () => ({ kind: 'accepted' }), known = () => false, kept = () => [] }: Options = {}): World {
  const folder = join(base, String(n++));
  const folders = { drop: join(folder, 'drop'), bad: join(folder, 'bad') };
  for (const each of Object.values(folders)) mkdirSync(each, { recursive: true });
  const [taken, letGo, told, refused]: [string[], QueueId[], string[], string[]] = [[], [], [], []];
  let timer: (() => void) | undefined;
  const tell = (text: string, fields?: object): void => void told.push(`${text} ${JSON.stringify(fields)}`);
  const deps: PickupDeps = {
    folders,
    log: { error: tell, warn: tell, info: tell },
    timers: {
      after: (_duration, run) => {
        timer = run;
        return { cancel: () => (timer = undefined) };
      },
    },
    now: () => NOW,
    takeIn: async (file) => {
      assert.equal(file.id, pickupId(file.path.slice(folders.drop.length + 1)));
      taken.push(file.path.slice(folders.drop.length + 1));
      return answer(file, taken.length);
    },
    tellRefused: async (file, why) => {
      assert.ok(existsSync(file.path));
      refused.push(`${file.path.slice(folders.bad.length + 1)} ${why.code}`);
      return { kind: 'accepted' };
    },
    isKnown: async (id) => known(id),
    letGo: async (ids) => void letGo.push(...ids),
    // Pages of one.
    kept: async (after) => {
      const all = kept(folders);
      const at = after === undefined ? 0 : all.findIndex(({ message }) => message === after) + 1;
      return { rows: all.slice(at, at + 1), next: at + 1 < all.length ? all[at]?.message : undefined };
    },
  };
  const pickup = new Pickup(deps);
  return {
    ...{ pickup, taken, letGo, told, refused, ...folders },
    fire: () => timer?.(),
    put: (octets = 'x') => {
      const secret = Buffer.alloc(16);
      secret.writeUInt32BE(n++);
      const name = pickupName(NOW, secret);
      writeFileSync(join(folders.drop, name), octets);
      return name;
    },
    idle: async () => {
      await until('the timer', async () => timer !== undefined);
      await pickup.stop();
    },
  } as World;
}

describe('the pickup folder', () => {
  test('what lies there at the start is taken, removed, and let go', async () => {
    const w = world();
    const names = [w.put(), w.put(), w.put()];
    await w.pickup.start();
    await until('three', async () => w.letGo.length === 3);
    await w.pickup.stop();
    assert.deepEqual([...w.taken].sort(), [...names].sort());
    assert.deepEqual([...w.letGo].sort(), names.map((name) => pickupId(name)!).sort());
    assert.deepEqual([readdirSync(w.drop), readdirSync(w.bad), w.told], [[], [], []]);
  });

  test('what comes later is taken too', async () => {
    const w = world();
    await w.pickup.start();
    w.put();
    await until('it to be taken', async () => w.letGo.length === 1);
    await w.pickup.stop();
  });

  test('a file whose message is known is only removed', async () => {
    const w = world({ known: () => true });
    const name = w.put();
    await w.pickup.start();
    await until('it to be let go', async () => w.letGo.length === 1);
    await w.pickup.stop();
    assert.deepEqual([w.taken, w.letGo, readdirSync(w.drop)], [[], [pickupId(name)], []]);
  });

  test('what cannot be taken now is tried again', async () => {
    const w = world({
      answer: (_file, times) => (times < 3 ? { kind: 'later', reason: '452 full' } : { kind: 'accepted' }),
    });
    const name = w.put();
    await w.pickup.start();
    await until('the first try', async () => w.taken.length === 1);
    for (const tries of [2, 3]) {
      await until('another try', async () => {
        w.fire();
        return w.taken.length >= tries;
      });
    }
    await until('it to be let go', async () => w.letGo.length === 1);
    await w.pickup.stop();
    assert.equal(w.told[0], 'messages from local users wait to be picked up {"files":1,"why":"452 full"}');
    assert.equal(w.taken[0], name);
  });

  test('a worker that dies over a file takes nothing away', async () => {
    const w = world({
      answer: (_file, times) =>
        times === 1 ? Promise.reject(new Error('the worker thread ended')) : { kind: 'accepted' },
    });
    w.put();
    await w.pickup.start();
    await until('the second try', async () => {
      w.fire();
      return w.letGo.length === 1;
    });
    await w.pickup.stop();
    assert.match(w.told[0] ?? '', /could not be picked up .*worker thread ended/);
  });

  test('what is no message is set aside, never over another, and told', async () => {
    const w = world({ answer: () => ({ kind: 'refused', reason: 'it is cut short' }) });
    const name = w.put('first');
    writeFileSync(join(w.bad, name), 'earlier');
    await w.pickup.start();
    await until('it to be set aside', async () => readdirSync(w.bad).length === 2);
    await w.pickup.stop();
    assert.deepEqual(readdirSync(w.bad).sort(), [name, `${name}.1`]);
    assert.deepEqual(readdirSync(w.drop), []);
    assert.match(w.told[0] ?? '', /set aside .*cut short/);
  });

  test('the sender of a message that is refused is told, once it is set aside', async () => {
    const why = reply(552, '5.3.4', 'too large');
    const w = world({ answer: () => ({ kind: 'refused', reason: '552 5.3.4 too large', reply: why }) });
    const name = w.put();
    await w.pickup.start();
    await until('it to be told', async () => w.refused.length === 1);
    await w.pickup.stop();
    assert.deepEqual([w.refused, readdirSync(w.drop), readdirSync(w.bad)], [[`${name} 552`], [], [name]]);
  });

  test('names that nobody gives are set aside unread; hidden ones are not looked at', async () => {
    const w = world();
    writeFileSync(join(w.drop, 'hello'), 'x');
    mkdirSync(join(w.drop, 'a folder'));
    writeFileSync(join(w.drop, `${UNFINISHED}1`), 'x');
    await w.pickup.start();
    await until('both to be set aside', async () => readdirSync(w.bad).length === 2);
    await w.pickup.stop();
    assert.deepEqual([w.taken, readdirSync(w.drop)], [[], [`${UNFINISHED}1`]]);
  });

  test('unfinished files go after a day', async () => {
    const w = world();
    const [old, young] = [join(w.drop, `${UNFINISHED}old`), join(w.drop, `${UNFINISHED}young`)];
    for (const path of [old, young]) writeFileSync(path, 'x');
    utimesSync(old, NOW / 1000 - 100_000, NOW / 1000 - 100_000);
    utimesSync(young, NOW / 1000 - 1000, NOW / 1000 - 1000);
    await w.pickup.start();
    await w.idle();
    assert.deepEqual([existsSync(old), existsSync(young)], [false, true]);
  });

  test('messages whose file is gone are let go at the start, others not', async () => {
    const w = world({
      kept: ({ drop }) => [
        { message: 'gone1' as QueueId, note: join(drop, 'none') },
        { message: 'here' as QueueId, note: drop },
        { message: 'gone2' as QueueId, note: join(drop, 'none', 'deeper') },
      ],
    });
    await w.pickup.start();
    assert.deepEqual(w.letGo, ['gone1', 'gone2']);
    await w.pickup.stop();
  });

  test('64 files are with workers at once, and a stop waits for them', async () => {
    const gate = Promise.withResolvers<void>();
    const w = world({ answer: () => gate.promise.then(() => ({ kind: 'accepted' })) });
    for (let i = 0; i < 100; i++) w.put();
    await w.pickup.start();
    await until('64', async () => w.taken.length === 64);
    const stopped = w.pickup.stop();
    gate.resolve();
    await stopped;
    assert.equal(w.letGo.length, w.taken.length);
    assert.ok(w.taken.length < 100, String(w.taken.length));
    assert.equal(readdirSync(w.drop).length, 100 - w.taken.length);
  });

  test('a folder that is gone is told, and looked at again', async () => {
    const w = world();
    rmSync(w.drop, { recursive: true });
    await w.pickup.start();
    await w.idle();
    assert.ok(
      w.told.some((line) => /cannot be read/.test(line)),
      w.told.join('\n'),
    );
  });
});
