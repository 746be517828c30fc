/**
 * Address lists as header fields and people write them (RFC 5322 §3.4): display names, groups, comments, quoted
 * strings, and the obsolete forms that are still about (source routes, empty places, `ann@example.com (Ann)`).
 *
 * It says which addresses there are; whether one of them can be mailed to is for `parseMailbox` to say. An address
 * may have no domain, as local users write them. Time and memory are linear in the text.
 */

import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { shown, type Token, tokensOf } from './address-tokens.ts';
import { formatMailbox } from './path.ts';

export interface ListedAddress {
  /** What stands before the angle brackets, or in the last comment of an address without any; `''` for nothing. */
  readonly name: string;
  /** `local-part@domain` with the local part quoted where it must be, or a local part alone. */
  readonly address: string;
  /** An address before the angle brackets, where only words belong: some readers take that one for it. Absent: none. */
  readonly addressInName?: string;
  readonly place: AddressPlace;
}

/** Offsets in the text. */
export interface AddressPlace {
  /** Behind the `,` or `;` that ends what stands before it in the list. Undefined: it is the first. */
  readonly from: number | undefined;
  /** The address itself: without brackets, and a route. */
  readonly start: number;
  readonly end: number;
  /** The address with its name, brackets and comments. */
  readonly part: readonly Token[];
}

/** `limit`: so many addresses, and no more, are taken. */
export function parseAddressList(text: string, limit: number): Parsed<readonly ListedAddress[]> {
  const tokens = tokensOf(text);
  if (!tokens.ok) return tokens;
  const found: ListedAddress[] = [];
  const parts = partsOf(tokens.value);
  if (!parts.ok) return parts;
  for (const { tokens: part, from } of parts.value) {
    const address = addressIn(part, from);
    if (!address.ok) return address;
    if (address.value === undefined) continue;
    if (found.length >= limit) return unparsed(`more than ${limit} addresses`);
    found.push(address.value);
  }
  return parsed(found);
}

/** An `@` inside a quoted local part is not the one before a domain. */
export function hasDomain(address: string): boolean {
  return /^(?:"(?:[^"\\]|\\.)*"|[^"@])*@/.test(address);
}

interface Part {
  readonly tokens: readonly Token[];
  readonly from: number | undefined;
}

/** What stands between commas, without the names of groups. */
function partsOf(tokens: readonly Token[]): Parsed<readonly Part[]> {
  const parts: Part[] = [];
  let part: Token[] = [];
  let from: number | undefined;
  let inAngle = false;
  for (const token of tokens) {
    const mark = token.kind === 'mark' ? token.text : '';
    if (mark === '<' || mark === '>') inAngle = mark === '<';
    // A source route has commas and a colon of its own.
    const ends = inAngle ? undefined : ENDS.get(mark);
    // An address there would be looked at by nobody here, and taken for one of the list by others.
    if (ends === 'name' && !part.every(isOfPhrase)) return unparsed('the name of a group is no phrase');
    if (ends === 'address') {
      parts.push({ tokens: part, from });
      from = token.end;
    }
    if (ends === undefined) part.push(token);
    else part = [];
  }
  parts.push({ tokens: part, from });
  return parsed(parts);
}

/** What stood before these. */
const ENDS: ReadonlyMap<string, 'address' | 'name'> = new Map([
  [',', 'address'],
  [';', 'address'],
  [':', 'name'],
]);

/** Undefined: nothing stands there. */
function addressIn(part: readonly Token[], from: number | undefined): Parsed<ListedAddress | undefined> {
  const open = part.findIndex(isMark('<'));
  if (open === -1) {
    const words = part.filter(isNoComment);
    return words.length === 0 ? parsed(undefined) : named(commentOf(part), words, { part, from });
  }
  const close = part.findIndex(isMark('>'));
  if (close < open) return unparsed("'>' is missing or stands alone");
  if (part.slice(close + 1).some(isNoComment)) return unparsed("something stands behind '>'");
  const name = part.slice(0, open).filter(isNoComment);
  const address = withoutRoute(part.slice(open + 1, close).filter(isNoComment));
  if (!address.ok) return address;
  const found = named(nameOf(name), address.value, { part, from });
  return found.ok && name.some(isMark('@'))
    ? parsed({ ...found.value, addressInName: name.map(({ text }) => text).join('') })
    : found;
}

function isNoComment({ kind }: Token): boolean {
  return kind !== 'comment';
}

interface Around {
  readonly part: readonly Token[];
  readonly from: number | undefined;
}

function named(name: string, words: readonly Token[], { part, from }: Around): Parsed<ListedAddress> {
  const address = addressOf(words);
  if (!address.ok) return address;
  const start = words[0]?.start ?? 0;
  const end = words.at(-1)?.end ?? 0;
  return parsed({ name, address: address.value, place: { from, start, end, part } });
}

/** RFC 5322 §3.2.5, with the dots of §4.1. */
function isOfPhrase({ kind, text }: Token): boolean {
  return kind === 'word' || kind === 'quoted' || kind === 'comment' || (kind === 'mark' && text === '.');
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
