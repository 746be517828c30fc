/**
 * What is done to a message that a logged-in user submits, and what it may not be (RFC 6409 §6, §8): who stands in From
 * and Sender must be whom the user may send as; From, Date, Message-ID and MIME-Version are added when they are missing,
 * addresses without a domain get the sender's, and Bcc is taken out.
 *
 * Before signing, so that what is signed is what goes out. A field that is whole stays as it is, octet for octet.
 */

import { parseAddressList } from '../mail/address-list.ts';
import { fieldValue, hasStrayLine, type HeaderField, headerFields } from '../mail/header.ts';
import { type Identity } from '../mail/identity.ts';
import { formatMailbox, parseMailbox, type ReversePath } from '../mail/path.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { completeHeader } from './header-completion.ts';
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
/** Of them `completeHeader` reads no more. */
const MAX_FIELDS = 5000;
const AUTHORS: ReadonlyMap<string, string> = new Map([
  ['from', 'From'],
  ['sender', 'Sender'],
  ['resent-from', 'Resent-From'],
  ['resent-sender', 'Resent-Sender'],
]);
const MIME_VERSION = 'MIME-Version: 1.0\r\n';
const UNFINISHED = reply(550, '5.6.0', 'The message has no From field, and a null reverse-path to take it from');

/** The header section with its empty line, in order; or why the message is refused. */
export function userHeader(section: Buffer, facts: UserMailFacts): Buffer | Reply {
  const { reversePath } = facts;
  const fields = headerFields(section, Infinity);
  const names = new Set(fields.map(({ name }) => name));
  const again = fields.some(({ name }) => name.startsWith('resent-'));
  const refusal = formRefusal(section, fields) ?? authorRefusal(section, fields, facts);
  if (refusal !== undefined) return refusal;
  if (!names.has('from') && (again || reversePath === null)) return UNFINISHED;
  const end = fields.at(-1)?.end ?? 0;
  const mime = names.has('content-type') && !names.has('mime-version') ? MIME_VERSION : '';
  return Buffer.concat([completed(section.subarray(0, end), facts), Buffer.from(mime), section.subarray(end)]);
}

function completed(fields: Buffer, { reversePath, hostname, date, id }: UserMailFacts): Buffer {
  const address = reversePath === null ? '' : formatMailbox(reversePath);
  return completeHeader(fields, {
    ...{ address, fullName: '', date, id, hostname },
    domain: domainFor({ reversePath, hostname }),
  });
}

/** Of addresses without one. */
function domainFor({ reversePath, hostname }: Pick<UserMailFacts, 'reversePath' | 'hostname'>): string {
  return reversePath?.domain ?? hostname;
}

/** What others would read otherwise than we do: a From field behind a line that is none must not pass unseen. */
function formRefusal(section: Buffer, fields: readonly HeaderField[]): Reply | undefined {
  if (hasStrayLine(section, fields)) return reply(550, '5.6.0', 'A line of the header section is no header field');
  if (fields.length > MAX_FIELDS) return reply(550, '5.6.0', `More than ${MAX_FIELDS} header fields`);
  const authors = fields.filter(({ name }) => name === 'from').length;
  return authors > 1 ? reply(550, '5.6.0', 'More than one From field') : undefined;
}

/** The fields that say whose a message is name only those whom the user may send as. */
function authorRefusal(section: Buffer, fields: readonly HeaderField[], facts: UserMailFacts): Reply | undefined {
  for (const field of fields) {
    const name = AUTHORS.get(field.name);
    if (name === undefined) continue;
    const list = parseAddressList(fieldValue(section, field), MAX_AUTHORS);
    if (!list.ok) return reply(550, '5.6.0', `The ${name} field cannot be read: ${list.reason}`);
    if (list.value.length === 0) return reply(550, '5.6.0', `The ${name} field names nobody`);
    for (const { address } of list.value) if (!mayStand(facts, address)) return notTheirs(facts.identity, name);
  }
  return undefined;
}

/** As it will stand there: one without a domain gets the sender's. */
function mayStand(facts: UserMailFacts, address: string): boolean {
  const mailbox = parseMailbox(address.includes('@') ? address : `${address}@${domainFor(facts)}`);
  return mailbox.ok && maySendAs(facts.identity, mailbox.value);
}

function notTheirs({ user }: Identity, name: string): Reply {
  return reply(
    550,
    '5.7.1',
    `The user ${user} may not send as who stands in ${name}: none of its allowed senders matches`,
  );
}
