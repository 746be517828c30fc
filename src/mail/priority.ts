/** Priorities of messages between MTAs that trust each other, -9 to 9 (RFC 6710), and the class that each leads to. */

import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { type PriorityClass } from './priority-class.ts';

export function parsePriority(value: string | undefined): Parsed<number> {
  return value !== undefined && /^(?:0|-?[1-9])$/.test(value) ? parsed(Number(value)) : unparsed('-9 to 9');
}

/** 0 is what a message has of which nobody says anything: it says nothing of a class either. */
export function classOfPriority(priority: number): PriorityClass | undefined {
  if (priority === 0) return undefined;
  return priority > 0 ? 'transactional' : 'bulk';
}
