/** Reports from notices: one for all, none twice, none lost, whatever goes wrong on the way. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { testKey, verifySignatures } from '../../../test/lib/dkim.ts';
import { until } from '../../../test/lib/wait.ts';
import { entryOf, recipientOf } from '../../../test/lib/entries.ts';
import { address, messageOf, type Parts, queueParts, turns } from '../../../test/lib/queue-parts.ts';
import { DsnBudget } from '../../bounce/budget.ts';
import { HOUR, MINUTE, SECOND } from '../../lib/time.ts';
import { type Entry } from '../../mail/entry.ts';
import { type Notice } from '../../mail/notice.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import { Signer } from '../../receive/signer.ts';
import { readSigningKey } from '../../receive/signing-keys.ts';
import { idOf } from '../../spool/spool.fixtures.contract.ts';
import { MemorySpool } from '../../spool/memory/memory-spool.ts';
import { Teller } from './teller.ts';

interface World extends Parts {
  readonly teller: Teller;
  readonly accepted: Entry[];
  /** Reports in the spool, and the failed recipients that each tells of. */
  readonly reports: () => Promise<readonly { readonly to: string; readonly text: string }[]>;
  readonly left: () => Promise<number>;
}

function world({ perHour = 100 } = {}, spool = new MemorySpool()): World {
  const parts = queueParts(spool);
  parts.settings = {
    ...parts.settings,
    entriesOf: ({ id }, recipients) => [entryOf({ id: `${id}/0`, routingDomain: 'sender.test', recipients })],
  };
  const accepted: Entry[] = [];
  let count = 500_000;
  const nextId = (): QueueId => idOf((count += 1));
  const budget = new DsnBudget({ perHour, maxSenders: 100 });
  const teller = new Teller({
    ...parts.context,
    budget,
    nextId,
    accepted: (entries) => void accepted.push(...entries),
  });
  const reports: World['reports'] = async () => {
    const found = [];
    for (const { message, recipients } of (await spool.entries(undefined, 1000)).rows) {
      const content = await spool.content(message);
      if (!(await spool.message(message))?.report || content?.kind !== 'octets') continue;
      found.push({ to: recipients[0]!.forwardPath.localPart, text: Buffer.from(content.octets).toString() });
    }
    return found;
  };
  const left = async (): Promise<number> => (await spool.notices(undefined, 1000)).rows.flat().length;
  return Object.assign(parts, { teller, accepted, reports, left });
}

function notice(n: number, index: number, at: number): Notice {
  return {
    ...{ message: idOf(n), recipientIndex: index, recipient: recipientOf(`r${index}@far.test`, index), at },
    ...{ action: 'failed', status: '5.1.1', diagnostic: '550 5.1.1 no', remoteMta: 'mx', willRetryUntil: undefined },
  };
}

interface How {
  readonly open?: boolean;
  readonly from?: string;
}

/** A message of which these recipients have failed; `open`: another one still waits. */
async function failed(w: World, n: number, indexes: readonly number[], how: How = {}): Promise<void> {
  const { open = false, from } = how;
  const entry = entryOf({ id: `${idOf(n)}/0` });
  await w.spool.accept([messageOf([entry], from === undefined ? {} : { from })], 1);
  const notices = indexes.map((index) => notice(n, index, w.clock.now()));
  await w.settler.settle({ notices, remove: open ? [] : [entry.id] });
}

async function pass(w: World, duration = 0): Promise<void> {
  w.clock.advance(duration);
  await turns(20);
}

describe('a report', () => {
  test('tells of all that failed, in one, and what it tells of is settled with it', async () => {
    const w = world();
    await failed(w, 1, [0, 1, 2]);
    w.teller.poke();
    await pass(w);
    const reports = await w.reports();
    assert.deepEqual(
      reports.map(({ to }) => to),
      ['ann'],
    );
    for (const r of ['r0', 'r1', 'r2']) assert.match(reports[0]!.text, new RegExp(`${r}@far\\.test`));
    assert.equal(await w.left(), 0);
    assert.equal(w.accepted.length, 1);
    assert.equal(await w.spool.message(idOf(1)), undefined);
    await pass(w, 2 * HOUR);
    assert.equal((await w.reports()).length, 1);
  });

  test('waits a minute while others of the message are open', async () => {
    const w = world();
    await failed(w, 1, [0], { open: true });
    w.teller.poke();
    await pass(w);
    assert.equal((await w.reports()).length, 0);
    await pass(w, MINUTE + SECOND);
    assert.equal((await w.reports()).length, 1);
  });

  test('waits no longer than the last of the message is open', async () => {
    const w = world();
    await failed(w, 1, [0], { open: true });
    await failed(w, 2, [0], { open: true });
    w.teller.poke();
    await pass(w);
    await w.settler.settle({ remove: [`${idOf(1)}/0`] });
    w.teller.over(idOf(3));
    await pass(w, 2 * SECOND);
    assert.equal((await w.reports()).length, 0, 'nobody waited for that');
    w.teller.over(idOf(1));
    await pass(w, 2 * SECOND);
    assert.equal((await w.reports()).length, 1);
    w.teller.over(idOf(2));
    await pass(w, 2 * SECOND);
    assert.equal((await w.reports()).length, 1, 'one of it is open still');
    await pass(w, MINUTE);
    assert.equal((await w.reports()).length, 2);
  });

  test('tells of a thousand, and the others get another one', async () => {
    const w = world();
    await failed(
      w,
      1,
      Array.from({ length: 1001 }, (_, i) => i),
    );
    w.teller.poke();
    await pass(w);
    assert.equal(await w.left(), 1);
    await pass(w, 10 * SECOND);
    assert.equal(await w.left(), 0);
    assert.equal((await w.reports()).length, 2);
  });

  test('about mail without a sender goes to the postmaster, and about that to nobody', async () => {
    const w = world();
    await failed(w, 1, [0], { from: '' });
    w.teller.poke();
    await pass(w);
    assert.deepEqual(
      (await w.reports()).map(({ to }) => to),
      ['postmaster'],
    );
    const [report] = w.accepted;
    const postmaster = { ...recipientOf('postmaster@us.test'), forwardPath: address('postmaster@us.test') };
    await w.settler.settle({
      remove: [report!.id],
      notices: [{ ...notice(1, 0, w.clock.now()), message: report!.message, recipient: postmaster }],
    });
    w.teller.poke();
    await pass(w, 2 * SECOND);
    assert.deepEqual([await w.left(), (await w.reports()).length], [0, 0]);
    assert.equal((await w.spool.figures()).messages, 0);
  });
});

describe('what goes wrong', () => {
  test('a crash before the commit loses nothing: the next run makes the report, once', async () => {
    const spool = new MemorySpool();
    const w = world({}, spool);
    await failed(w, 1, [0]);
    const { settle } = spool;
    spool.settle = () => new Promise(() => undefined); // The process dies here.
    w.teller.poke();
    await pass(w);
    spool.settle = settle;
    const again = world({}, spool);
    again.teller.poke();
    await pass(again);
    assert.equal((await again.reports()).length, 1);
    assert.equal(await again.left(), 0);
  });

  test('content that cannot be read is left out of the report', async () => {
    const w = world();
    await failed(w, 1, [0]);
    const content = w.spool.content.bind(w.spool);
    w.spool.content = async (id) => (id === idOf(1) ? { kind: 'file', path: '/nonexistent', octets: 9 } : content(id));
    w.teller.poke();
    // The file is looked for on the disk, which takes its time.
    await until('the report', async () => {
      await pass(w);
      return (await w.reports()).length === 1;
    });
    assert.ok(
      w.logged.some((line) => line.includes('cannot be read')),
      w.logged.join('\n'),
    );
    assert.deepEqual(w.broken, []);
  });

  test('a report that cannot be made is kept for later, and the others are told', async () => {
    const w = world();
    await failed(w, 1, [0]);
    await failed(w, 2, [0]);
    const message = w.spool.message.bind(w.spool);
    let healed = false;
    w.spool.message = async (id) => {
      const found = await message(id);
      // What no parser would have let in.
      return found === undefined || healed || id !== idOf(1) ? found : { ...found, envelope: undefined as never };
    };
    w.teller.poke();
    await pass(w);
    assert.deepEqual([(await w.reports()).length, await w.left(), w.broken.length], [1, 1, 0]);
    w.teller.poke();
    await pass(w, 2 * SECOND);
    assert.equal(w.logged.filter((line) => line.includes('could not be made')).length, 1);
    healed = true;
    await pass(w, HOUR);
    assert.deepEqual([(await w.reports()).length, await w.left()], [2, 0]);
  });

  test('notices without a message are dropped with a word', async () => {
    const w = world();
    await failed(w, 1, [0]);
    w.spool.message = async () => undefined;
    w.teller.poke();
    await pass(w);
    assert.equal(await w.left(), 0);
    assert.ok(w.logged.some((line) => line.includes('without a message')));
  });

  test('a store that fails ends the process', async () => {
    const w = world();
    w.spool.notices = () => Promise.reject(new Error('EIO'));
    w.teller.poke();
    await pass(w);
    assert.equal(w.broken.length, 1);
  });
});

describe('a sender with too many reports', () => {
  test('gets one summary of the others when the hour is over', async () => {
    const w = world({ perHour: 2 });
    for (let n = 1; n <= 5; n += 1) await failed(w, n, [0]);
    w.teller.poke();
    await pass(w);
    assert.deepEqual([(await w.reports()).length, await w.left()], [2, 0]);
    await pass(w, HOUR + SECOND);
    const reports = await w.reports();
    assert.equal(reports.length, 3);
    assert.ok(reports.some(({ text }) => text.includes('Summary of 3 delivery reports')));
  });

  test('gets it at a stop, since nobody would remember; and nothing is begun after it', async () => {
    const w = world({ perHour: 1 });
    for (let n = 1; n <= 3; n += 1) await failed(w, n, [0]);
    w.teller.poke();
    await pass(w);
    await w.teller.close();
    assert.equal((await w.reports()).length, 2);
    await failed(w, 9, [0]);
    w.teller.poke();
    await pass(w, HOUR);
    assert.equal(await w.left(), 1);
  });
});

describe('a report of a domain with keys', () => {
  const RSA = testKey('rsa');
  const form = { canonicalization: { header: 'relaxed', body: 'relaxed' }, fields: [] } as const;

  function signing(w: World, keyIsThere: () => boolean): void {
    const key = readSigningKey({ domain: 'us.test', selector: 'a', algorithm: 'rsa-sha256', privateKey: RSA.pem });
    assert.ok(key.ok);
    const rule = { matches: () => true, domains: ['us.test'], sign: true, ...form };
    const settings = { rules: [rule], form, expireAfter: undefined };
    const signers = {
      with: new Signer({ ...settings, keys: [key.value] }),
      without: new Signer({ ...settings, keys: [] }),
    };
    const signer = {
      sign: (octets: Buffer, now: number) => signers[keyIsThere() ? 'with' : 'without'].sign(octets, now),
    };
    w.settings = { ...w.settings, signer: signer as Signer };
  }

  test('is signed', async () => {
    const w = world();
    signing(w, () => true);
    await failed(w, 1, [0]);
    w.teller.poke();
    await pass(w);
    const [report] = await until('the report', async () => {
      const reports = await w.reports();
      return reports.length > 0 && reports;
    });
    const results = verifySignatures(Buffer.from(report!.text), () => RSA.publicKey).map(({ result }) => result);
    assert.deepEqual(results, ['pass']);
  });

  test('is not sent unsigned: it waits until it can be signed', async () => {
    const w = world();
    let there = false;
    signing(w, () => there);
    await failed(w, 1, [0]);
    w.teller.poke();
    await pass(w);
    assert.deepEqual([(await w.reports()).length, await w.left()], [0, 1]);
    assert.deepEqual(w.logged, ['error: a delivery report could not be signed']);
    there = true;
    await pass(w, HOUR);
    await until('the report', async () => (await w.reports()).length === 1);
    assert.equal(await w.left(), 0);
  });

  test('is sent unsigned if it is a summary, of which nothing is kept', async () => {
    const w = world({ perHour: 1 });
    for (let n = 1; n <= 3; n += 1) await failed(w, n, [0]);
    w.teller.poke();
    await pass(w);
    signing(w, () => false);
    await w.teller.close();
    const reports = await w.reports();
    assert.equal(reports.length, 2);
    assert.ok(reports.some(({ text }) => text.includes('Summary of 2 delivery reports') && !text.includes('DKIM')));
  });
});
