/** Folds lines of a header section that are too long (RFC 5322 §2.1.1, §2.2.3). */

import { type Edit } from './edits.ts';
import { MAX_LINE_OCTETS } from './body-facts.ts';

// RFC 5322 §2.1.1: no longer than that, where it can be.
const GOOD_LINE_OCTETS = 78;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

/** One for all of them: there may be very many. */
const LINE_END = Buffer.from('\r\n');

/**
 * Line ends put in before white space; undefined where a line has none to fold it at. `start`: of the section in the whole content.
 * Time is linear in the section.
 */
export function foldingEdits(section: Buffer, start = 0): readonly Edit[] | undefined {
  const edits: Edit[] = [];
  for (let at = 0; at < section.length;) {
    const lf = section.indexOf(LF, at);
    const next = lf === -1 ? section.length : lf + 1;
    const end = lf === -1 ? next : section[lf - 1] === CR ? lf - 1 : lf;
    if (end - at > MAX_LINE_OCTETS) {
      const folds = foldsOf(section, at, end);
      if (folds === undefined) return undefined;
      for (const fold of folds)
        edits.push({ kind: 'splice', start: start + fold, end: start + fold, octets: LINE_END });
    }
    at = next;
  }
  return edits;
}

function foldsOf(section: Buffer, start: number, end: number): readonly number[] | undefined {
  const folds: number[] = [];
  const last = lastText(section, start, end);
  let line = start;
  while (end - line > GOOD_LINE_OCTETS) {
    const fold = foldIn(section, line, last);
    if (fold === undefined) return end - line > MAX_LINE_OCTETS ? undefined : folds;
    folds.push(fold);
    line = fold;
  }
  return folds;
}

/**
 * White space with something on both sides of it: the last in a good line, or else the first in one that is allowed;
 * behind the field name only where there is no other. `last`: behind the last text of the whole line.
 */
function foldIn(section: Buffer, line: number, last: number): number | undefined {
  let found: number | undefined;
  let behindName: number | undefined;
  for (let at = textFrom(section, line, last); at < last && at - line <= MAX_LINE_OCTETS; at += 1) {
    if (found !== undefined && at - line > GOOD_LINE_OCTETS) break;
    if (!isBlank(section[at]) || isBlank(section[at - 1])) continue;
    if (section[at - 1] === COLON && behindName === undefined) behindName = at;
    else found = at;
  }
  return found ?? behindName;
}

function textFrom(section: Buffer, from: number, end: number): number {
  let at = from;
  while (at < end && isBlank(section[at])) at += 1;
  return at;
}

function lastText(section: Buffer, start: number, end: number): number {
  let last = end;
  while (last > start && isBlank(section[last - 1])) last -= 1;
  return last;
}

function isBlank(octet: number | undefined): boolean {
  return octet === SPACE || octet === TAB;
}
