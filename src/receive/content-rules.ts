/**
 * What our own clients' content must be like (RFC 6409 §8): 7-bit where it is signed, so that no later hop has to change
 * it and break the signature, and in lines that every server takes.
 *
 * Content that carries a signature of somebody else stays as it is: it would be worth nothing afterwards.
 */

import { isAscii } from 'node:buffer';
import { headerFields } from '../mail/header.ts';
import { MAX_LINE_OCTETS } from '../mail/mime/body-facts.ts';
import { ContentEditor } from '../mail/mime/edits.ts';
import { type FitRules } from '../mail/mime/fit.ts';
import { foldingEdits } from '../mail/mime/fold.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { type FormRule, type RuleOutcome } from './form-rule-names.ts';

export interface ContentRules {
  readonly eightBit: RuleOutcome;
  readonly longLine: RuleOutcome;
  /** BODY=BINARYMIME: lines may be none. */
  readonly binary: boolean;
}

const LF = 0x0a;
const MAX_LINE = MAX_LINE_OCTETS + 2;
const SIGNATURES = new Set(['dkim-signature', 'arc-message-signature', 'arc-seal']);

export const EIGHT_BIT = reply(554, '5.6.1', 'The content is not 7-bit (submission.refuseIf: eightBit)');
const LONG_LINE = reply(
  554,
  '5.6.0',
  `A line is longer than ${MAX_LINE_OCTETS} octets (submission.refuseIf: longLine)`,
);
export const UNFOLDABLE = reply(
  554,
  '5.6.0',
  `A line of the header section is longer than ${MAX_LINE_OCTETS} octets, and has no white space to fold it at`,
);

/** A quick look at content as it comes: whether anything in it is not fit for every server. */
export class ContentWatch {
  eightBit: boolean;
  longLine = false;
  /** Of the line that is open. */
  #line = 0;

  constructor({ binary }: Pick<ContentRules, 'binary'>) {
    this.eightBit = binary;
  }

  push(chunk: Buffer): void {
    if (!this.eightBit && (!isAscii(chunk) || chunk.includes(0))) this.eightBit = true;
    if (!this.longLine) this.#lookAtLines(chunk);
  }

  end(): void {
    if (this.#line > MAX_LINE_OCTETS) this.longLine = true;
  }

  /** Not line by line: the last line end that is near enough will do. */
  #lookAtLines(chunk: Buffer): void {
    let at = 0;
    for (let next = MAX_LINE - this.#line; next <= chunk.length; next = at + MAX_LINE) {
      const lf = chunk.lastIndexOf(LF, next - 1);
      if (lf < at) {
        this.longLine = true;
        return;
      }
      at = lf + 1;
    }
    const last = chunk.lastIndexOf(LF);
    this.#line = last === -1 ? this.#line + chunk.length : chunk.length - last - 1;
  }
}

/** What may be done to the content of a message, by its header section; undefined: nothing. */
export function fitRules(section: Buffer, rules: ContentRules, signed: boolean): FitRules | undefined {
  if (headerFields(section).some(({ name }) => SIGNATURES.has(name))) return undefined;
  // Unsigned content is converted at a hop that needs it, if there ever is one.
  const eightBit = rules.eightBit === 'repair' && signed ? 'repair' : 'leave';
  const longLines = rules.longLine === 'repair' ? 'repair' : 'leave';
  return eightBit === 'leave' && longLines === 'leave' ? undefined : { eightBit, longLines };
}

/** The header section, its long lines folded; or why it is refused. */
export function fitSection(section: Buffer, rules: ContentRules): Buffer | Reply {
  if (rules.eightBit === 'refuse' && !isAscii(section)) return EIGHT_BIT;
  if (rules.longLine === 'leave') return section;
  const watch = new ContentWatch({ binary: false });
  watch.push(section);
  watch.end();
  if (!watch.longLine) return section;
  if (rules.longLine === 'refuse') return LONG_LINE;
  if (fitRules(section, rules, false) === undefined) return section;
  const edits = foldingEdits(section);
  if (edits === undefined) return UNFOLDABLE;
  const editor = new ContentEditor(edits);
  return Buffer.concat([...editor.push(section), ...editor.end()]);
}

/** What was put right, when something was, beside what had been before. */
export function withFit(before: readonly FormRule[], watch: ContentWatch, rules: FitRules): readonly FormRule[] {
  const more: FormRule[] = [];
  if (rules.eightBit === 'repair' && watch.eightBit) more.push('eightBit');
  if (rules.longLines === 'repair' && watch.longLine) more.push('longLine');
  return [...new Set([...before, ...more])];
}

/** Why content is refused, as far as it has come. */
export function contentRefusal(watch: ContentWatch, rules: ContentRules): Reply | undefined {
  if (rules.eightBit === 'refuse' && watch.eightBit) return EIGHT_BIT;
  return rules.longLine === 'refuse' && watch.longLine ? LONG_LINE : undefined;
}
