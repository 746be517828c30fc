/** Messages of parts within parts, made by chance; and a reader of such messages that knows nothing of ours. */

import fc from 'fast-check';

export type Tree =
  | { readonly kind: 'leaf'; readonly type: string; readonly encoding: string; readonly body: string }
  | { readonly kind: 'multipart'; readonly subtype: string; readonly encoding: string; readonly parts: readonly Tree[]; readonly ends: boolean }
  | { readonly kind: 'message'; readonly mime: boolean; readonly inner: Tree }; // prettier-ignore

const word = fc.constantFrom(
  ...['text', ' ', '\t', 'naïve', 'Grüße', '=', '=3D', '--', '-', '.', '--x', '\r\n', '\r\n\r\n', 'x'.repeat(80)],
  ...['日本語', 'y'.repeat(999), '\0'],
);
const body = fc.array(word, { maxLength: 12 }).map((words) => words.join(''));
const encoding = fc.constantFrom('', '7bit', '8bit', 'binary', 'quoted-printable', 'base64');

const leaf: fc.Arbitrary<Tree> = fc.record({
  kind: fc.constant('leaf' as const),
  type: fc.constantFrom('text/plain; charset=utf-8', 'text/html', 'application/octet-stream', 'image/png', 'message/global', ''),
  encoding,
  body,
}); // prettier-ignore

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.record({
      kind: fc.constant('multipart' as const),
      subtype: fc.constantFrom('mixed', 'alternative', 'related'),
      encoding: fc.constantFrom('', '7bit', '8bit', 'binary'),
      parts: fc.array(tie('tree'), { minLength: 1, maxLength: 4 }),
      ends: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('message' as const), mime: fc.boolean(), inner: tie('tree') }),
  ),
}));

export const treeArbitrary: fc.Arbitrary<Tree> = tree;

/** The message, with a boundary that is the beginning of those within. */
export function renderTree(root: Tree): Buffer {
  return Buffer.from(`Subject: tree\r\nMIME-Version: 1.0\r\n${rendered(root, 'b')}\r\n`);
}

function rendered(one: Tree, boundary: string): string {
  if (one.kind === 'leaf') return leafText(one);
  if (one.kind === 'message') {
    const mime = one.mime ? 'MIME-Version: 1.0\r\n' : '';
    return `Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n${mime}${rendered(one.inner, `${boundary}m`)}`;
  }
  const parts = one.parts.map((each, i) => `--${boundary}\r\n${rendered(each, `${boundary}${i}`)}\r\n`);
  const field = one.encoding === '' ? '' : `Content-Transfer-Encoding: ${one.encoding}\r\n`;
  const last = one.ends ? `--${boundary}--\r\n` : '';
  return `${field}Content-Type: multipart/${one.subtype}; boundary="${boundary}"\r\n\r\npreamble\r\n${parts.join('')}${last}`;
}

function leafText({ type, encoding: how, body: text }: Extract<Tree, { kind: 'leaf' }>): string {
  const fields = [
    ...(type === '' ? [] : [`Content-Type: ${type}\r\n`]),
    ...(how === '' ? [] : [`Content-Transfer-Encoding: ${how}\r\n`]),
  ];
  return `${fields.join('')}\r\n${how === 'base64' ? Buffer.from(text).toString('base64') : text}`;
}

export interface DecodedLeaf {
  readonly type: string;
  readonly content: string;
}

/** The decoded leaves, in order, as latin1. */
export function decodedLeaves(octets: Buffer): readonly DecodedLeaf[] {
  return leavesOf(octets.toString('latin1'));
}

function leavesOf(entity: string): readonly DecodedLeaf[] {
  const [, header = '', text = ''] = /^((?:[^\r\n]+\r\n)*)(?:\r\n)?([^]*)$/.exec(entity) ?? [];
  const field = (name: string): string =>
    new RegExp(`^${name}: ([^\\r\\n]*(?:\\r\\n[ \\t][^\\r\\n]*)*)`, 'im').exec(header)?.[1] ?? '';
  const type = field('Content-Type');
  const boundary = /boundary="?([^";]+)/.exec(type)?.[1];
  if (boundary !== undefined) {
    const [, ...pieces] = `\r\n${text}`.split(new RegExp(`\\r\\n--${boundary}(?=--|\\r\\n|$)`));
    return pieces.filter((piece) => !piece.startsWith('--')).flatMap((piece) => leavesOf(piece.slice(2)));
  }
  if (type.startsWith('message/rfc822')) return leavesOf(text);
  return [
    {
      type: type.replace('; charset=utf-8', '') || 'text/plain',
      content: decoded(text, field('Content-Transfer-Encoding')),
    },
  ];
}

function decoded(text: string, encoding: string): string {
  if (encoding === 'base64') return Buffer.from(text, 'base64').toString('latin1').trimEnd();
  if (encoding !== 'quoted-printable') return text.trimEnd();
  return text
    .replaceAll(/[ \t]+(?=\r\n)/g, '')
    .replaceAll('=\r\n', '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .trimEnd();
}
