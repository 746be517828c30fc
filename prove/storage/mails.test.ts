import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentOf } from '../../test/lib/fast-source.ts';
import { Mails } from './mails.ts';

const OPTIONS = { seed: 7, domains: ['a.test', 'b.test'] };

test('what is said to have been sent is what was handed over', () => {
  const mails = new Mails(OPTIONS);
  for (let n = 0; n < 20; n += 1) {
    const mail = mails.next();
    assert.equal(`${mails.sent(mail.to).toString('latin1')}.\r\n`, contentOf(mail));
  }
});

test('the same seed makes the same mail, another another', () => {
  const bodies = [OPTIONS, OPTIONS, { ...OPTIONS, seed: 8 }].map((options) => new Mails(options).next().body);
  assert.equal(bodies[0], bodies[1]);
  assert.notEqual(bodies[0], bodies[2]);
});

test('some mail is too large for the store, and every line of it is plain', () => {
  const mails = new Mails(OPTIONS);
  const all = Array.from({ length: 16 }, () => mails.next());
  for (const { to, body = '' } of all) {
    assert.equal(body.length > 256 * 1024, mails.isLarge(to));
    assert.match(body, /^(?:[a-z0-9]+\r\n)+$/);
  }
  assert.equal(all.filter(({ to }) => mails.isLarge(to)).length, 2);
});
