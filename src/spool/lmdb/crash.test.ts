/** A process is killed at any moment: whatever it acknowledged is there, whole, and what it ended is gone. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { idOf, laneOf, entry, Reader } from '../spool.fixtures.contract.ts';
import { checkSpool } from './maintenance.ts';
import { type Scratch, scratch } from './scratch.contract.ts';

const CHILD = fileURLToPath(new URL('crash-child.contract.ts', import.meta.url));
const KILLS = 24;
/** Numbers of messages that a life has for itself. */
const LIFE = 100_000;

/** What one life acknowledged, by message. */
async function liveAndDie(
  folder: string,
  from: number,
  { calls, milliseconds }: { readonly calls: number; readonly milliseconds: number },
): Promise<Map<number, string>> {
  const child = spawn(process.execPath, [CHILD, folder, String(from)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8');
  const ready = Promise.withResolvers<void>();
  child.stdout.on('data', (text: string) => {
    said += text;
    // Its first line says that it is there.
    if (said.split('\n').length > calls + 1) ready.resolve();
  });
  const closed = once(child, 'close');
  await Promise.race([ready.promise, closed]);
  await sleep(milliseconds);
  child.kill('SIGKILL');
  await closed;
  assert.equal(child.signalCode, 'SIGKILL', 'the child ended by itself');
  // The last line may be cut; `writeSync` to a pipe of less than a page is not.
  const lines = said.split('\n').slice(0, -1);
  return new Map(lines.slice(1).map((line) => [Number(line.split(' ')[1]), line.split(' ')[0] ?? '']));
}

async function verify(here: Scratch, acknowledged: ReadonlyMap<number, string>): Promise<void> {
  const { problems } = await checkSpool(here.folder);
  // The one thing that a crash may leave: a content file that the sweep takes.
  assert.deepEqual(
    problems.filter((problem) => !problem.includes('belongs to no message')),
    [],
  );
  const spool = await here.open();
  const read = new Reader(() => spool, 1000);
  for (const [n, state] of acknowledged) {
    const octets = await read.octets(idOf(n));
    const [left] = await spool.entriesOf(idOf(n));
    if (state === 'ended') assert.equal(octets, undefined, `message ${n} has ended and is there`);
    // What was in flight when it died may have happened.
    else if (octets === undefined) assert.ok(n % 3 === 2, `message ${n}, ${state}, is lost`);
    else {
      assert.equal(octets.length, n % 10 === 0 ? 300 * 1024 : 3000);
      assert.ok(octets.toString().startsWith(`${n}.`));
      if (state === 'moved') assert.equal(left?.lane, 'deferred', `message ${n} was moved and is not`);
    }
  }
  const due = await read.due(laneOf(entry(`${idOf(0)}/0`, { lane: 'deferred' })));
  assert.deepEqual(
    due.map(({ dueAt }) => dueAt),
    due.map(({ dueAt }) => dueAt).sort((a, b) => a - b),
  );
  const { sequences } = await read.outbox();
  assert.deepEqual(
    sequences,
    sequences.map((_, i) => i + 1),
  );
  await spool.close();
  assert.deepEqual((await checkSpool(here.folder)).problems, []);
}

test('killed two dozen times, each time after a different while, nothing acknowledged is lost', async () => {
  const here = scratch();
  let acknowledged = 0;
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const lived = await liveAndDie(here.folder, kill * LIFE, { calls: 1 + (kill % 10), milliseconds: 3 + 2 * kill });
      acknowledged += lived.size;
      if (kill % 4 === 3 || kill === 0) await verify(here, lived);
    }
    assert.ok(acknowledged > 100, `only ${acknowledged} calls were acknowledged`);
  } finally {
    here.remove();
  }
});
