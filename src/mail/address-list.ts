/**
 * Address lists as header fields and people write them (RFC 5322 §3.4): display names, groups, comments, quoted
 * strings, and the obsolete forms that are still about (source routes, empty places, `ann@example.com (Ann)`).
 *
 * It says which addresses there are; whether one of them can be mailed to is for `parseMailbox` to say. An address
 * may have no domain, as local users write them. Time and memory are linear in the text.
 */

import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { formatMailbox } from './path.ts';

export interface ListedAddress {
  /** What stands before the angle brackets, or in the last comment of an address without any; `''` for nothing. */
  readonly name: string;
  /** `local-part@domain` with the local part quoted where it must be, or a local part alone. */
  readonly address: string;
  /** An address before the angle brackets, where only words belong: some readers take that one for it. Absent: none. */
  readonly addressInName?: string;
}

type Token =
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'quoted'; readonly text: string }
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'comment'; readonly text: string }
  /** One of `,;:<>@.` */
  | { readonly kind: 'mark'; readonly text: string };

const MAX_COMMENT_DEPTH = 100;
const MARKS = ',;:<>@.';
const SPACE = /[\s]+/y;
// A control character is in no word; octets above 127 are (RFC 6532).
const WORD = /[^\s()<>[\]:;@\\,."\p{Cc}]+/uy;
const QUOTED = /"((?:[^"\\]|\\[\s\S])*)"/y;
const LITERAL = /\[(?:[^[\]\\]|\\[\s\S])*\]/y;

/** `limit`: so many addresses, and no more, are taken. */
export function parseAddressList(text: string, limit: number): Parsed<readonly ListedAddress[]> {
  const tokens = tokensOf(text);
  if (!tokens.ok) return tokens;
  const found: ListedAddress[] = [];
  const parts = partsOf(tokens.value);
  if (!parts.ok) return parts;
  for (const part of parts.value) {
    const address = addressIn(part);
    if (!address.ok) return address;
    if (address.value === undefined) continue;
    if (found.length >= limit) return unparsed(`more than ${limit} addresses`);
    found.push(address.value);
  }
  return parsed(found);
}

function tokensOf(text: string): Parsed<readonly Token[]> {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const space = matchAt(SPACE, text, at);
    if (space !== undefined) {
      at += space.length;
      continue;
    }
    const token = tokenAt(text, at);
    if (!token.ok) return token;
    tokens.push(token.value.token);
    at = token.value.end;
  }
  return parsed(tokens);
}

interface Taken {
  readonly token: Token;
  readonly end: number;
}

function tokenAt(text: string, at: number): Parsed<Taken> {
  const first = text.charAt(at);
  if (MARKS.includes(first)) return taken('mark', first, at + 1);
  if (first === '(') return commentAt(text, at);
  if (first === '"') {
    const quoted = matchAt(QUOTED, text, at);
    if (quoted === undefined) return unparsed('a quoted string has no end');
    return taken('quoted', unescaped(quoted.slice(1, -1)), at + quoted.length);
  }
  if (first === '[') {
    const literal = matchAt(LITERAL, text, at);
    return literal === undefined
      ? unparsed('an address literal has no end')
      : taken('literal', literal, at + literal.length);
  }
  const word = matchAt(WORD, text, at);
  return word === undefined ? unparsed(`unexpected ${shown(first)}`) : taken('word', word, at + word.length);
}

/** Comments nest (RFC 5322 §3.2.2). */
function commentAt(text: string, start: number): Parsed<Taken> {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '\\') at += 1;
    else if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    if (depth === 0) return taken('comment', unescaped(text.slice(start + 1, at)), at + 1);
    if (depth > MAX_COMMENT_DEPTH) return unparsed('comments are nested too deep');
  }
  return unparsed('a comment has no end');
}

function taken(kind: Token['kind'], text: string, end: number): Parsed<Taken> {
  return parsed({ token: { kind, text }, end });
}

/** What stands between commas, without the names of groups. */
function partsOf(tokens: readonly Token[]): Parsed<readonly (readonly Token[])[]> {
  const parts: Token[][] = [];
  let part: Token[] = [];
  let inAngle = false;
  for (const token of tokens) {
    const mark = token.kind === 'mark' ? token.text : '';
    if (mark === '<' || mark === '>') inAngle = mark === '<';
    // A source route has commas and a colon of its own.
    const ends = inAngle ? undefined : ENDS.get(mark);
    // An address there would be looked at by nobody here, and taken for one of the list by others.
    if (ends === 'name' && !part.every(isOfPhrase)) return unparsed('the name of a group is no phrase');
    if (ends === 'address') parts.push(part);
    if (ends === undefined) part.push(token);
    else part = [];
  }
  parts.push(part);
  return parsed(parts);
}

/** What stood before these. */
const ENDS: ReadonlyMap<string, 'address' | 'name'> = new Map([
  [',', 'address'],
  [';', 'address'],
  [':', 'name'],
]);

/** Undefined: nothing stands there. */
function addressIn(part: readonly Token[]): Parsed<ListedAddress | undefined> {
  const open = part.findIndex(isMark('<'));
  if (open === -1) {
    const words = part.filter(({ kind }) => kind !== 'comment');
    return words.length === 0 ? parsed(undefined) : named(commentOf(part), addressOf(words));
  }
  const close = part.findIndex(isMark('>'));
  if (close < open) return unparsed("'>' is missing or stands alone");
  const behind = part.slice(close + 1).filter(({ kind }) => kind !== 'comment');
  if (behind.length > 0) return unparsed("something stands behind '>'");
  const name = part.slice(0, open).filter(({ kind }) => kind !== 'comment');
  const inside = part.slice(open + 1, close).filter(({ kind }) => kind !== 'comment');
  const address = withoutRoute(inside);
  if (!address.ok) return address;
  const found = named(nameOf(name), addressOf(address.value));
  return found.ok && name.some(isMark('@'))
    ? parsed({ ...found.value, addressInName: name.map(({ text }) => text).join('') })
    : found;
}

/** RFC 5322 §3.2.5, with the dots of §4.1. */
function isOfPhrase({ kind, text }: Token): boolean {
  return kind === 'word' || kind === 'quoted' || kind === 'comment' || (kind === 'mark' && text === '.');
}

function named(name: string, address: Parsed<string>): Parsed<ListedAddress> {
  return address.ok ? parsed({ name, address: address.value }) : address;
}

/** `@a.example,@b.example:` (RFC 5322 §4.4) is passed over. */
function withoutRoute(tokens: readonly Token[]): Parsed<readonly Token[]> {
  const [first] = tokens;
  const end = tokens.findIndex(isMark(':'));
  if (first === undefined || !isMark('@')(first) || end === -1) return parsed(tokens);
  const wrong = hopsIn(tokens.slice(0, end)).find(
    (hop) => !isMark('@')(hop[0] ?? first) || !dotted(hop.slice(1), 'host').ok,
  );
  return wrong === undefined ? parsed(tokens.slice(end + 1)) : unparsed('a source route is not of hosts');
}

function hopsIn(route: readonly Token[]): readonly (readonly Token[])[] {
  const hops: Token[][] = [[]];
  for (const token of route)
    if (isMark(',')(token)) hops.push([]);
    else hops.at(-1)?.push(token);
  return hops.filter((hop) => hop.length > 0);
}

function addressOf(tokens: readonly Token[]): Parsed<string> {
  const at = tokens.findIndex(isMark('@'));
  const local = dotted(at === -1 ? tokens : tokens.slice(0, at), 'local part');
  if (!local.ok) return local;
  const quoted = formatMailbox({ localPart: local.value, domain: '' });
  if (at === -1) return parsed(quoted);
  const behind = tokens.slice(at + 1);
  if (behind.some(({ kind }) => kind === 'quoted')) return unparsed('a domain stands in quotes');
  const domain = dotted(behind, 'domain');
  return domain.ok ? parsed(`${quoted}@${domain.value}`) : domain;
}

/** Words with dots between them. */
function dotted(tokens: readonly Token[], what: string): Parsed<string> {
  if (tokens.length === 0) return unparsed(`${what} is missing`);
  const wrong = tokens.find(({ kind, text }) => kind === 'mark' && text !== '.');
  if (wrong !== undefined) return unparsed(`unexpected ${shown(wrong.text)} in address`);
  const apart = tokens.findIndex(({ kind }, i) => i > 0 && kind !== 'mark' && tokens[i - 1]?.kind !== 'mark');
  if (apart !== -1)
    return unparsed(`no comma or angle bracket between ${shown(textOf(tokens, apart - 1))} and what follows`);
  return parsed(tokens.map(({ text }) => text).join(''));
}

function textOf(tokens: readonly Token[], at: number): string {
  return tokens[at]?.text ?? '';
}

function nameOf(tokens: readonly Token[]): string {
  let name = '';
  for (const { kind, text } of tokens) name += kind === 'mark' || name === '' ? text : ` ${text}`;
  return name;
}

function commentOf(tokens: readonly Token[]): string {
  return tokens.findLast(({ kind }) => kind === 'comment')?.text.trim() ?? '';
}

function isMark(mark: string): (token: Token) => boolean {
  return ({ kind, text }) => kind === 'mark' && text === mark;
}

function unescaped(text: string): string {
  return text.replaceAll(/\\([\s\S])/g, '$1').replaceAll(/\r\n(?=[ \t])/g, '');
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

// Long enough to find the place, short enough for a line of an error.
const MAX_SHOWN = 40;

function shown(text: string): string {
  return JSON.stringify(text.slice(0, MAX_SHOWN));
}
