/**
 * Encoded-words (RFC 2047): how a header field carries text that is not ASCII.
 *
 * Only for unstructured text and phrases; never inside a quoted string or an address (RFC 2047 §5).
 * Reading is lenient, because what others wrote is only shown to people: what cannot be decoded stays as it is.
 */

// RFC 2047 §2: an encoded-word is at most 75 characters long.
const MAX_WORD = 75;
const PREFIX = '=?utf-8?B?';
const SUFFIX = '?=';
/** Octets that fit into one word: four characters carry three. */
const MAX_WORD_OCTETS = Math.floor((MAX_WORD - PREFIX.length - SUFFIX.length) / 4) * 3;

const WORD = /=\?([A-Za-z0-9._-]{1,40})(?:\*[A-Za-z0-9-]*)?\?([BbQq])\?([^?\s]*)\?=/g;
/** What is decoded at most; a longer field is shown as it is. */
const MAX_DECODED = 10_000;

/** ASCII text stays as it is; other text becomes encoded-words, one folded line each. */
export function encodeWords(text: string): string {
  const flat = text.toWellFormed().replaceAll(/\p{Cc}+/gu, ' ');
  if (/^[\x20-\x7e]*$/.test(flat) && !flat.includes('=?')) return flat;
  return chunksOf(flat)
    .map((chunk) => PREFIX + Buffer.from(chunk, 'utf8').toString('base64') + SUFFIX)
    .join('\r\n ');
}

/** The text a field value means; never throws, and never gives a control character. */
export function decodeWords(value: string): string {
  if (!value.includes('=?') || value.length > MAX_DECODED) return withoutControls(value);
  let text = '';
  let end = 0;
  let afterWord = false;
  for (const match of value.matchAll(WORD)) {
    const gap = value.slice(end, match.index);
    // White space between two encoded-words is not shown (RFC 2047 §6.2).
    if (!afterWord || gap.trim() !== '') text += gap;
    const decoded = decodeWord(match[1] ?? '', match[2] ?? '', match[3] ?? '');
    text += decoded ?? match[0];
    afterWord = decoded !== undefined;
    end = match.index + match[0].length;
  }
  return withoutControls(text + value.slice(end));
}

/** Pieces of at most `MAX_WORD_OCTETS` octets; a character is never cut (RFC 2047 §5). */
function chunksOf(text: string): readonly string[] {
  const chunks: string[] = [];
  let chunk = '';
  let octets = 0;
  for (const character of text) {
    const length = Buffer.byteLength(character);
    if (octets + length > MAX_WORD_OCTETS) {
      chunks.push(chunk);
      chunk = '';
      octets = 0;
    }
    chunk += character;
    octets += length;
  }
  return [...chunks, chunk];
}

function unquoted(text: string): Buffer {
  const latin = text
    .replaceAll('_', ' ')
    .replaceAll(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(latin, 'latin1');
}

function decodeWord(charset: string, encoding: string, text: string): string | undefined {
  const octets = encoding.toUpperCase() === 'B' ? Buffer.from(text, 'base64') : unquoted(text);
  try {
    return new TextDecoder(charset).decode(octets);
  } catch {
    // TextDecoder throws on a name it does not know: then the word is shown undecoded.
    return undefined;
  }
}

function withoutControls(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ');
}
