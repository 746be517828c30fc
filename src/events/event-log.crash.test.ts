/** The log against a process that is killed: what was acknowledged is there, and the log goes on. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { EventLog } from './event-log.ts';
import { LogReader, type LogLine } from './log-reader.ts';

const WRITER = `
import { EventLog } from ${JSON.stringify(new URL('event-log.ts', import.meta.url).href)};
const [folder] = process.argv.slice(1);
const clock = { now: () => Date.now(), monotonic: () => 0 };
const log = { error() {}, warn() {}, info() {} };
const events = await EventLog.open({ folder, clock, log, maxSegmentOctets: 20_000 });
for (let i = 0; ; i++) {
  await events.append(i, '{"kind":"x","text":"' + 'y'.repeat(300) + '"}\\n'.repeat(1));
  process.stdout.write(i + '\\n');
}
`;

async function readAll(folder: string): Promise<readonly LogLine[]> {
  const reader = new LogReader(folder);
  const lines: LogLine[] = [];
  for (let page = await reader.read(undefined, 1000); ; page = await reader.read(page.position, 1000)) {
    lines.push(...page.lines);
    if (!page.more) return lines;
  }
}

test('every record that was acknowledged before a kill is in the log', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postrider-crash-'));
  const writer = spawn(process.execPath, ['--input-type=module', '-e', WRITER, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let acknowledged = -1;
    for await (const line of createInterface({ input: writer.stdout })) {
      acknowledged = Number(line);
      if (acknowledged === 200) writer.kill('SIGKILL');
    }
    if (writer.exitCode === null && writer.signalCode === null) await once(writer, 'exit');
    assert.ok(acknowledged >= 200);

    const clock = { now: () => 0, monotonic: () => 0 };
    const log = { error() {}, warn() {}, info() {} };
    const events = await EventLog.open({ folder, clock, log });
    await events.append(1_000_000, '{"kind":"x","text":"after"}\n');
    await events.close();

    const sequences = (await readAll(folder)).map(({ sequence }) => sequence);
    assert.deepEqual(
      sequences.slice(0, acknowledged + 1),
      Array.from({ length: acknowledged + 1 }, (_, i) => i),
    );
    assert.equal(sequences.at(-1), 1_000_000);
  } finally {
    writer.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
});
