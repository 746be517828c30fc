import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { cutHeader, recipientsIn, withEmptyLine, withoutBcc } from './header-section.ts';

function lines(text: string): Buffer {
  return Buffer.from(text.replaceAll('\n', '\r\n'));
}

const CUTS: readonly {
  readonly name: string;
  readonly text: string;
  readonly section: string;
  readonly body: string;
}[] = [
  { name: 'fields, an empty line, a body', text: 'A: b\nC: d\n\nx\n', section: 'A: b\nC: d\n', body: 'x\n' },
  { name: 'a folded field', text: 'A: b\n c\n\nx\n', section: 'A: b\n c\n', body: 'x\n' },
  { name: 'no body', text: 'A: b\n\n', section: 'A: b\n', body: '' },
  { name: 'no empty line', text: 'A: b\n', section: 'A: b\n', body: '' },
  { name: 'an empty line first', text: '\nx\n', section: '', body: 'x\n' },
  { name: 'only a body', text: 'hello world\nx\n', section: '', body: 'hello world\nx\n' },
  { name: 'only a body, with an empty line in it', text: 'hello\n\nA: b\n', section: '', body: 'hello\n\nA: b\n' },
  {
    name: 'a line that is no field ends the section',
    text: 'A: b\nhello\nC: d\n\nx\n',
    section: 'A: b\n',
    body: 'hello\nC: d\n\nx\n',
  },
  { name: 'the line of a mailbox file', text: 'From ann Thu Nov 26\nA: b\n\nx\n', section: 'A: b\n', body: 'x\n' },
  { name: 'the same, escaped', text: '>From ann Thu Nov 26\nA: b\n\nx\n', section: 'A: b\n', body: 'x\n' },
  { name: 'nothing', text: '', section: '', body: '' },
  { name: 'white space first is no field', text: ' x\n\n', section: '', body: ' x\n\n' },
];

describe('cutHeader', () => {
  for (const { name, text, section, body } of CUTS)
    test(name, () => {
      const cut = cutHeader(lines(text), 'all');
      assert.equal(String(cut?.section), String(lines(section)));
      assert.equal(String(cut?.body), String(lines(body)));
    });
  test('more is asked for until the empty line has come', () => {
    assert.equal(cutHeader(lines('A: b\nC'), 'more'), undefined);
    assert.equal(String(cutHeader(lines('A: b\n\nx'), 'more')?.body), 'x');
  });
  test('what was put together is cut in the same place again', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('A: b', 'From ', 'x', ' ', ':', '\n', '\n') }), (text) => {
        const cut = cutHeader(lines(`${text}\n`), 'all');
        assert.ok(cut !== undefined);
        // Only what stands first of all is the line of a mailbox file.
        if (/^>?From /.test(String(cut.section)) || (cut.section.length === 0 && /^>?From /.test(String(cut.body))))
          return;
        const again = cutHeader(Buffer.concat([withEmptyLine(cut.section), cut.body]), 'all');
        assert.deepEqual(again, cut);
      }),
    );
  });
});

const RECIPIENTS: readonly {
  readonly name: string;
  readonly text: string;
  readonly want: readonly string[] | RegExp;
}[] = [
  { name: 'To, Cc and Bcc', text: 'To: a\nCc: B <b@b.test>\nBcc: c, d\n', want: ['a', 'b@b.test', 'c', 'd'] },
  { name: 'several fields, any case', text: 'TO: a\nto: b\n', want: ['a', 'b'] },
  { name: 'a folded field', text: 'To: a,\n b\n', want: ['a', 'b'] },
  { name: 'others name nobody', text: 'From: a\nReply-To: b\nApparently-To: c\n', want: [] },
  {
    name: 'what is sent again goes to the Resent fields alone',
    text: 'Resent-To: r\nTo: a\nBcc: c\nResent-Bcc: s\n',
    want: ['r', 's'],
  },
  { name: 'a group of nobody', text: 'To: undisclosed-recipients:;\nBcc: c\n', want: ['c'] },
  { name: 'a field that cannot be read', text: 'To: a\nResent-Cc: x y\n', want: /^Resent-Cc: no comma/ },
  { name: 'too many', text: 'To: a,b,c,d,e\n', want: /more than 4/ },
];

describe('recipientsIn', () => {
  for (const { name, text, want } of RECIPIENTS)
    test(name, () => {
      const read = recipientsIn(lines(text), 4);
      if (want instanceof RegExp) assert.match(read.ok ? '' : read.reason, want);
      else assert.deepEqual(read, { ok: true, value: want });
    });
});

test('withoutBcc takes out Bcc and Resent-Bcc, folded or not, and nothing else', () => {
  const section = lines('To: a\nbcc: x,\n y\nX-Bcc: stays\nResent-Bcc: z\nBCC:\nSubject: s\n');
  assert.equal(String(withoutBcc(section)), String(lines('To: a\nX-Bcc: stays\nSubject: s\n')));
});
