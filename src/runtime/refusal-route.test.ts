import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { reply } from '../mail/reply.ts';
import { RefusalRoutes, refusalName } from './refusal-route.ts';

const routes = new RefusalRoutes();

test('a reply becomes the name of a route that gives it', () => {
  const name = refusalName(reply(550, '5.1.1', 'No such mailbox here'));
  assert.equal(name, 'refused:550 5.1.1 No such mailbox here');
  const want = { name, kind: 'fail', match: {}, code: 550, status: '5.1.1', text: 'No such mailbox here' };
  assert.deepEqual(routes.byName(name), want);
  assert.equal(routes.byName(name), routes.byName(name), 'the same route each time');
});

test('without a status it has the one of its class, and several lines are one', () => {
  assert.equal(refusalName(reply(450, undefined, 'a', 'b')), 'refused:450 4.0.0 a b');
});

test('no other name is one', () => {
  for (const name of [
    '',
    'mx',
    'refused',
    'refused:',
    'refused:250 2.0.0 ok',
    'refused:550 5.1.1 a\nb',
    'x refused:550 5.1.1 a',
  ])
    assert.equal(routes.byName(name), undefined, name);
});

test('any reply has a route, and many of them are not kept', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), fc.constantFrom(450, 550), (text, code) => {
      const route = routes.byName(refusalName(reply(code, undefined, text)));
      assert.equal(route?.code, code);
      assert.match(route?.text ?? '\n', /^[\x20-\x7e]{0,200}$/);
    }),
    { numRuns: 300 },
  );
});
