/**
 * Which header fields are signed, and how often their names stand in `h=` (RFC 6376 §5.4).
 *
 * Of fields with one name the lowest is signed first. A name that stands in `h=` once more than its fields occur says
 * that there is no other: a field that somebody adds on the way breaks the signature.
 */

import { type HeaderField } from '../../mail/header.ts';

/** Signed once more than they occur, though they may not occur at all: what a reader is shown, or what decides how it is shown. */
const SEALED_ALWAYS = ['from', 'reply-to', 'subject', 'to', 'cc', 'content-type'];
/** Signed once more than they occur, if they do: where they are missing, a later hop may rightly add them. */
const SEALED_IF_THERE = [
  'sender',
  'date',
  'message-id',
  'in-reply-to',
  'references',
  'mime-version',
  'content-transfer-encoding',
  // RFC 8058 §4 asks for both to be signed.
  'list-unsubscribe',
  'list-unsubscribe-post',
];
/** Signed as often as they occur: resending and lists add more of them. */
const SIGNED_IF_THERE = [
  'resent-date',
  'resent-from',
  'resent-sender',
  'resent-to',
  'resent-cc',
  'resent-message-id',
  'list-id',
  'list-help',
  'list-subscribe',
  'list-post',
  'list-owner',
  'list-archive',
  'content-id',
  'content-description',
  'auto-submitted',
  'autocrypt',
  'feedback-id',
  'tls-required',
];

/** They change on the way, or sign by themselves (RFC 6376 §3.5, §5.4.1). */
export const NEVER_SIGNED: ReadonlySet<string> = new Set(['bcc', 'dkim-signature', 'received', 'return-path']);

/** In lower case, in the order of `h=`; a name stands there as often as it is signed. `extra`: to be sealed as well, if they are there. */
export function signedNames(fields: readonly HeaderField[], extra: readonly string[] = []): readonly string[] {
  const counts = new Map<string, number>();
  for (const { name } of fields) counts.set(name, (counts.get(name) ?? 0) + 1);
  const names: string[] = [];
  const add = (name: string, more: 0 | 1): void => {
    for (let left = (counts.get(name) ?? 0) + more; left > 0; left -= 1) names.push(name);
  };
  const sealedIfThere = new Set([...SEALED_IF_THERE, ...extra.map((name) => name.toLowerCase())]);
  for (const name of SEALED_ALWAYS) add(name, 1);
  for (const name of sealedIfThere) if (counts.has(name) && !SEALED_ALWAYS.includes(name)) add(name, 1);
  for (const name of SIGNED_IF_THERE) if (!sealedIfThere.has(name)) add(name, 0);
  return names;
}

/** The fields that the names of `h=` stand for, in that order (RFC 6376 §5.4.2); a name too many stands for nothing. */
export function selectFields(fields: readonly HeaderField[], names: readonly string[]): readonly HeaderField[] {
  const left = new Map<string, HeaderField[]>();
  for (const field of fields) {
    const same = left.get(field.name);
    if (same === undefined) left.set(field.name, [field]);
    else same.push(field);
  }
  return names.flatMap((name) => left.get(name)?.pop() ?? []);
}
