/** The limits of sending by name, and the stricter of two. */

import { type SendingLimits } from '../mail/identity.ts';

export const SENDING_LIMITS = [
  'messagesPerHour',
  'messagesPerDay',
  'recipientsPerHour',
  'recipientsPerDay',
  'recipientsPerMessage',
  'messageOctets',
] as const satisfies readonly (keyof SendingLimits)[];

export function stricter(one: SendingLimits, other: SendingLimits): SendingLimits {
  const both = SENDING_LIMITS.flatMap((name) => {
    const least = Math.min(one[name] ?? Infinity, other[name] ?? Infinity);
    return least === Infinity ? [] : [[name, least] as const];
  });
  return Object.fromEntries(both);
}
