/** The parent over working processes that are scripts: each run does the next thing that the test wrote down. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { describe, test, type TestContext } from 'node:test';
import { until } from '../../test/lib/wait.ts';

interface Run {
  readonly parent: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** What the working processes have noted, a line each. */
  readonly notes: () => Promise<readonly string[]>;
  /** What the parent logged as errors. */
  readonly errors: () => Promise<readonly string[]>;
}

/** `scripts`: what the first, the second, … working process does; the last one is repeated. */
async function run(t: TestContext, scripts: readonly string[]): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), 'parent-'));
  const notes = join(folder, 'notes');
  const errors = join(folder, 'errors');
  for (const file of [notes, errors]) await writeFile(file, '');
  const child = join(folder, 'child.mjs');
  await writeFile(
    child,
    `import { appendFileSync, readFileSync } from 'node:fs';
     const note = (text) => appendFileSync(${JSON.stringify(notes)}, text + '\\n');
     const scripts = ${JSON.stringify(scripts)};
     const before = readFileSync(${JSON.stringify(notes)}, 'utf8').split('\\n').filter((line) => line === 'started').length;
     note('started');
     const stay = () => setInterval(() => undefined, 1000);
     const ready = () => process.send('ready');
     await eval('(async () => {' + scripts[Math.min(before, scripts.length - 1)] + '})()');`,
  );
  const main = join(folder, 'main.mjs');
  await writeFile(
    main,
    `import { runParent } from ${JSON.stringify(new URL('parent.ts', import.meta.url).href)};
     import { appendFileSync } from 'node:fs';
     const error = (text) => appendFileSync(${JSON.stringify(errors)}, text + '\\n');
     const log = { error, warn: () => undefined, info: () => undefined };
     let now = 0;
     const clock = { monotonic: () => (now += 1000) };
     // Whoever waits for 7 s and the margin waits for nothing; all others wait for ever.
     const timers = { after: (delay, wake) => (delay === 17_000 && wake(), { cancel: () => undefined }) };
     const code = await runParent({ workingArguments: [], log, clock, timers, script: ${JSON.stringify(child)} });
     process.exit(code);`,
  );
  const parent = spawn(process.execPath, [main], { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise<Awaited<Run['ended']>>((resolve) => {
    parent.once('exit', (code, signal) => resolve({ code, signal }));
  });
  t.after(async () => {
    parent.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true });
  });
  const linesOf = async (file: string): Promise<readonly string[]> =>
    (await readFile(file, 'utf8')).trimEnd().split('\n');
  return { parent, ended, notes: () => linesOf(notes), errors: () => linesOf(errors) };
}

async function noted({ notes }: Run, what: string, times = 1): Promise<void> {
  await until(`${times} times ${what}`, async () => (await notes()).filter((line) => line === what).length >= times);
}

describe('the parent ends', { concurrency: true }, () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ['with the working process when that ends in good order', 'ready(); process.exit(0)', 0],
    ['with its code when it never came up: that is for a person to see', 'process.exit(74)', 74],
    ['when the configuration is wrong', 'process.exit(78)', 78],
    ['when the first start throws', 'throw new Error("no")', 1],
  ];
  for (const [name, script, code] of cases)
    test(name, async (t) => {
      const r = await run(t, [script]);
      assert.deepEqual(await r.ended, { code, signal: null });
      assert.equal((await r.notes()).length, 1);
    });
});

describe('a working process that dies', { concurrency: true }, () => {
  for (const [name, death] of [
    ['because its store broke', 'process.exit(74)'],
    ['by a signal', 'process.kill(process.pid, "SIGKILL"); stay()'],
  ] as const)
    test(`${name} is started again`, async (t) => {
      const r = await run(t, [`ready(); setTimeout(() => { ${death} }, 50)`, 'ready(); process.exit(0)']);
      assert.deepEqual(await r.ended, { code: 0, signal: null });
      assert.equal((await r.notes()).length, 2);
    });

  test('and says so, but does not get out, is ended and started again', async (t) => {
    const r = await run(t, [
      'ready(); setTimeout(() => { process.send("ending"); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) }, 50)',
      'ready(); process.exit(0)',
    ]);
    assert.deepEqual(await r.ended, { code: 0, signal: null });
    assert.equal((await r.notes()).length, 2);
  });

  for (const [name, code] of [
    ['before it was up, but after an earlier one was', 1],
    ['since a file is gone or the configuration wrong, after an earlier one was up', 78],
  ] as const)
    test(`${name}, is started again`, async (t) => {
      const scripts = ['ready(); setTimeout(() => process.exit(74), 50)', `process.exit(${code})`, 'process.exit(0)'];
      const r = await run(t, scripts);
      assert.deepEqual(await r.ended, { code: 0, signal: null });
      assert.equal((await r.notes()).length, 3);
    });
});

describe('signals', { concurrency: true }, () => {
  test('to stop are passed on, and the end that follows is the end', async (t) => {
    const r = await run(t, [
      'process.on("SIGTERM", () => { note("stopping"); process.exit(0) }); ready(); note("up"); stay()',
    ]);
    await noted(r, 'up');
    r.parent.kill('SIGTERM');
    assert.deepEqual(await r.ended, { code: 0, signal: null });
    assert.deepEqual(await r.notes(), ['started', 'up', 'stopping']);
  });

  test('to stop, a second time, end a process that does not get out', async (t) => {
    const r = await run(t, ['process.on("SIGTERM", () => note("stopping")); ready(); note("up"); stay()']);
    await noted(r, 'up');
    r.parent.kill('SIGTERM');
    await noted(r, 'stopping');
    r.parent.kill('SIGINT');
    assert.deepEqual(await r.ended, { code: 1, signal: null });
    assert.match((await r.errors()).join(), /told to stop a second time/);
  });

  test('to stop end a process that does not get out, when its time is over', async (t) => {
    const r = await run(t, [
      'process.on("SIGTERM", () => undefined); process.send({ drainTime: 7000 }); ready(); stay(); setTimeout(() => note("up"), 50)',
    ]);
    await noted(r, 'up');
    r.parent.kill('SIGTERM');
    assert.deepEqual(await r.ended, { code: 1, signal: null });
    assert.match((await r.errors()).join(), /the stop does not end/);
  });

  test('are not needed to end a process that stops by itself and does not get out', async (t) => {
    const r = await run(t, ['process.send({ drainTime: 7000 }); ready(); process.send("stopping"); stay()']);
    assert.deepEqual(await r.ended, { code: 1, signal: null });
  });

  test('to stop end a process that is still starting, and it is not started again', async (t) => {
    const r = await run(t, ['note("starting"); stay()']);
    await noted(r, 'starting');
    r.parent.kill('SIGTERM');
    assert.deepEqual(await r.ended, { code: 0, signal: null });
    assert.deepEqual(await r.notes(), ['started', 'starting']);
  });

  test('to reload do not kill a process that is still starting: it hears of them when it is up', async (t) => {
    const r = await run(t, [
      `note("starting"); stay();
       process.on("SIGTERM", () => process.exit(0));
       setTimeout(() => { process.on("SIGHUP", () => note("reloading")); ready() }, 300)`,
    ]);
    await noted(r, 'starting');
    r.parent.kill('SIGHUP');
    await noted(r, 'reloading');
    r.parent.kill('SIGHUP');
    await noted(r, 'reloading', 2);
    r.parent.kill('SIGTERM');
    assert.deepEqual(await r.ended, { code: 0, signal: null });
  });

  test('to stop end the wait before a restart', async (t) => {
    const r = await run(t, ['ready(); setTimeout(() => process.exit(1), 50)', 'setTimeout(() => process.exit(1), 1)']);
    await until('four deaths', async () => (await r.errors()).length >= 4);
    r.parent.kill('SIGTERM');
    assert.deepEqual(await r.ended, { code: 0, signal: null });
  });
});
