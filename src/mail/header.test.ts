import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { fieldValue, headerEnd, headerFields } from './header.ts';

describe('headerEnd', () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ['the empty line ends the header section', 'A: b\r\n\r\nbody', 8],
    ['content without a header section begins with an empty line', '\r\nbody', 2],
    ['no empty line yet', 'A: b\r\nC: d\r\n', -1],
    ['nothing at all', '', -1],
    ['a bare LF pair is no empty line', 'A: b\n\nbody', -1],
  ];
  for (const [name, text, want] of cases) test(name, () => assert.equal(headerEnd(Buffer.from(text)), want));

  test('a later look may go on where the first one stopped', () => {
    const octets = Buffer.from('A: b\r\n\r\nbody');
    for (let from = 0; from <= 8; from++) assert.equal(headerEnd(octets, from), 8);
  });
});

describe('headerFields', () => {
  const names = (text: string) => headerFields(Buffer.from(text)).map(({ name }) => name);

  test('names come in order, in lower case', () => {
    assert.deepEqual(names('Subject: a\r\nFrom: b\r\n\r\nTo: body'), ['subject', 'from']);
  });
  test('a folded field is one field', () => {
    const octets = Buffer.from('Subject: a\r\n b\r\n\tc\r\nFrom: x\r\n\r\n');
    const [subject] = headerFields(octets);
    assert.equal(fieldValue(octets, subject!), 'a b\tc');
  });
  test('a line without a colon ends the header section', () => {
    assert.deepEqual(names('A: b\r\nnot a field\r\nC: d\r\n'), ['a']);
  });
  test('a name with a space inside is no field, white space before the colon is tolerated', () => {
    assert.deepEqual(names('A b: c\r\n'), []);
    assert.deepEqual(names('A \t: c\r\n'), ['a']);
    assert.deepEqual(names('A\r\n: c\r\n'), [], 'on the next line is no colon of it');
    assert.deepEqual(names('\u00c4: c\r\n'), []);
    assert.deepEqual(names(': c\r\n'), []);
  });
  test('a name has at most 128 octets', () => {
    assert.deepEqual(names(`${'A'.repeat(128)}: c\r\n`), ['a'.repeat(128)]);
    assert.deepEqual(names(`${'A'.repeat(129)}: c\r\n`), []);
  });
  test('names of prototype members are names like others', () => {
    assert.deepEqual(names('__proto__: x\r\nconstructor: y\r\n'), ['__proto__', 'constructor']);
  });
  test('the number of fields is bounded', () => {
    assert.equal(headerFields(Buffer.from('A: b\r\n'.repeat(1000)), 10).length, 10);
  });
  test('UTF-8 values are read as UTF-8', () => {
    const octets = Buffer.from('Subject: grüße\r\n');
    assert.equal(fieldValue(octets, headerFields(octets)[0]!), 'grüße');
  });
  test('fields cover the octets from the start without gaps, whatever the octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
        let at = 0;
        for (const field of headerFields(Buffer.from(octets))) {
          assert.equal(field.start, at);
          assert.ok(field.end > field.start);
          at = field.end;
        }
      }),
    );
  });
});
