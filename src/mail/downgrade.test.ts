import assert from 'node:assert/strict';
import { isAscii } from 'node:buffer';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encoded } from './mime/encoders.ts';
import { downgrade, isDkimSigned, isSevenBit } from './downgrade.ts';
import { MAX_DEPTH, MAX_PARTS } from './mime/walk.ts';

const lines = (...all: readonly string[]): string => all.map((line) => `${line}\r\n`).join('');

function converted(content: string | Buffer): string {
  const result = downgrade(Buffer.from(content));
  assert.equal(result.kind, 'converted', result.kind === 'impossible' ? result.reason : '');
  return result.kind === 'converted' ? result.octets.toString('latin1') : '';
}

function refusal(content: string | Buffer): string {
  const result = downgrade(Buffer.from(content));
  return result.kind === 'impossible' ? result.status : 'converted';
}

describe('golden messages', () => {
  const cases: readonly [name: string, from: string, to: string][] = [
    [
      'text without MIME says what it is (RFC 1428)',
      lines('Subject: x', '', 'Hello to Grünau and its people'),
      lines(
        'Subject: x',
        'MIME-Version: 1.0',
        'Content-Type: text/plain; charset=utf-8',
        'Content-Transfer-Encoding: quoted-printable',
        '',
        'Hello to Gr=C3=BCnau and its people',
      ),
    ],
    [
      'text that is mostly not ASCII becomes base64, and its encoding is replaced',
      lines('MIME-Version: 1.0', 'Content-Transfer-Encoding:', ' 8bit', 'Content-Type: text/plain; charset=utf-8', '', 'äöü'),
      lines('MIME-Version: 1.0', 'Content-Transfer-Encoding: base64', 'Content-Type: text/plain; charset=utf-8', '', 'w6TDtsO8DQo='),
    ],
    [
      'only the part that needs it is changed',
      lines('MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary="b"', 'Content-Transfer-Encoding: 8bit', '', 'preamble', '--b', '', 'a = b', '--b', 'Content-Type: text/plain', '', 'naïve readers of plain text', '--b--', 'epilogue'),
      lines('MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary="b"', 'Content-Transfer-Encoding: 7bit', '', 'preamble', '--b', '', 'a = b', '--b', 'Content-Type: text/plain', 'Content-Transfer-Encoding: quoted-printable', '', 'na=C3=AFve readers of plain text', '--b--', 'epilogue'),
    ],
    [
      'an enclosed message is opened, never encoded (RFC 2046 §5.2.1)',
      lines('MIME-Version: 1.0', 'Content-Type: message/rfc822', '', 'Subject: inner', 'MIME-Version: 1.0', 'Content-Type: text/plain', '', 'a naïve line of plain text'),
      lines('MIME-Version: 1.0', 'Content-Type: message/rfc822', '', 'Subject: inner', 'MIME-Version: 1.0', 'Content-Type: text/plain', 'Content-Transfer-Encoding: quoted-printable', '', 'a na=C3=AFve line of plain text'),
    ],
    [
      'a signed part that is 7-bit stays untouched beside one that is not',
      lines('MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=o', '', '--o', 'Content-Type: multipart/signed; boundary=i', '', '--i', '', 'signed', '--i--', '--o', '', 'a naïve line of plain text', '--o--'),
      lines('MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=o', '', '--o', 'Content-Type: multipart/signed; boundary=i', '', '--i', '', 'signed', '--i--', '--o', 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: quoted-printable', '', 'a na=C3=AFve line of plain text', '--o--'),
    ],
    ['7-bit content is not touched', lines('Subject: x', '', 'Hello = there'), lines('Subject: x', '', 'Hello = there')],
    [
      'a preamble and an epilogue that nobody reads become ASCII',
      lines('MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b', '', 'Grüße', '--b', '', 'x', '--b--', 'ende–'),
      lines('MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b', '', 'Gr????e', '--b', '', 'x', '--b--', 'ende???'),
    ],
  ]; // prettier-ignore
  for (const [name, from, to] of cases) test(name, () => assert.equal(converted(from), to));
});

describe('what cannot be converted', () => {
  const cases: readonly [name: string, content: string | Buffer, status: string][] = [
    ['a header section that is not ASCII', lines('Subject: ü', '', 'x'), '5.6.7'],
    ['8-bit parts under a signature', lines('Content-Type: multipart/signed; boundary=b', '', '--b', '', 'ü', '--b--'), '5.6.3'],
    ['8-bit content said to be base64', lines('Content-Transfer-Encoding: base64', '', 'ü'), '5.6.1'],
    ['message/partial', lines('Content-Type: message/partial; id=x', '', 'ü'), '5.6.3'],
    ['multipart without a boundary', lines('Content-Type: multipart/mixed', '', 'ü'), '5.6.1'],
    ['multipart in base64', lines('Content-Type: multipart/mixed; boundary=b', 'Content-Transfer-Encoding: base64', '', 'ü'), '5.6.1'],
    ['too deep', `${lines('Content-Type: message/rfc822', '').repeat(MAX_DEPTH + 2)}ü\r\n`, '5.6.1'],
    ['too many parts', `${lines('Content-Type: multipart/mixed; boundary=b', '')}${lines('--b', '', 'x').repeat(MAX_PARTS)}ü`, '5.6.1'],
  ]; // prettier-ignore
  for (const [name, content, status] of cases) test(name, () => assert.equal(refusal(content), status));
});

test('what is not UTF-8, and says nothing of itself, is said to be unknown (RFC 1428)', () => {
  const content = Buffer.from(lines('Subject: x', '', 'a gr\xfcn line of plain text'), 'latin1');
  const octets = downgrade(content);
  assert.ok(octets.kind === 'converted');
  assert.match(octets.octets.toString(), /^Content-Type: text\/plain; charset=unknown-8bit\r$/m);
});

test('binary content becomes base64 and comes back whole', () => {
  const body = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 256));
  const header = lines('MIME-Version: 1.0', 'Content-Type: application/octet-stream', '');
  const out = converted(Buffer.concat([Buffer.from(header), body]));
  assert.match(out, /Content-Transfer-Encoding: base64\r\n\r\n/);
  assert.deepEqual(Buffer.from(out.slice(out.indexOf('\r\n\r\n') + 4), 'base64'), body);
});

test('a line that is too long is reason enough', () => {
  assert.ok(isSevenBit(Buffer.from(`${'x'.repeat(998)}\r\n`)));
  assert.ok(!isSevenBit(Buffer.from(`${'x'.repeat(999)}\r\n`)));
  assert.ok(!isSevenBit(Buffer.from('a\nb\r\n')));
  assert.ok(!isSevenBit(Buffer.from('a\rb\r\n')));
  assert.ok(!isSevenBit(Buffer.from('a\0b\r\n')));
});

test('a DKIM signature is found in the header section only', () => {
  assert.ok(isDkimSigned(Buffer.from(lines('dkim-signature: v=1', '', 'x'))));
  assert.ok(!isDkimSigned(Buffer.from(lines('Subject: x', '', 'DKIM-Signature: v=1'))));
});

test('hostile structure gives an answer, and in a bearable time', () => {
  const nested = `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n`.repeat(5000);
  assert.match(refusal(`${nested}ü`), /5\.6\.[17]|converted/);
  const delimiters = `Content-Type: multipart/mixed; boundary=b\r\n\r\nü${'\r\n--b'.repeat(200_000)}`;
  assert.match(refusal(delimiters), /5\.6\.[17]|converted/);
  const almost = `Content-Type: multipart/mixed; boundary=bbbb\r\n\r\nü${'\r\n--bbb'.repeat(200_000)}`;
  assert.match(refusal(almost), /5\.6\.[17]|converted/);
  assert.match(refusal(`ü: ${'a'.repeat(100_000)}`), /5\.6\.[17]|converted/);
});

function unquoted(text: string): Buffer {
  const joined = text.replaceAll(/=\r\n/g, '');
  return Buffer.from(
    joined.replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
}

describe('encodings', () => {
  const octets = fc.array(
    fc.oneof(fc.constantFrom(0x0d, 0x0a, 0x20, 0x09, 0x3d, 0x2e), fc.integer({ min: 0, max: 255 })),
    {
      maxLength: 300,
    },
  );

  test('quoted-printable comes back whole, in lines of at most 76', () => {
    fc.assert(
      fc.property(octets, (values) => {
        const body = Buffer.from(values);
        const text = encoded(body, 'quoted-printable').toString('latin1');
        assert.ok(isAscii(Buffer.from(text, 'latin1')));
        for (const line of text.split('\r\n')) {
          assert.ok(line.length <= 76);
          assert.doesNotMatch(line, /[ \t]$|[\r\n]/);
        }
        assert.deepEqual(unquoted(text), body);
      }),
    );
  });

  test('base64 comes back whole, in lines of at most 76', () => {
    fc.assert(
      fc.property(octets, (values) => {
        const text = encoded(Buffer.from(values), 'base64Text').toString('latin1');
        assert.ok(text.split('\r\n').every((line) => line.length <= 76));
        assert.deepEqual(Buffer.from(text, 'base64'), Buffer.from(values));
      }),
    );
  });
});

test('whatever comes in, what comes out is 7-bit or refused', () => {
  const piece = fc.constantFrom('Content-Type: ', 'multipart/mixed; boundary=b', 'message/rfc822', 'text/plain', '\r\n', '--b', '--b--', 'ü', 'x', '\n', '\r\n\r\n', 'Content-Transfer-Encoding: base64\r\n'); // prettier-ignore
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 25 }), (pieces) => {
      const result = downgrade(Buffer.from(pieces.join('')));
      if (result.kind === 'converted') assert.ok(isAscii(result.octets));
    }),
    { numRuns: 5000 },
  );
});
