/**
 * Puts a domain behind each address of a list that has none (RFC 6409 §8.1). What else stands in the list stays: groups,
 * comments, quotes, routes, other addresses.
 *
 * Only around such an address more is done. It begins a line, since a list of them becomes much longer; and its name and
 * comments, where they are not ASCII, become encoded-words, with which it goes to servers without SMTPUTF8.
 */

import { hasDomain, type ListedAddress, parseAddressList } from './address-list.ts';
import { type Token } from './address-tokens.ts';
import { encodeWords } from './encoded-word.ts';

export interface Completed {
  readonly text: string;
  /** So many addresses have got the domain. */
  readonly count: number;
}

interface Change {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The value of a field, folded as it stands there. Undefined: it cannot be read, or more than `most` addresses lack a domain. */
export function withDomain(text: string, domain: string, most: number): Completed | undefined {
  const listed = parseAddressList(text, Infinity);
  const bare = listed.ok ? listed.value.filter(({ address }) => !hasDomain(address)) : [];
  if (!listed.ok || bare.length > most) return undefined;
  const changes = bare.flatMap((one) => [...lineEnd(text, one), ...encoded(text, one), completed(text, one, domain)]);
  return { text: changed(text, changes), count: bare.length };
}

function changed(text: string, changes: readonly Change[]): string {
  const pieces: string[] = [];
  let at = 0;
  for (const change of changes.toSorted((a, b) => a.start - b.start)) {
    pieces.push(text.slice(at, change.start), change.text);
    at = change.end;
  }
  return [...pieces, text.slice(at)].join('');
}

/** A comment inside of it stays; without one it is written as it must be. */
function completed(text: string, { address, place: { start, end } }: ListedAddress, domain: string): Change {
  const given = text.slice(start, end);
  return { start, end, text: `${given.includes('(') ? given : address}@${domain}` };
}

function lineEnd(text: string, { place: { from } }: ListedAddress): readonly Change[] {
  if (from === undefined || stands(/[ \t]*\r\n/y, text, from)) return [];
  return [{ start: from, end: from, text: stands(/[ \t]/y, text, from) ? '\r\n' : '\r\n\t' }];
}

function stands(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at;
  return pattern.test(text);
}

function encoded(text: string, { place }: ListedAddress): readonly Change[] {
  // A comment inside of the address stays as it is.
  const beside = place.part.filter((token) => token.end <= place.start || token.start >= place.end);
  return runsOf(beside).map((run) => {
    const [first, last] = [run[0], run.at(-1)];
    const { start, end } = { start: first?.start ?? 0, end: last?.end ?? 0 };
    const words = encodeWords(run.map((token) => token.text).join(' '));
    if (first?.kind === 'comment') return { start, end, text: `(${words})` };
    // RFC 2047 §5: between an encoded-word and anything else stands white space, behind the colon too.
    const before = stands(/\s/y, text, start - 1) ? '' : ' ';
    return { start, end, text: `${before}${words}${stands(/\s/y, text, end) ? '' : ' '}` };
  });
}

/** What is not ASCII: each comment, and words of the name that stand together. */
function runsOf(beside: readonly Token[]): readonly (readonly Token[])[] {
  const runs: Token[][] = [];
  const bracket = beside.findIndex(({ kind, text }) => kind === 'mark' && text === '<');
  let open: Token[] | undefined;
  for (const [i, token] of beside.entries()) {
    const what = encodable(token, i < bracket ? 'name' : 'other');
    if (what === 'word' && open !== undefined) open.push(token);
    else {
      const run = [token];
      if (what !== undefined) runs.push(run);
      open = what === 'word' ? run : undefined;
    }
  }
  return runs;
}

function encodable({ kind, text }: Token, of: 'name' | 'other'): 'word' | 'comment' | undefined {
  if (/^\p{ASCII}*$/u.test(text)) return undefined;
  if (kind === 'comment') return kind;
  return of === 'name' && (kind === 'word' || kind === 'quoted') ? 'word' : undefined;
}
