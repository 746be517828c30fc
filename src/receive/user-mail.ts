/**
 * What is done to a message that a logged-in user submits, and what it may not be (RFC 6409 §6, §8): who stands in From
 * and Sender must be whom the user may send as; From, Date, Message-ID and MIME-Version are added when they are missing,
 * addresses without a domain get the sender's, and Bcc is taken out.
 *
 * Before signing, so that what is signed is what goes out. A field that is whole stays as it is, octet for octet.
 */

import { parseAddressList } from '../mail/address-list.ts';
import { fieldValue, headerFields } from '../mail/header.ts';
import { type Identity } from '../mail/identity.ts';
import { formatMailbox, parseMailbox, type ReversePath } from '../mail/path.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { completeHeader } from './local-header.ts';
import { maySendAs } from './session-logins.ts';

export interface UserMailFacts {
  readonly identity: Identity;
  readonly reversePath: ReversePath;
  readonly hostname: string;
  /** RFC 5322 date-time. */
  readonly date: string;
  /** What stands before the `@` of a Message-ID. */
  readonly id: string;
}

/** Authors of one message; more would be no message of a person. */
const MAX_AUTHORS = 100;
const MIME_VERSION = 'MIME-Version: 1.0\r\n';
const UNFINISHED = reply(550, '5.6.0', 'The message has no From field, and a null reverse-path to take it from');

/** The header section with its empty line, in order; or why the message is refused. */
export function userHeader(section: Buffer, facts: UserMailFacts): Buffer | Reply {
  const { reversePath, identity } = facts;
  const refusal = authorRefusal(section, identity);
  if (refusal !== undefined) return refusal;
  const fields = headerFields(section, Infinity);
  const names = new Set(fields.map(({ name }) => name));
  if (!names.has('from') && reversePath === null) return UNFINISHED;
  const end = fields.at(-1)?.end ?? 0;
  const complete = completeHeader(section.subarray(0, end), {
    ...{ address: reversePath === null ? '' : formatMailbox(reversePath), fullName: '' },
    ...{ date: facts.date, id: facts.id, hostname: facts.hostname },
    domain: reversePath?.domain ?? facts.hostname,
  });
  const mime = names.has('content-type') && !names.has('mime-version') ? MIME_VERSION : '';
  return Buffer.concat([complete, Buffer.from(mime), section.subarray(end)]);
}

/** From and Sender name only those whom the user may send as. */
function authorRefusal(section: Buffer, identity: Identity): Reply | undefined {
  for (const field of headerFields(section, Infinity)) {
    if (field.name !== 'from' && field.name !== 'sender') continue;
    const name = field.name === 'from' ? 'From' : 'Sender';
    const list = parseAddressList(fieldValue(section, field), MAX_AUTHORS);
    if (!list.ok) return reply(550, '5.6.0', `The ${name} field cannot be read: ${list.reason}`);
    for (const { address } of list.value) if (!mayStand(identity, address)) return notTheirs(identity, name);
  }
  return undefined;
}

/** One without a domain gets the sender's, which has been looked at. */
function mayStand(identity: Identity, address: string): boolean {
  if (!address.includes('@')) return true;
  const mailbox = parseMailbox(address);
  return mailbox.ok && maySendAs(identity, mailbox.value);
}

function notTheirs({ user }: Identity, name: string): Reply {
  return reply(
    550,
    '5.7.1',
    `The user ${user} may not send as who stands in ${name}: none of its allowed senders matches`,
  );
}
