/**
 * What is done to the header section of a message that is submitted, and what it may not be (RFC 6409 §6, §8): who stands in
 * From and Sender must be whom the user may send as; what the rules say is refused or put right: From, Date, Message-ID and
 * MIME-Version that are missing, addresses without a domain, Bcc, trace fields in our name.
 *
 * Before signing, so that what is signed is what goes out. A field that is whole stays as it is, octet for octet.
 */

import { hasDomain } from '../mail/address-list.ts';
import { HeaderSection } from '../mail/header-section.ts';
import { type Identity } from '../mail/identity.ts';
import { formatMailbox, parseMailbox, type ReversePath } from '../mail/path.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { type FormRule, type FormRules } from './form-rule-names.ts';
import {
  formRefusal,
  type HeaderForm,
  lacksMimeVersion,
  repairedRules,
  unrepairedRefusal,
  withoutForgedTrace,
} from './form-rules.ts';
import { completeHeader, type CompletionPart } from './header-completion.ts';
import { maySendAs } from './session-logins.ts';

export interface UserMailFacts {
  /** Undefined: who has not logged in, and may send as anybody. */
  readonly identity: Identity | undefined;
  readonly reversePath: ReversePath;
  readonly hostname: string;
  /** RFC 5322 date-time. */
  readonly date: string;
  /** What stands before the `@` of a Message-ID. */
  readonly id: string;
  readonly rules: FormRules;
}

/** Authors of one message; more would be no message of a person. */
const MAX_AUTHORS = 100;
const MAX_FIELDS = 5000;
const AUTHORS: ReadonlyMap<string, string> = new Map([
  ['from', 'From'],
  ['sender', 'Sender'],
  ['resent-from', 'Resent-From'],
  ['resent-sender', 'Resent-Sender'],
]);
const CRLF = Buffer.from('\r\n');
const MIME_VERSION = 'MIME-Version: 1.0\r\n';
const UNFINISHED = reply(550, '5.6.0', 'The message has no From field, and a null reverse-path to take it from');

/** A header section with its empty line, and what was wrong with it as it came. */
export interface PreparedHeader {
  readonly section: HeaderSection;
  readonly repaired: readonly FormRule[];
}

/** In order; or why the message is refused. */
export function userHeader(given: HeaderSection, facts: UserMailFacts): PreparedHeader | Reply {
  const { reversePath, rules, hostname } = facts;
  const form = { section: given, hostname };
  const refusal = refusalOf(form, facts);
  if (refusal !== undefined) return refusal;
  const section = rules.forgedTrace === 'repair' ? withoutForgedTrace(form) : given;
  const unfinished = rules.missingFrom === 'repair' && !section.has('from');
  if (unfinished && (section.isResent || reversePath === null)) return UNFINISHED;
  const octets = completed(section, facts);
  return repairedHeader(form, octets === section.octets ? section : new HeaderSection(octets), rules);
}

/** Of most nothing is repaired, and its rules are not looked at twice. */
function repairedHeader(given: HeaderForm, section: HeaderSection, rules: FormRules): PreparedHeader | Reply {
  const refusal = unrepairedRefusal(section, rules);
  if (refusal !== undefined) return refusal;
  return { section, repaired: section === given.section ? [] : repairedRules(given, { ...given, section }, rules) };
}

function refusalOf(form: HeaderForm, facts: UserMailFacts): Reply | undefined {
  return shapeRefusal(form.section) ?? formRefusal(form, facts.rules) ?? authorRefusal(form, facts);
}

function completed(section: HeaderSection, { reversePath, hostname, date, id, rules }: UserMailFacts): Buffer {
  const address = reversePath === null ? '' : formatMailbox(reversePath);
  const parts = new Set(PARTS.filter(([rule]) => rules[rule] === 'repair').map(([, part]) => part));
  const more = rules.missingMimeVersion === 'repair' && lacksMimeVersion(section) ? MIME_VERSION : '';
  return completeHeader(section, {
    ...{ address, fullName: '', date, id, hostname, parts, more },
    domain: domainFor({ reversePath, hostname }),
  });
}

const PARTS: readonly (readonly [FormRule, CompletionPart])[] = [
  ['missingFrom', 'From'],
  ['missingDate', 'Date'],
  ['missingMessageId', 'Message-ID'],
  ['unqualifiedDomain', 'domains'],
  ['bcc', 'withoutBcc'],
];

/** Of addresses without one. */
function domainFor({ reversePath, hostname }: Pick<UserMailFacts, 'reversePath' | 'hostname'>): string {
  return reversePath?.domain ?? hostname;
}

/** What others would read otherwise than we do: a From field behind a line that is none must not pass unseen. */
function shapeRefusal({ octets, fields, hasStrayLine }: HeaderSection): Reply | undefined {
  if (octets.includes(0)) return reply(550, '5.6.0', 'A NUL stands in the header section');
  if (octets.length > 0 && !octets.subarray(-CRLF.length).equals(CRLF))
    return reply(550, '5.6.0', 'The last line of the header section has no end');
  if (hasStrayLine) return reply(550, '5.6.0', 'A line of the header section is no header field');
  return fields.length > MAX_FIELDS ? reply(550, '5.6.0', `More than ${MAX_FIELDS} header fields`) : undefined;
}

/** The fields that say whose a message is name only those whom the user may send as. */
function authorRefusal({ section }: HeaderForm, facts: UserMailFacts): Reply | undefined {
  const { identity } = facts;
  if (identity === undefined) return undefined;
  for (const field of section.fields) {
    const name = AUTHORS.get(field.name);
    if (name === undefined) continue;
    const list = section.addresses(field);
    if (!list.ok) return reply(550, '5.6.0', `The ${name} field cannot be read: ${list.reason}`);
    if (list.value.length > MAX_AUTHORS)
      return reply(550, '5.6.0', `The ${name} field names more than ${MAX_AUTHORS} addresses`);
    if (list.value.length === 0) return reply(550, '5.6.0', `The ${name} field names nobody`);
    const named = list.value.flatMap(({ address, addressInName }) => [address, addressInName ?? address]);
    if (!named.every((address) => mayStand(identity, facts, address))) return notTheirs(identity, name);
  }
  return undefined;
}

/** As it will stand there: one without a domain gets the sender's. */
function mayStand(identity: Identity, facts: UserMailFacts, address: string): boolean {
  const mailbox = parseMailbox(hasDomain(address) ? address : `${address}@${domainFor(facts)}`);
  return mailbox.ok && maySendAs(identity, mailbox.value);
}

function notTheirs({ user }: Identity, name: string): Reply {
  return reply(
    550,
    '5.7.1',
    `The user ${user} may not send as who stands in ${name}: none of its allowed senders matches`,
  );
}
