import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { lastLoggedAt } from './last-logged.ts';

const OLD = '2026-11-23T21-26-24-123Z.jsonl';
const NEW = '2026-11-23T22-26-24-123Z.jsonl';
const line = (at: number): string => `{"seq":1,"n":0,"kind":"attempt","at":${at},"queueId":"x"}\n`;

for (const [name, files, at] of [
  ['a folder without a log tells nothing', {}, undefined],
  ['the last line counts', { [NEW]: line(1000) + line(2000) }, 2000],
  ['also when it lies before others, on a clock that was set back', { [NEW]: line(2000) + line(1000) }, 1000],
  ['a line without an end does not count', { [NEW]: line(1000) + line(2000).slice(0, -1) }, 1000],
  ['the newest segment counts', { [OLD]: line(1000), [NEW]: line(2000) }, 2000],
  ['one that is empty does not', { [OLD]: line(1000), [NEW]: '' }, 1000],
  ['what is compressed is not looked into', { [`${OLD}.zst`]: 'x', [NEW]: '' }, undefined],
] as const)
  test(name, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'last-logged-'));
    t.after(() => rmSync(folder, { recursive: true }));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
    assert.equal(await lastLoggedAt(folder), at);
  });

test('a folder that is not there tells nothing', async () => {
  assert.equal(await lastLoggedAt('/nonexistent/events'), undefined);
});
