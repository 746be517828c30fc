import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maildirParts } from './maildir-path.ts';
import { parseMailbox } from './path.ts';

const CASES: readonly (readonly [string, string, object | undefined])[] = [
  ['/m/{domain}/{user}', 'Ann@Here.test', { user: 'ann', domain: 'here.test' }],
  ['/m/{user}', '"../../evil"@here.test', undefined],
  ['/m/{user}', '"/etc/x"@here.test', undefined],
  ['/m/{user}', '"."@here.test', undefined],
  ['/m/{user}', '"a b"@here.test', { user: 'a b', domain: 'here.test' }],
  ['/m/{domain}', '"../x"@here.test', { user: '../x', domain: 'here.test' }],
  ['/m/all', '"/"@here.test', { user: '/', domain: 'here.test' }],
];
for (const [template, address, parts] of CASES)
  test(`${address} in ${template}`, () => {
    const mailbox = parseMailbox(address);
    assert.ok(mailbox.ok);
    assert.deepEqual(maildirParts(template, mailbox.value), parts);
  });

test('an element has 255 octets at most', () => {
  const fits = (localPart: string) => maildirParts('/m/{user}', { localPart, domain: 'x.test' as never }) !== undefined;
  assert.deepEqual([fits('é'.repeat(127)), fits('é'.repeat(128))], [true, false]);
});
