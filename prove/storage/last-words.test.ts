import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastWords } from './last-words.ts';

const SAID = 'error this process must end, and loses nothing by it: Error: a commit failed';
const ABORTED = 'error the working process died, starting it again signal=SIGABRT inMs=250';
const ENDED = 'error the working process died, starting it again code=70 inMs=250';

for (const [name, lines, want] of [
  ['of one that said it', [SAID, ENDED], [SAID]],
  ['of one that could not', [ABORTED], [ABORTED]],
  ['of one that said it and did not survive that', [SAID, ABORTED], [SAID]],
  ['of one behind another', [SAID, ENDED, ABORTED, SAID, ENDED], [SAID, ABORTED, SAID]],
  ['twice of one that said it twice', [SAID, SAID, ENDED], [SAID, SAID]],
  ['nothing of one that was killed', ['error the working process died, starting it again signal=SIGKILL'], []],
] as const)
  test(`last words: ${name}`, () => assert.deepEqual(lastWords(lines.join('\n')), want));
