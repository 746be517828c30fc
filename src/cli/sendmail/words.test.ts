import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { sendmailWords } from './words.ts';

const NONE = { config: undefined, spool: undefined };

describe('sendmailWords', () => {
  for (const [line, want] of Object.entries({
    'sendmail -t -i': { ...NONE, name: 'sendmail', words: ['-t', '-i'] },
    mailq: { ...NONE, name: 'mailq', words: [] },
    newaliases: { ...NONE, name: 'newaliases', words: [] },
    '--config x.ts sendmail -V 1 bob': { ...NONE, config: 'x.ts', name: 'sendmail', words: ['-V', '1', 'bob'] },
    '--spool=/s --config=/c mailq -v': { config: '/c', spool: '/s', name: 'mailq', words: ['-v'] },
    'sendmail queue': { ...NONE, name: 'sendmail', words: ['queue'] },
    'queue list': undefined,
    'queue sendmail': undefined,
    '--json sendmail': undefined,
    '--config sendmail': undefined,
    '': undefined,
  }))
    test(line === '' ? 'nothing' : line, () => {
      assert.deepEqual(sendmailWords(line === '' ? [] : line.split(' ')), want);
    });
});

/** The files that are loaded with one: `import type` and imports that wait load nothing. */
function loadedWith(file: URL, known = new Set<string>()): ReadonlySet<string> {
  if (known.has(file.pathname)) return known;
  known.add(file.pathname);
  const text = readFileSync(file, 'utf8');
  for (const [, target = ''] of text.matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)';/gm))
    if (target.startsWith('.')) loadedWith(new URL(target, file), known);
    else assert.match(target, /^node:/, `${file.pathname} loads ${target}`);
  return known;
}

test('what a message of a local program loads is little, and no package', () => {
  const loaded = loadedWith(new URL('program.ts', import.meta.url));
  assert.ok(loaded.size < 30, [...loaded].join('\n'));
});
