/** What a sender asked to be told (RFC 3461 §4.1, §5.2). */

import { type Recipient } from './envelope.ts';
import { type NoticeAction } from './notice.ts';

/**
 * Whether this recipient's fate is to be told. Without NOTIFY a sender hears of failures and of delays
 * (RFC 3461 §5.2.1 leaves delays to us); of success only if it was asked for.
 */
export function wantsNotice({ notify }: Pick<Recipient, 'notify'>, action: NoticeAction): boolean {
  if (notify === undefined || notify.length === 0) return action === 'failed' || action === 'delayed';
  if (notify.includes('NEVER')) return false;
  if (action === 'failed') return notify.includes('FAILURE');
  return notify.includes(action === 'delayed' ? 'DELAY' : 'SUCCESS');
}
