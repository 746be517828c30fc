/**
 * The Content-Type field as far as the structure of a message needs it (RFC 2045 §5.1, RFC 2046 §5.1.1).
 *
 * What readers do not all read alike is said to be unclear: two boundaries, one in the pieces of RFC 2231, text between
 * the parameters. Nobody changes a part whose structure is unclear.
 */

export interface ContentType {
  /** Lower case, `type/subtype`. */
  readonly type: string;
  /** Of a multipart. */
  readonly boundary: string | undefined;
  readonly clear: boolean;
}

const TYPE = /^\s*([a-z0-9!#$%&'*+.^_`|{}~-]+\/[a-z0-9!#$%&'*+.^_`|{}~-]+)\s*(?=;|$)/i;
// White space behind the `=` is taken whole: before a value that is empty it could be parted in as many ways as it is long.
const PARAMETER = /\s*;\s*(?:([^\s=;"]+)\s*=(?=(\s*))\2("(?:[^"\\]|\\.)*"|[^\s;"]*)\s*(?=;|$))?/y;
/** RFC 2046 §5.1.1 has 70; longer ones occur, and readers take them. */
const MAX_BOUNDARY = 256;

/** The unfolded value of a Content-Type field. */
export function parseContentType(value: string): ContentType {
  const text = withoutComments(value);
  const type = TYPE.exec(text);
  if (type === null) return { type: 'text/plain', boundary: undefined, clear: false };
  const name = (type[1] ?? '').toLowerCase();
  // Of other types no parameter is needed.
  if (!name.startsWith('multipart/')) return { type: name, boundary: undefined, clear: true };
  const boundary = boundaryIn(text, type[0].length);
  return { type: name, boundary, clear: boundary !== undefined };
}

function boundaryIn(text: string, from: number): string | undefined {
  const found: string[] = [];
  PARAMETER.lastIndex = from;
  for (let at = from; at < text.length; at = PARAMETER.lastIndex) {
    const match = PARAMETER.exec(text);
    if (match === null) return undefined;
    const [, name = '', , value = ''] = match;
    if (/^boundary\*/i.test(name)) return undefined;
    if (name.toLowerCase() === 'boundary') found.push(unquoted(value).trimEnd());
  }
  const [boundary = '', ...others] = found;
  return others.length > 0 || boundary === '' || boundary.length > MAX_BOUNDARY ? undefined : boundary;
}

function unquoted(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value;
}

/** RFC 822 comments, which may be nested, outside of quoted strings. */
export function withoutComments(value: string): string {
  if (!value.includes('(')) return value.trim();
  let kept = '';
  let depth = 0;
  for (const [token] of value.matchAll(/\\.|"(?:[^"\\]|\\.)*"|[()]|[^\\"()]+|["\\]/gs)) {
    if (token === '(') depth += 1;
    if (depth === 0) kept += token;
    if (token === ')' && depth > 0) depth -= 1;
  }
  return kept.trim();
}
