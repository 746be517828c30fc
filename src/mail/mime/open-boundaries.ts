/**
 * The boundaries that are open at a place of a message, from the outermost multipart to the innermost (RFC 2046 §5.1.1).
 *
 * A line is looked up and not compared with each: many lines begin with `--`, and multiparts may be nested deep. Two may
 * have the same boundary, and one may be the beginning of another.
 */

export interface Delimiting {
  /** What was given when the boundary was opened. */
  readonly level: number;
  readonly how: 'opens' | 'closes';
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const DASHES = '--';

export class OpenBoundaries {
  /** By the line, read as Latin-1, the levels that it opens a part of. */
  readonly #levels = new Map<string, number[]>();

  /** Levels are opened in ascending order. The boundary does not end with white space. */
  open(boundary: string, level: number): void {
    const key = keyOf(boundary);
    const levels = this.#levels.get(key);
    if (levels === undefined) this.#levels.set(key, [level]);
    else levels.push(level);
  }

  /** The innermost level with this boundary is over. */
  close(boundary: string): void {
    const key = keyOf(boundary);
    const levels = this.#levels.get(key);
    levels?.pop();
    if (levels?.length === 0) this.#levels.delete(key);
  }

  /** Of which boundary it is a line: of the innermost outside of the level `within`. */
  find(line: Buffer, within = Infinity): Delimiting | undefined {
    if (this.#levels.size === 0) return undefined;
    const text = line.toString('latin1', 0, textEnd(line));
    const opens = this.#innermost(text, within);
    const closes = text.endsWith(DASHES) ? this.#innermost(text.slice(0, -DASHES.length), within) : undefined;
    // One of a multipart may be another's with its dashes.
    if (closes !== undefined && (opens === undefined || closes > opens)) return { level: closes, how: 'closes' };
    return opens === undefined ? undefined : { level: opens, how: 'opens' };
  }

  /** No level but the innermost of all is ever passed over, so that this looks at two. */
  #innermost(key: string, within: number): number | undefined {
    return this.#levels.get(key)?.findLast((level) => level < within);
  }
}

function keyOf(boundary: string): string {
  return Buffer.from(`${DASHES}${boundary}`, 'utf8').toString('latin1');
}

/** Without its line end, and the white space that may stand before it. */
function textEnd(line: Buffer): number {
  let end = line.length;
  if (line[end - 1] === LF) end -= 1;
  if (line[end - 1] === CR) end -= 1;
  while (line[end - 1] === SPACE || line[end - 1] === TAB) end -= 1;
  return end;
}
