/**
 * Says how content becomes fit for every SMTP server before it is signed: 7-bit, in lines of at most 998 octets
 * (RFC 2045 §6, RFC 6152 §3, RFC 5322 §2.1.1).
 *
 * Only parts that need it are encoded: text that is mostly ASCII as quoted-printable, anything else as base64; encoded
 * parts with lines that are too long get line ends. What is signed or encrypted as a whole is never changed, nor what RFC 2046
 * forbids to encode, nor what readers would not all read alike. If any of that has 8-bit octets, the message stays as
 * 8-bit as it is: no server that takes 7-bit lines only could take it whatever is done to the rest.
 */

import { type Edit } from './edits.ts';
import { encodingEdits, type Entity } from './entity.ts';
import { type Mending } from './encoders.ts';
import { foldingEdits } from './fold.ts';
import { type Found, isPlain, MimeWalk, type WalkResult } from './walk.ts';

export interface FitRules {
  readonly eightBit: 'repair' | 'leave';
  readonly longLines: 'repair' | 'leave';
}

export interface Fit {
  /** In order; none: the content stays as it is. */
  readonly edits: readonly Edit[];
  /** A line of a part's header section is too long, and cannot be folded. */
  readonly unfoldable: boolean;
}

const NOTHING: Fit = { edits: [], unfoldable: false };

/** Takes the whole content, header section and all, in blocks. */
export class ContentFit {
  readonly #walk = new MimeWalk();
  readonly #rules: FitRules;

  constructor(rules: FitRules) {
    this.#rules = rules;
  }

  push(block: Buffer): void {
    this.#walk.push(block);
  }

  end(): Fit {
    const walked = this.#walk.end();
    return walked.kind === 'tooMuch' ? NOTHING : fitOf(walked, this.#rules);
  }
}

function fitOf(walked: WalkResult, rules: FitRules): Fit {
  const ways = walked.found.map(wayOf);
  const blocked = ways.some((way, i) => way === undefined && walked.found[i]?.facts.isEightBit);
  const eightBit = rules.eightBit === 'repair' && walked.asciiHeaders && !blocked;
  const wanted = walked.found.map(
    ({ facts }) => (facts.isEightBit && eightBit) || (facts.hasLongLine && rules.longLines === 'repair'),
  );
  const edits: Edit[] = [];
  for (const [i, found] of walked.found.entries()) {
    const way = ways[i];
    if (way !== undefined && wanted[i] === true) edits.push(...editsOf(found, way));
  }
  for (const { entity, from, to } of walked.containers) {
    const within = wanted.slice(from, to).map((one, i) => one && ways[from + i] !== undefined);
    if (isDeclared(entity) && within.includes(true) && isSevenBit(walked.found.slice(from, to), within))
      edits.push(...encodingEdits(entity, '7bit', undefined));
  }
  const folds = rules.longLines === 'repair' ? foldsOf(walked) : [];
  if (folds === undefined) return { edits: [], unfoldable: true };
  return { edits: inOrder([...edits, ...folds]), unfoldable: false };
}

/** What lies within another is gone with it: a fold in a field that is replaced. */
function inOrder(edits: readonly Edit[]): readonly Edit[] {
  let end = 0;
  return edits
    .toSorted((a, b) => a.start - b.start || b.end - a.end)
    .filter((edit) => {
      if (edit.start < end) return false;
      end = edit.end;
      return true;
    });
}

/** Undefined: it must not be changed, or cannot be. */
function wayOf({ kind, entity, facts, doubtful, last }: Found): Mending | undefined {
  if (kind === 'gap') return doubtful || facts.hasBareNewline ? undefined : 'mendGap';
  if (!entity.clear || !mayBeEncoded(entity.type)) return undefined;
  if (!isPlain(entity.encoding)) return wayToMend(entity, facts);
  if (isText(entity.type) && !facts.hasNul && facts.high * 4 <= facts.octets) return 'quoted-printable';
  return last ? 'base64Text' : 'base64';
}

function wayToMend({ encoding }: Entity, { hasBareNewline, isEightBit }: Found['facts']): Mending | undefined {
  if (encoding === 'quoted-printable') return hasBareNewline ? undefined : 'mendQuotedPrintable';
  return encoding === 'base64' && !isEightBit ? 'mendBase64' : undefined;
}

/** RFC 2046 §5: nothing that has parts; but what RFC 6532 §3.7 and RFC 6533 made of it may be. */
function mayBeEncoded(type: string): boolean {
  return !type.startsWith('multipart/') && (!type.startsWith('message/') || isGlobal(type));
}

function isText(type: string): boolean {
  return type.startsWith('text/') || isGlobal(type);
}

function isGlobal(type: string): boolean {
  return /^message\/global(?:$|-)/.test(type);
}

function editsOf({ kind, entity, facts, start, end }: Found, how: Mending): readonly Edit[] {
  const body: Edit = { kind: 'encode', start, end, how };
  if (kind === 'gap' || !isPlain(entity.encoding)) return [body];
  const charset = facts.high === 0 ? undefined : facts.isUtf8 ? 'utf-8' : 'unknown-8bit';
  return [...encodingEdits(entity, how === 'quoted-printable' ? how : 'base64', charset), body];
}

function isDeclared({ encoding }: Entity): boolean {
  return encoding === '8bit' || encoding === 'binary';
}

/** Whether nothing but 7-bit lines is left. */
function isSevenBit(found: readonly Found[], changed: readonly boolean[]): boolean {
  return found.every(({ facts }, i) => changed[i] === true || !facts.isEightBit);
}

function foldsOf({ longHeaders }: WalkResult): readonly Edit[] | undefined {
  const folds = longHeaders.map(({ section, start }) => foldingEdits(section, start));
  return folds.every((edits) => edits !== undefined) ? folds.flat() : undefined;
}
