import assert from 'node:assert/strict';
import { isAscii } from 'node:buffer';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodedLeaves, renderTree, treeArbitrary } from '../../../test/lib/mime-trees.ts';
import { ContentEditor } from './edits.ts';
import { ContentFit, type Fit, type FitRules, MAX_FOLDS } from './fit.ts';
import { type LongHeader, MimeWalk } from './walk.ts';

const ALL: FitRules = { eightBit: 'repair', longLines: 'repair' };
const LONG = 'x'.repeat(1200);
const lines = (...all: readonly string[]): string => all.map((line) => `${line}\r\n`).join('');

function fitOf(octets: Buffer, rules: FitRules, size = octets.length): Fit {
  const fit = new ContentFit(rules);
  for (const chunk of split(octets, Math.max(1, size))) fit.push(Buffer.from(chunk));
  return fit.end();
}

function fitted(content: string | Buffer, rules: FitRules = ALL, size?: number): Buffer {
  const octets = Buffer.from(content);
  const editor = new ContentEditor(fitOf(octets, rules, size).edits);
  const out = split(octets, size ?? Math.max(1, octets.length)).flatMap((chunk) => editor.push(Buffer.from(chunk)));
  return Buffer.concat([...out, ...editor.end()]);
}

function split(octets: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(octets.length / size) }, (_, i) => octets.subarray(i * size, (i + 1) * size));
}

function isFit(octets: Buffer): boolean {
  return (
    isAscii(octets) &&
    !octets.includes(0) &&
    octets
      .toString('latin1')
      .split('\r\n')
      .every((line) => line.length <= 998)
  );
}

const UTF8 = 'Content-Type: text/plain; charset=utf-8';
const part = (...all: readonly string[]): string[] => ['--b', ...all];
const multipart = (type: string, ...all: readonly string[]): string =>
  lines('MIME-Version: 1.0', `Content-Type: multipart/${type}; boundary="b"`, '', ...all, '--b--');

describe('golden messages', () => {
  const cases: readonly [name: string, from: string, to: string][] = [
    [
      'text that says what it is',
      lines('MIME-Version: 1.0', UTF8, 'Content-Transfer-Encoding: 8bit', 'Subject: x', '', 'Hello to Grünau and its people '),
      lines('MIME-Version: 1.0', UTF8, 'Content-Transfer-Encoding: quoted-printable', 'Subject: x', '', 'Hello to Gr=C3=BCnau and its people=20'),
    ],
    [
      'text without MIME',
      lines('Subject: x', '', 'Hello to Grünau and its people'),
      lines('Subject: x', 'MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: quoted-printable', '', 'Hello to Gr=C3=BCnau and its people'),
    ],
    [
      'an ASCII line that is too long, without MIME',
      lines('Subject: x', '', LONG),
      lines('Subject: x', 'MIME-Version: 1.0', 'Content-Transfer-Encoding: quoted-printable', '', ...Array.from({ length: 15 }, () => `${'x'.repeat(75)}=`), 'x'.repeat(75)),
    ],
    [
      'text that is mostly not ASCII',
      lines('MIME-Version: 1.0', UTF8, '', 'äöü'),
      lines('MIME-Version: 1.0', UTF8, 'Content-Transfer-Encoding: base64', '', 'w6TDtsO8DQo='),
    ],
    [
      'only the part that needs it, and the multipart around it says so',
      lines('Content-Transfer-Encoding: 8bit', 'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b', '', 'pre', '--b', '', 'a = b', '--b', UTF8, '', 'naïve readers of plain text', '--b--', 'post'),
      lines('Content-Transfer-Encoding: 7bit', 'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b', '', 'pre', '--b', '', 'a = b', '--b', UTF8, 'Content-Transfer-Encoding: quoted-printable', '', 'na=C3=AFve readers of plain text', '--b--', 'post'),
    ],
    [
      'what is no text becomes base64',
      multipart('mixed', ...part('Content-Type: application/x', 'Content-Transfer-Encoding: 8bit', '', 'ü')),
      multipart('mixed', ...part('Content-Type: application/x', 'Content-Transfer-Encoding: base64', '', 'w7w=')),
    ],
    [
      'without its last boundary',
      lines('MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b', '', '--b', UTF8, '', 'naïve readers'),
      lines('MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b', '', '--b', UTF8, 'Content-Transfer-Encoding: quoted-printable', '', 'na=C3=AFve readers'),
    ],
    [
      'boundaries of which one begins another',
      multipart('mixed', ...part('Content-Type: multipart/mixed; boundary=bb', '', '--bb', UTF8, '', 'naïve readers', '--bbb', '--bb--'), ...part('', 'x')),
      multipart('mixed', ...part('Content-Type: multipart/mixed; boundary=bb', '', '--bb', UTF8, 'Content-Transfer-Encoding: quoted-printable', '', 'na=C3=AFve readers', '=2D-bbb', '--bb--'), ...part('', 'x')),
    ],
    [
      'a multipart that the next boundary outside ends',
      multipart('mixed', ...part('Content-Type: multipart/mixed; boundary=i', '', '--i', UTF8, '', 'naïve readers'), ...part('', 'more naïve readers')),
      multipart('mixed', ...part('Content-Type: multipart/mixed; boundary=i', '', '--i', UTF8, 'Content-Transfer-Encoding: quoted-printable', '', 'na=C3=AFve readers'), ...part('Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: quoted-printable', '', 'more na=C3=AFve readers')),
    ],
    [
      'a message in a message',
      multipart('mixed', ...part('Content-Type: message/rfc822', 'Content-Transfer-Encoding: 8bit', '', 'Subject: inner', '', 'naïve readers'), ...part('', 'x')),
      multipart('mixed', ...part('Content-Type: message/rfc822', 'Content-Transfer-Encoding: 7bit', '', 'Subject: inner', 'MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: quoted-printable', '', 'na=C3=AFve readers'), ...part('', 'x')),
    ],
    [
      'messages of a digest, which need not say that they are',
      multipart('digest', ...part('', 'Subject: ann', UTF8, '', 'naïve readers')),
      multipart('digest', ...part('', 'Subject: ann', UTF8, 'MIME-Version: 1.0', 'Content-Transfer-Encoding: quoted-printable', '', 'na=C3=AFve readers')),
    ],
    [
      'a message with UTF-8 in its header section, as a whole (RFC 6532)',
      multipart('mixed', ...part('Content-Type: message/global', '', 'Subject: für alle Leser', '', 'text')),
      multipart('mixed', ...part('Content-Type: message/global', 'Content-Transfer-Encoding: quoted-printable', '', 'Subject: f=C3=BCr alle Leser', '', 'text')),
    ],
    [
      'base64 in one line gets more of them',
      lines('MIME-Version: 1.0', 'Content-Type: image/png', 'Content-Transfer-Encoding: base64', '', 'QUJD'.repeat(300)),
      lines('MIME-Version: 1.0', 'Content-Type: image/png', 'Content-Transfer-Encoding: base64', '', ...Array.from({ length: 15 }, () => 'QUJD'.repeat(19)), 'QUJD'.repeat(15)),
    ],
    [
      'quoted-printable in which something is not',
      lines('MIME-Version: 1.0', UTF8, 'Content-Transfer-Encoding: Quoted-Printable', '', `na=C3=AFve Grüße =ü ${'y'.repeat(30)}=`, 'x'),
      lines('MIME-Version: 1.0', UTF8, 'Content-Transfer-Encoding: Quoted-Printable', '', `na=C3=AFve Gr=C3=BC=C3=9Fe =3D=C3=BC ${'y'.repeat(30)}=`, 'x'),
    ],
    [
      'quoted-printable in long lines: no escape is torn, and nothing becomes a boundary',
      multipart('mixed', ...part('Content-Transfer-Encoding: quoted-printable', '', `x${'=C3=BC'.repeat(160)}`, `${'x'.repeat(900)}--b`, 'x'.repeat(999))),
      multipart('mixed', ...part('Content-Transfer-Encoding: quoted-printable', '', `x${'=C3=BC'.repeat(150)}=`, '=C3=BC'.repeat(10), `${'x'.repeat(900)}=`, '=2D-b', `${'x'.repeat(900)}=`, 'x'.repeat(99))),
    ],
    [
      'base64 with something in it that could become a boundary',
      multipart('mixed', ...part('Content-Transfer-Encoding: base64', '', `${'QUJD'.repeat(19)}--b${'QUJD'.repeat(300)}`)),
      multipart('mixed', ...part('Content-Transfer-Encoding: base64', '', 'QUJD'.repeat(19), ` --b${'QUJD'.repeat(18)}`, ...Array.from({ length: 14 }, () => 'QUJD'.repeat(19)), 'QUJD'.repeat(16))),
    ],
    [
      'gaps that nobody reads',
      lines('Content-Type: multipart/mixed; boundary=b', '', 'Grüße', '--b', '', 'x', '--b--', `ende– ${LONG}`),
      lines('Content-Type: multipart/mixed; boundary=b', '', 'Gr????e', '--b', '', 'x', '--b--', `ende??? ${'x'.repeat(892)}`, 'x'.repeat(308)),
    ],
    [
      'a long line in the header section of a part',
      multipart('mixed', ...part(`X-A: ${'y'.repeat(70)} ${'z'.repeat(930)} end`, '', 'x')),
      multipart('mixed', ...part(`X-A: ${'y'.repeat(70)}`, ` ${'z'.repeat(930)}`, ' end', '', 'x')),
    ],
  ]; // prettier-ignore
  for (const [name, from, to] of cases)
    for (const size of [1, 7, 100_000])
      test(`${name}, in blocks of ${size}`, () => assert.equal(fitted(from, ALL, size).toString(), to));
});

describe('stays as it is', () => {
  const signed = (...all: readonly string[]): string[] => [
    ...['Content-Type: multipart/signed; boundary=s', '', '--s', UTF8, 'Content-Transfer-Encoding: 8bit', '', ...all],
    ...['--s', 'Content-Type: application/pkcs7-signature', '', 'ü', '--s--'],
  ];
  const cases: readonly [name: string, content: string][] = [
    ['7-bit content', lines('Subject: x', '', 'Hello = there ')],
    ['no content', ''],
    ['only a header section', lines('Subject: x')],
    ['what is signed', lines('MIME-Version: 1.0', ...signed('ü'))],
    ['what is signed, with long lines', lines('MIME-Version: 1.0', ...signed(LONG))],
    ['what is encrypted', lines('Content-Type: multipart/encrypted; boundary=b', '', '--b', '', 'ü', '--b--')],
    ['8-bit text beside what is signed and 8-bit', multipart('mixed', ...part(...signed('ü')), ...part(UTF8, '', 'ü'))],
    ['a header section that is not ASCII', lines('Subject: ü', UTF8, '', 'ü')],
    ['that of a part', multipart('mixed', ...part('Content-Type: text/plain; name="ü"', '', 'ü'))],
    ['message/partial', lines('Content-Type: message/partial; id=x', '', 'ü')],
    ['message/external-body', lines('Content-Type: message/external-body; access-type=x', '', 'ü')],
    ['multipart without a boundary', lines('Content-Type: multipart/mixed', '', 'ü')],
    ['multipart whose boundary never comes', lines('Content-Type: multipart/mixed; boundary=c', '', 'ü', '--b')],
    ['multipart with two boundaries', lines('Content-Type: multipart/mixed; boundary=c; boundary=b', '', '--b', '', 'ü')],
    ['a boundary in pieces', lines('Content-Type: multipart/mixed; boundary*0=a; boundary*1=b', '', '--ab', '', 'ü')],
    ['parts behind the last boundary', lines('Content-Type: multipart/mixed; boundary=b', '', '--b', '', '--b--', '--b', '', 'ü')],
    ['multipart in base64', lines('Content-Type: multipart/mixed; boundary=b', 'Content-Transfer-Encoding: base64', '', '--b', '', 'ü')],
    ['8-bit content said to be base64', lines('Content-Transfer-Encoding: base64', '', 'ü')],
    ['an unknown encoding', lines('Content-Transfer-Encoding: x-uuencode', '', 'ü')],
    ['two encodings', lines('Content-Transfer-Encoding: 8bit', 'Content-Transfer-Encoding: 7bit', '', 'ü')],
    ['two types', lines('Content-Type: text/plain', 'Content-Type: text/html', '', 'ü')],
    ['a line that is no field', multipart('mixed', ...part('Subject: x', 'junk', UTF8, '', 'ü'))],
    ['what is too deep', `${lines('Content-Type: message/rfc822', '').repeat(150)}ü\r\n`],
    ['too many parts', `${lines('Content-Type: multipart/mixed; boundary=b', '')}${lines('--b', '', 'x').repeat(10_001)}ü\r\n`],
  ]; // prettier-ignore
  for (const [name, content] of cases)
    test(name, () => {
      assert.equal(fitted(content).toString('latin1'), Buffer.from(content).toString('latin1'));
      assert.equal(fitted(content, ALL, 3).toString('latin1'), Buffer.from(content).toString('latin1'));
    });
});

describe('rules', () => {
  const eightBit = lines(UTF8, '', 'naïve readers');
  const long = lines(UTF8, '', LONG);

  test('each holds for itself', () => {
    assert.equal(fitted(eightBit, { eightBit: 'leave', longLines: 'repair' }).toString(), eightBit);
    assert.equal(fitted(long, { eightBit: 'repair', longLines: 'leave' }).toString(), long);
    assert.notEqual(fitted(long, { eightBit: 'leave', longLines: 'repair' }).toString(), long);
  });

  test('a long line is taken care of beside what must stay 8-bit, and a multipart then still says 8bit', () => {
    const around = (...inner: readonly string[]): string =>
      lines('Content-Type: multipart/mixed; boundary=b', 'Content-Transfer-Encoding: 8bit', '', ...inner, '--b--');
    const signed = part('Content-Type: multipart/signed; boundary=s', '', '--s', '', 'ü', '--s--');
    const changed = fitted(around(...signed, ...part('', LONG))).toString();
    assert.ok(changed.startsWith(around(...signed).slice(0, -'--b--\r\n'.length)));
    assert.match(changed, /^Content-Transfer-Encoding: quoted-printable\r$/m);
  });

  test('a line end in two blocks is one, behind a long line too', () => {
    const octets = Buffer.from(lines(UTF8, '', 'x'.repeat(9000)));
    assert.ok(fitted(octets, { eightBit: 'repair', longLines: 'leave' }, octets.length - 1).equals(octets));
  });

  test('a part with a line that has nowhere to be folded is told of', () => {
    const content = multipart('mixed', ...part(`X-A: ${LONG}`, '', 'x'));
    assert.deepEqual(fitOf(Buffer.from(content), ALL), { edits: [], unfoldable: true, obstacle: undefined });
    assert.equal(fitOf(Buffer.from(content), { ...ALL, longLines: 'leave' }).unfoldable, false);
  });

  const foldable = part(`X-A: ${`${'y'.repeat(45)} `.repeat(1300)}end`, '', 'x');
  const foldsOfOne = fitOf(Buffer.from(multipart('mixed', ...foldable)), ALL).edits.length;
  const many = Array.from({ length: MAX_FOLDS / foldsOfOne + 1 }, () => foldable).flat();

  test('header sections with more folds than anybody needs stay as they are', () => {
    const { edits, unfoldable, obstacle } = fitOf(Buffer.from(multipart('mixed', ...many)), ALL, 65_536);
    assert.deepEqual([edits.length, unfoldable, obstacle?.status], [0, false, '5.6.1']);
  });

  test('behind a line that has nowhere to be folded, nothing is folded', () => {
    const content = multipart('mixed', ...foldable, ...part(`X-A: ${LONG}`, '', 'x'), ...many);
    assert.deepEqual(fitOf(Buffer.from(content), ALL, 65_536), { edits: [], unfoldable: true, obstacle: undefined });
  });

  test('a long line of a header section is told of when the section is over, not at the end of the content', () => {
    const told: LongHeader[] = [];
    const walk = new MimeWalk((header) => told.push(header));
    const section = `X-A: ${LONG}\r\n\r\n`;
    const before = lines('Content-Type: multipart/mixed; boundary=b', '', '--b');
    for (const octets of split(Buffer.from(`${before}${section}x\r\n`), 1000)) walk.push(octets);
    assert.deepEqual(told, [{ section: Buffer.from(section), start: before.length }]);
    walk.end();
    assert.equal(told.length, 1);
  });
});

describe('every message (property)', () => {
  test('decodes to what it was, is fit, and its 7-bit leaves are untouched', () => {
    fc.assert(
      fc.property(treeArbitrary, fc.integer({ min: 1, max: 300 }), (tree, size) => {
        const octets = renderTree(tree);
        const after = fitted(octets, ALL, size);
        assert.deepEqual(decodedLeaves(after), decodedLeaves(octets));
        assert.ok(isFit(after), 'it is fit for every server');
        if (isFit(octets)) assert.ok(after.equals(octets), 'nothing was needed');
        assert.ok(fitted(after).equals(after), 'nothing more is needed');
        assert.ok(fitted(octets).equals(after), 'however it comes');
      }),
      { numRuns: 300 },
    );
  });

  test('whatever octets come, fields and boundaries stay and nothing breaks', () => {
    const piece = fc.constantFrom(
      ...['--b', '--b--', '--bb', '\r\n', '\n', '\r', ' ', '-', '=', 'ü', '\0', 'x', LONG, 'Content-Type: '],
      ...['multipart/mixed; boundary=b', 'multipart/signed; boundary=bb', 'message/rfc822', 'text/plain'],
      ...['Content-Transfer-Encoding: ', 'base64', 'quoted-printable', '8bit', 'binary', '\r\n\r\n'],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), fc.integer({ min: 1, max: 50 }), (pieces, size) => {
        const octets = Buffer.from(pieces.join(''));
        const after = fitted(octets, ALL, size);
        assert.ok(fitted(octets).equals(after));
        assert.ok(after.length <= octets.length * 4 + 4096);
      }),
      { numRuns: 1000 },
    );
  });
});
