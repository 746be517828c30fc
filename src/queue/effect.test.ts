import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Outcome, type Undelivered } from '../mail/outcome.ts';
import { effectOf } from './effect.ts';

const taken: Outcome = {
  ...{ kind: 'delivered', remoteMta: 'mx', status: '2.0.0', diagnostic: '250 ok', dsnPassedOn: true, final: false },
};
const refused = (changes: Partial<Undelivered>): Undelivered => ({
  ...{
    kind: 'deferred',
    status: '4.0.0',
    scope: 'recipient',
    diagnostic: '450 4.0.0 no',
    remoteMta: 'mx',
    cause: 'reply',
  },
  ...changes,
});

describe('what an attempt says of its path', () => {
  const cases: readonly (readonly [string, readonly Outcome[], boolean, string])[] = [
    ['a delivery: it works', [taken], false, 'success'],
    ['a refused recipient: it works too, the mail is to blame', [refused({})], false, 'success'],
    ['a refused message likewise', [refused({ kind: 'failed', scope: 'message' })], false, 'success'],
    ['a connection lost after other mail: nothing', [refused({ scope: 'connection' })], false, 'neutral'],
    ['a site that cannot be reached: back off', [refused({ scope: 'site', cause: 'connection' })], true, 'refused'],
    ['a path that is refused: back off', [refused({ scope: 'path' })], false, 'refused'],
    [
      'a path that is told to slow down: less of it',
      [refused({ scope: 'path', status: '4.7.28', diagnostic: '421 4.7.28 unusual rate of mail' })],
      false,
      'limited',
    ],
    [
      'encryption that the route demands and the host lacks: nothing',
      [refused({ scope: 'site', cause: 'tls' })],
      true,
      'neutral',
    ],
    ['a host that was refused on the way to one that took the mail: it works', [taken], true, 'success'],
    ['a host that was refused, and nothing of the mail: back off', [refused({ scope: 'connection' })], true, 'refused'],
    ['our own trouble: nothing', [refused({ cause: 'local', scope: 'message' })], false, 'neutral'],
    ['the widest outcome counts', [taken, refused({ scope: 'path' })], false, 'refused'],
  ];
  for (const [name, outcomes, wasRefused, effect] of cases)
    test(name, () => assert.equal(effectOf({ outcomes, refused: wasRefused }).effect, effect));
});

test('a wait that the receiver named is passed on, one of our own words is not', () => {
  const diagnostic = '421 4.7.0 try again in 300 seconds';
  assert.equal(effectOf({ outcomes: [refused({ scope: 'path', diagnostic })], refused: false }).wait, 300_000);
  const own = refused({ scope: 'site', cause: 'connection', diagnostic: 'postrider: try again in 300 seconds' });
  assert.equal(effectOf({ outcomes: [own], refused: true }).wait, undefined);
});
