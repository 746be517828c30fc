/** The benchmark itself, with very few messages: that it runs and that its figures are figures. What they say is not tested. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, test } from 'node:test';
import { type Report } from '../../bench/report.ts';
import { interopNeeds } from '../lib/debs.ts';
import { removeFolder, run, testFolder } from '../lib/processes.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const BENCH = join(ROOT, 'bench', 'bench.ts');
const SMALL = ['--repetitions', '1', '--messages', '50', '--connections', '20', '--mixed-backlog', '200'];

/** Of no server: what others take of the machine is not asked. */
const RSA_ALONE = 'rsa signature';

const ROWS: Readonly<Record<string, readonly string[]>> = {
  'drain-mixed': ['postrider'],
  signed: ['unsigned', 'rsa', 'ed25519', 'both', RSA_ALONE],
  submission: ['postrider', 'postrider, signed', 'ceiling'],
  'submission-pipelined': ['postrider', 'postrider, signed', 'ceiling'],
  'submission-accept': ['postrider', 'postrider, signed', 'ceiling'],
};

describe('npm run bench', { skip: await interopNeeds('postfix') }, () => {
  test('measures, prints a table and writes a file', async () => {
    const results = await testFolder('bench-results');
    try {
      const where = ['--build', 'dist', '--results', results, '--servers', 'postrider,ceiling'];
      const argv = [
        process.execPath,
        BENCH,
        'relay',
        'signed',
        'submission',
        'submission-pipelined',
        'submission-accept',
        'drain-mixed',
        'idle',
        ...SMALL,
        ...where,
      ] as const;
      const output = await run({ argv: [...argv], cwd: ROOT, env: { HOME: process.env['HOME'] ?? '/' } });
      const [file, ...others] = readdirSync(results);
      assert.deepEqual(others, []);
      const report = JSON.parse(readFileSync(join(results, file!), 'utf8')) as Report;
      assert.deepEqual(Object.keys(report.workloads), [
        ...['relay', 'signed', 'submission', 'submission-pipelined', 'submission-accept', 'drain-mixed', 'idle'],
      ]);
      for (const [workload, servers] of Object.entries(report.workloads)) {
        assert.deepEqual(Object.keys(servers), ROWS[workload] ?? ['postrider', 'ceiling']);
        for (const [server, { figures }] of Object.entries(servers)) assertFigures(workload, server, figures);
      }
      assert.match(report.commit, /^[0-9a-f]{12}$/);
      assert.equal(report.loadAverage.before.length, 3);
      assert.match(output, /relay\s+messages\/s\s+CPU ms\/message/);
    } finally {
      await removeFolder(results);
    }
  });

  test('says what it can do when it is asked for something else', async () => {
    const wrong = run({ argv: [process.execPath, BENCH, 'fastest'], cwd: ROOT });
    await assert.rejects(wrong, /no workload fastest: there are accept, relay/);
  });
});

type ServerFigures = Report['workloads'][string][string]['figures'];

function assertFigures(workload: string, server: string, figures: ServerFigures): void {
  assert.deepEqual(Object.keys(figures), wantedFigures(workload, server));
  for (const [name, { median, min, max }] of Object.entries(figures)) {
    assert.ok([median, min, max].every(Number.isFinite), `${workload}: ${name} is ${median}`);
    assert.ok(min <= median && median <= max, name);
  }
  if (workload !== 'idle') assert.ok(figures['perSecond']!.median > 0);
}

function wantedFigures(workload: string, server: string): readonly string[] {
  if (workload === 'idle') return ['kibPerConnection', 'anonymousMib'];
  return server === RSA_ALONE ? ['perSecond', 'cpuMs'] : ['perSecond', 'cpuMs', 'othersShare'];
}
