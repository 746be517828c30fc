/** The options of telling senders what became of their mail. */

import { choice, count, octets } from '../lib/schema.ts';
import { DSN_DEFAULTS } from './compose.ts';

export const BOUNCE_OPTIONS = {
  maxReturnedOctets: octets(
    DSN_DEFAULTS.maxReturnedOctets,
    'A message up to this size is returned whole, if it is returned whole at all.',
  ),
  returnUnasked: choice(
    ['HDRS', 'FULL'],
    DSN_DEFAULTS.returnUnasked,
    'What a failure returns when the sender did not say: the header section, which spares a forged sender the content, or all.',
  ),
  doubleBounce: choice(
    ['postmaster', 'nobody'],
    DSN_DEFAULTS.doubleBounce,
    'Who hears of notifications that could not be delivered.',
  ),
  perSenderAndHour: count(100, 'Notifications to one sender in an hour; beyond that one summary.', { min: 1 }),
  sendersRemembered: count(10_000, 'Senders counted at once; beyond that the hour of the oldest ends early.', {
    min: 1,
    max: 1_000_000,
  }),
};
