/**
 * Says how content becomes fit for every SMTP server before it is signed: 7-bit, in lines of at most 998 octets
 * (RFC 2045 §6, RFC 6152 §3, RFC 5322 §2.1.1).
 *
 * Only parts that need it are encoded: text that is mostly ASCII as quoted-printable, anything else as base64; encoded
 * parts with lines that are too long get line ends. What is signed or encrypted as a whole is never changed, nor what RFC 2046
 * forbids to encode, nor what readers would not all read alike. If any of that has 8-bit octets, the message stays as
 * 8-bit as it is: no server that takes 7-bit lines only could take it whatever is done to the rest.
 */

import { type EnhancedStatus } from '../reply.ts';
import { type Edit } from './edits.ts';
import { encodingEdits, type Entity } from './entity.ts';
import { type Mending } from './encoders.ts';
import { foldingEdits } from './fold.ts';
import { type Found, isPlain, type LongHeader, MimeWalk, type WalkResult } from './walk.ts';

export interface FitRules {
  readonly eightBit: 'repair' | 'leave';
  readonly longLines: 'repair' | 'leave';
}

export interface Fit {
  /** In order; none: the content stays as it is. */
  readonly edits: readonly Edit[];
  /** A line of a part's header section is too long, and cannot be folded. */
  readonly unfoldable: boolean;
  /** Why content that is 8-bit stays so. */
  readonly obstacle?: Obstacle | undefined;
}

export interface Obstacle {
  readonly status: EnhancedStatus;
  readonly reason: string;
}

const TOO_MUCH: Fit = {
  ...{ edits: [], unfoldable: false },
  obstacle: {
    status: '5.6.1',
    reason: 'the MIME structure is too deep, or has too many parts or long lines, to be converted',
  },
};
const HEADER_NOT_ASCII: Obstacle = { status: '5.6.7', reason: 'the header section is not ASCII' };

/** Of all header sections: more stand in no message of a person, and each is kept until the content is stored. */
export const MAX_FOLDS = 100_000;

/** Takes the whole content, header section and all, in blocks. */
export class ContentFit {
  readonly #walk = new MimeWalk((header) => this.#fold(header));
  readonly #rules: FitRules;
  readonly #folds: Edit[] = [];
  #unfoldable = false;

  constructor(rules: FitRules) {
    this.#rules = rules;
  }

  push(block: Buffer): void {
    if (!this.#tooMuch) this.#walk.push(block);
  }

  end(): Fit {
    const walked = this.#walk.end();
    if (walked.kind === 'tooMuch' || this.#tooMuch) return TOO_MUCH;
    return fitOf(walked, this.#rules, this.#unfoldable ? undefined : this.#folds);
  }

  get #tooMuch(): boolean {
    return this.#folds.length > MAX_FOLDS;
  }

  #fold({ section, start }: LongHeader): void {
    if (this.#rules.longLines === 'leave' || this.#unfoldable || this.#tooMuch) return;
    const edits = foldingEdits(section, start);
    this.#unfoldable = edits === undefined;
    // Where one line stays too long, folds in others are of no use.
    if (edits === undefined) this.#folds.length = 0;
    else for (const edit of edits) this.#folds.push(edit);
  }
}

function fitOf(walked: WalkResult, rules: FitRules, folds: readonly Edit[] | undefined): Fit {
  const ways = walked.found.map(wayOf);
  const blocked = walked.found.find(({ facts }, i) => ways[i] === undefined && facts.isEightBit);
  const obstacle = walked.asciiHeaders ? blocked && obstacleOf(blocked) : HEADER_NOT_ASCII;
  const eightBit = rules.eightBit === 'repair' && obstacle === undefined;
  const longLines = rules.longLines === 'repair';
  const changes = walked.found.map(({ facts }, i) =>
    (facts.isEightBit && eightBit) || (facts.hasLongLine && longLines) ? ways[i] : undefined,
  );
  const edits = [...partEdits(walked.found, changes), ...containerEdits(walked, changes), ...(folds ?? [])];
  return { edits: inOrder(edits), unfoldable: folds === undefined, obstacle };
}

type Changes = readonly (Mending | undefined)[];

function partEdits(found: readonly Found[], changes: Changes): readonly Edit[] {
  return found.flatMap((one, i) => {
    const how = changes[i];
    return how === undefined ? [] : editsOf(one, how);
  });
}

/** What says that it has 8-bit parts says otherwise when nothing but 7-bit lines is left. */
function containerEdits({ containers, found }: WalkResult, changes: Changes): readonly Edit[] {
  return containers.flatMap(({ entity, from, to }) => {
    const within = changes.slice(from, to);
    const changed = isDeclared(entity) && within.some((how) => how !== undefined);
    const left = within.some((how, i) => how === undefined && found[from + i]?.facts.isEightBit);
    return changed && !left ? encodingEdits(entity, '7bit', undefined) : [];
  });
}

function obstacleOf({ entity: { type, encoding } }: Found): Obstacle {
  if (type === 'multipart/signed' || type === 'multipart/encrypted')
    return { status: '5.6.3', reason: `a part of type ${type} is 8-bit and must not be changed` };
  if (type.startsWith('message/'))
    return { status: '5.6.3', reason: `a part of type ${type} is 8-bit and must not be encoded` };
  return {
    status: '5.6.1',
    reason: `a part of type ${type} (${encoding === 'none' ? 'no encoding' : encoding}) is not what it says, and cannot be converted`,
  };
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
