import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderSection } from './header-section.ts';

const section = new HeaderSection(
  Buffer.from('From: Ann <ann@a.test>\r\nTo: b@b.test,\r\n c@c.test\r\nSubject:  x\r\n y\r\n\r\n'),
);

test('fields are found by their names', () => {
  assert.deepEqual(
    section.fields.map(({ name }) => name),
    ['from', 'to', 'subject'],
  );
  assert.ok(section.has('to') && !section.has('cc'));
  assert.equal(section.fieldsEnd, section.octets.length - 2);
  assert.equal(section.value(section.fields[2]!), 'x y');
});

test('a list of addresses is read once', () => {
  const [, to] = section.fields;
  const list = section.addresses(to!);
  assert.ok(list.ok);
  assert.deepEqual(
    list.value.map(({ address }) => address),
    ['b@b.test', 'c@c.test'],
  );
  assert.equal(section.addresses(to!), list);
});

test('one that cannot be read says why, whenever it is asked', () => {
  const wrong = new HeaderSection(Buffer.from('To: <b@b.test\r\n'));
  for (let i = 0; i < 2; i += 1) assert.ok(!wrong.addresses(wrong.fields[0]!).ok);
});

test('what is sent again, and what is no field, is seen', () => {
  assert.ok(!section.isResent && !section.hasStrayLine);
  assert.ok(new HeaderSection(Buffer.from('Resent-To: b@b.test\r\n\r\n')).isResent);
  assert.ok(new HeaderSection(Buffer.from('To: b@b.test\r\nno field\r\n\r\n')).hasStrayLine);
  assert.equal(new HeaderSection(Buffer.from('\r\n')).fieldsEnd, 0);
});
