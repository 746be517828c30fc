/** Mistakes that this suite must find, each with the cases that show it. */

import { type Fault } from '../suite.ts';
import { type Case } from './cases.ts';

export const FAULTS: readonly Fault[] = [];

const SHOWN_BY: Readonly<Record<string, readonly string[]>> = {};

/** All cases, or those in which a planted fault shows. */
export function casesFor(cases: readonly Case[], fault: Fault | undefined): readonly Case[] {
  const names = fault === undefined ? undefined : SHOWN_BY[fault.name];
  return names === undefined ? cases : cases.filter(({ name }) => names.includes(name));
}
