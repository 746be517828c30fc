/** Parts a list of addresses into its tokens (RFC 5322 §3.2), each with its place. */

import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';

export interface Token {
  /** `mark`: one of `,;:<>@.` */
  readonly kind: 'word' | 'quoted' | 'literal' | 'comment' | 'mark';
  /** What it means: without quotes, parentheses and quoted pairs. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const MAX_COMMENT_DEPTH = 100;
const MARKS = ',;:<>@.';
const SPACE = /[\s]+/y;
// A control character is in no word; octets above 127 are (RFC 6532).
const WORD = /[^\s()<>[\]:;@\\,."\p{Cc}]+/uy;
const QUOTED = /"((?:[^"\\]|\\[\s\S])*)"/y;
const LITERAL = /\[(?:[^[\]\\]|\\[\s\S])*\]/y;

/** White space, and the ends of folded lines, stand between them. */
export function tokensOf(text: string): Parsed<readonly Token[]> {
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
    tokens.push(token.value);
    at = token.value.end;
  }
  return parsed(tokens);
}

function tokenAt(text: string, start: number): Parsed<Token> {
  const first = text.charAt(start);
  const taken = (kind: Token['kind'], octets: string, means = octets): Parsed<Token> =>
    parsed({ kind, text: means, start, end: start + octets.length });
  if (MARKS.includes(first)) return taken('mark', first);
  if (first === '(') return commentAt(text, start);
  if (first === '"') {
    const quoted = matchAt(QUOTED, text, start);
    if (quoted === undefined) return unparsed('a quoted string has no end');
    return taken('quoted', quoted, unescaped(quoted.slice(1, -1)));
  }
  if (first === '[') {
    const literal = matchAt(LITERAL, text, start);
    return literal === undefined
      ? unparsed('an address literal has no end')
      : taken('literal', literal, unfolded(literal));
  }
  const word = matchAt(WORD, text, start);
  return word === undefined ? unparsed(`unexpected ${shown(first)}`) : taken('word', word);
}

/** Comments nest (RFC 5322 §3.2.2). */
function commentAt(text: string, start: number): Parsed<Token> {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '\\') at += 1;
    else if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    if (depth === 0) return parsed({ kind: 'comment', text: unescaped(text.slice(start + 1, at)), start, end: at + 1 });
    if (depth > MAX_COMMENT_DEPTH) return unparsed('comments are nested too deep');
  }
  return unparsed('a comment has no end');
}

function unescaped(text: string): string {
  return unfolded(text.replaceAll(/\\([\s\S])/g, '$1'));
}

function unfolded(text: string): string {
  return text.replaceAll(/\r\n(?=[ \t])/g, '');
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

// Long enough to find the place, short enough for a line of an error.
const MAX_SHOWN = 40;

export function shown(text: string): string {
  return JSON.stringify(text.slice(0, MAX_SHOWN));
}
