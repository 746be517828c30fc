import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reply, temporary } from './reply.ts';

describe('a refusal made temporary', () => {
  const cases = [
    ['no such mailbox', reply(550, '5.1.1', 'No such user'), 450, '4.1.1'],
    ['one that has a counterpart', reply(552, '5.3.4', 'Too big'), 452, '4.3.4'],
    ['one that has none', reply(554, '5.7.1', 'No'), 450, '4.7.1'],
    ['another', reply(556, '5.1.10', 'Null MX'), 450, '4.1.10'],
    ['one without status', reply(550, undefined, 'No'), 450, undefined],
    ['one that is temporary already', reply(421, '4.3.2', 'Later'), 421, '4.3.2'],
    ['no refusal', reply(250, '2.0.0', 'OK'), 250, '2.0.0'],
  ] as const;
  for (const [name, given, code, status] of cases)
    test(name, () => assert.deepEqual(temporary(given), { ...given, code, status }));
});
