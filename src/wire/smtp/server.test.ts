import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { allDialogues, type Coverage, playDialogue } from '../../../test/lib/dialogue.ts';
import { SERVER_COMMANDS, SERVER_REPLIES, SERVER_STATES } from './server.ts';

describe('SMTP server dialogues', () => {
  const covered: Coverage = { replies: new Set(), pairs: new Set() };

  for (const dialogue of allDialogues()) {
    test(`${dialogue.name}, whole groups`, () => playDialogue(dialogue, 'whole', covered));
    if (dialogue.drive === 'any')
      test(`${dialogue.name}, one octet at a time`, () => playDialogue(dialogue, 'octets', covered));
  }

  test('every reply of the server occurs in a dialogue', () => {
    assert.deepEqual(
      Object.keys(SERVER_REPLIES).filter((name) => !covered.replies.has(name)),
      [],
    );
  });

  test('every command occurs in every state in a dialogue', () => {
    const wanted = SERVER_COMMANDS.flatMap((verb) => SERVER_STATES.map((state) => `${verb} ${state}`));
    assert.deepEqual(
      wanted.filter((pair) => !covered.pairs.has(pair)),
      [],
    );
  });
});
