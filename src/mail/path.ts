/** Mailboxes and paths. */

import { type Parsed, unparsed } from '../lib/parsed.ts';
import { type Domain } from './domain.ts';

/** An address; `<>` is never one. */
export interface Mailbox {
  /** The meaning of the local part: unquoted, case kept, NFC when it has non-ASCII characters. */
  readonly localPart: string;
  /** A-labels, or an address literal with its brackets, `[192.0.2.1]`, `[IPv6:2001:db8::1]`; `''` only for `<Postmaster>`. */
  readonly domain: Domain | AddressLiteral | '';
}

export type AddressLiteral = `[${string}]`;

/** Where failures go; `null` is the null reverse-path `<>`. */
export type ReversePath = Mailbox | null;

/** One `Mailbox` of RFC 5321 §4.1.2 (with RFC 6531), without angle brackets. */
export function parseMailbox(_text: string): Parsed<Mailbox> {
  return unparsed('not written');
}

/** Canonical text: the local part quoted only where it must be. Parses back to the same value. */
export function formatMailbox({ localPart, domain }: Mailbox): string {
  return domain === '' ? localPart : `${localPart}@${domain}`;
}
