/**
 * What final delivery adds to a message and checks of it (RFC 5321 §4.4; Delivered-To is no standard, but every
 * program that reads mailboxes knows it).
 *
 * Return-Path and Delivered-To are added where we write into the mailbox ourselves: Maildir and pipe. An LMTP
 * server is the one that delivers (RFC 2033), gets both from the envelope and adds them itself; a second
 * Return-Path would break RFC 5322 §3.6.
 */

import { type EntryRecipient } from '../mail/entry.ts';
import { fieldValue, headerFields } from '../mail/header.ts';
import { type Outcome } from '../mail/outcome.ts';
import { formatMailbox, type Mailbox, type ReversePath } from '../mail/path.ts';
import { type Dispatch } from '../queue/dispatch.ts';
import { type OutgoingContent } from './content.ts';
import { ourOutcome } from './report.ts';

/** A message that passed more mailboxes than this is in a loop anyhow. */
const MAX_FIELDS = 1000;

/** Ends with CRLF. */
export function deliveryFields(reversePath: ReversePath, recipient: Mailbox): Buffer {
  const path = reversePath === null ? '' : formatMailbox(reversePath);
  return Buffer.from(`Return-Path: <${path}>\r\nDelivered-To: ${formatMailbox(recipient)}\r\n`, 'utf8');
}

/** The addresses that this content has been delivered to before, in lower case. Rejects when it cannot be read. */
export async function deliveredBefore(content: OutgoingContent): Promise<ReadonlySet<string>> {
  const first = content.memory ?? (await firstBlock(content));
  const fields = headerFields(first, MAX_FIELDS).filter(({ name }) => name === 'delivered-to');
  return new Set(fields.map((field) => fieldValue(first, field).toLowerCase()));
}

export function isLoop(before: ReadonlySet<string>, { forwardPath }: EntryRecipient): boolean {
  return before.has(formatMailbox(forwardPath).toLowerCase());
}

export const LOOP: Outcome = ourOutcome('5.4.6', 'mail loop: the message has been delivered to this address before', {
  scope: 'recipient',
  cause: 'policy',
});

export type DeliverOne = (recipient: EntryRecipient) => Promise<Outcome>;

/** Each recipient in turn; one that is in a loop is not delivered to. */
export async function deliverEach(
  dispatch: Dispatch,
  content: OutgoingContent,
  deliverOne: DeliverOne,
): Promise<readonly Outcome[]> {
  const before = await deliveredBefore(content);
  const outcomes: Outcome[] = [];
  for (const recipient of dispatch.recipients)
    outcomes.push(isLoop(before, recipient) ? LOOP : await deliverOne(recipient));
  return outcomes;
}

/** `{user}` and the like inside one argument or path element; what is not named stays. One pass: a value is never looked into. */
export function filledIn(template: string, values: Readonly<Record<string, string>>): string {
  const known = new Map(Object.entries(values));
  return template.replaceAll(/\{([a-zA-Z]+)\}/g, (whole, name: string) => known.get(name) ?? whole);
}

async function firstBlock(content: OutgoingContent): Promise<Buffer> {
  for await (const block of content.blocks()) return block;
  return Buffer.alloc(0);
}
