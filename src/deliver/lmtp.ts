/**
 * Delivery by LMTP (RFC 2033), over TCP or a local socket: the SMTP machinery, and a look for loops before it.
 * The open connection of the slot is kept when there is nothing to send.
 */

import { type Outcome } from '../mail/outcome.ts';
import { type Dispatch } from '../queue/dispatch.ts';
import { type OutgoingContent } from './content.ts';
import { deliveredBefore, isLoop, LOOP } from './final-delivery.ts';
import { reportOf, sameForAll } from './report.ts';
import { type Attempted } from './smtp/attempt.ts';
import { type SmtpConnection } from './smtp/connection.ts';

/** `attempt` makes one for the recipients that are in no loop. */
export async function deliverByLmtp(
  dispatch: Dispatch,
  content: OutgoingContent,
  held: SmtpConnection | undefined,
  attempt: (dispatch: Dispatch) => Promise<Attempted>,
): Promise<Attempted> {
  const before = await deliveredBefore(content);
  const recipients = dispatch.recipients.filter((recipient) => !isLoop(before, recipient));
  if (recipients.length === 0) return { report: reportOf(dispatch, sameForAll(dispatch, LOOP)), connection: held };
  const { report, connection } = await attempt({ ...dispatch, recipients });
  const outcomes = dispatch.recipients.map((recipient): Outcome => {
    return report.outcomes[recipients.indexOf(recipient)] ?? LOOP;
  });
  return { report: { ...report, outcomes }, connection };
}
