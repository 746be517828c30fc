import assert from 'node:assert/strict';
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
