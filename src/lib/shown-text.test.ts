import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shownText } from './shown-text.ts';

for (const [name, text, shown] of [
  ['plain text', 'Grüße, 世界', 'Grüße, 世界'],
  ['a line end', 'a\r\nb', 'a\u{fffd}\u{fffd}b'],
  ['a sequence that moves the cursor', '\u001b[2Jgone', '\u{fffd}[2Jgone'],
  ['a C1 control', '\u009b2J', '\u{fffd}2J'],
  ['a mark that turns the direction', 'a\u202eb\u2066c', 'a\u{fffd}b\u{fffd}c'],
] as const)
  test(name, () => assert.equal(shownText(text), shown));
