/**
 * Mailboxes and paths: the one parser of addresses.
 *
 * It reads exactly the grammar of RFC 5321 §4.1.2 with RFC 6531 §3.3, and nothing of RFC 5322's (comments, folding
 * white space, groups, display names). What it gives is the meaning: `"ann"@Example.COM` and `ann@example.com` are one
 * value, and `formatMailbox` writes it in the one way that reads back to the same value. Nothing here is ever cut out
 * of an address with other means.
 *
 * Stricter than the RFC on purpose: no control character even behind a backslash, no empty quoted local part (it
 * would look like a missing one), no leading zeros in an IPv4 literal, and local parts in Unicode's normalization
 * form C only (RFC 6532 §3.1), so that equal means equal.
 *
 * Time is linear in the text.
 */

import { canonicalIp } from '../lib/ip.ts';
import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { type Domain, parseDomain } from './domain.ts';

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

/** A path and what follows its `>`: empty, or parameters with the space before them. */
export interface PathAndRest<P> {
  readonly path: P;
  readonly rest: string;
}

// RFC 5321 §4.5.3.1.1 and §4.5.3.1.3; the path counts its angle brackets.
const MAX_LOCAL_PART_OCTETS = 64;
const MAX_PATH_OCTETS = 256;
const MAX_MAILBOX_OCTETS = MAX_PATH_OCTETS - 2;

const ATOMS_AND_DOTS = /[\w!#$%&'*+\-/=?^`{|}~.\u{80}-\u{10ffff}]*/uy;
// quoted-pairSMTP = %d92 %d32-126
const QUOTED = /"(?:[^"\\]|\\[\x20-\x7e])*"/uy;
const DOMAIN_RUN = /[\w.\-\u{80}-\u{10ffff}]*/uy;
const LITERAL_RUN = /\[[\x21-\x5a\x5e-\x7e]*\]/uy;
const SOURCE_ROUTE_HOP = /@([\w.\-\u{80}-\u{10ffff}]*|\[[\x21-\x5a\x5e-\x7e]*\])([,:])/uy;
// U+FFFD is what octets that are not UTF-8 were decoded to.
const NEVER = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}\ufffd]/u;
const ASCII = /^[\0-\x7f]*$/;

/** One `Mailbox` of RFC 5321 §4.1.2 (with RFC 6531), without angle brackets. */
export function parseMailbox(text: string): Parsed<Mailbox> {
  if (text.length > MAX_MAILBOX_OCTETS) return tooLong();
  const mailbox = mailboxAt(text, 0);
  if (!mailbox.ok) return mailbox;
  return mailbox.value.end === text.length ? parsed(mailbox.value.value) : unexpected(text, mailbox.value.end);
}

/** What follows `FROM:`. Source routes are accepted and ignored (RFC 5321 appendix C). */
export function parseReversePath(text: string): Parsed<PathAndRest<ReversePath>> {
  if (text.startsWith('<>')) return endPath<ReversePath>(text, 1, null);
  return routedMailbox(text);
}

/** What follows `TO:`. `<Postmaster>` needs no domain (RFC 5321 §4.5.1). */
export function parseForwardPath(text: string): Parsed<PathAndRest<Mailbox>> {
  if (text.startsWith('<>')) return unparsed('the null path is not a recipient');
  const postmaster = /^<(postmaster)>/i.exec(text)?.[1];
  if (postmaster === undefined) return routedMailbox(text);
  return endPath<Mailbox>(text, postmaster.length + 1, { localPart: postmaster, domain: '' });
}

/** Canonical text: the local part quoted only where it must be. Parses back to the same value. */
export function formatMailbox({ localPart, domain }: Mailbox): string {
  const local = dotStringProblem(localPart) === undefined ? localPart : quote(localPart);
  return domain === '' ? local : `${local}@${domain}`;
}

/** The local part alone decides: domains are kept as A-labels. */
export function isAscii({ localPart }: Mailbox): boolean {
  return ASCII.test(localPart);
}

/** The address cannot be given to a host without SMTPUTF8 (RFC 6531). */
export function needsSmtpUtf8(path: ReversePath): boolean {
  return path !== null && !isAscii(path);
}

export function isAddressLiteral(domain: Mailbox['domain']): domain is AddressLiteral {
  return domain.startsWith('[');
}

/** The address in a literal: `192.0.2.1`, `2001:db8::1`. */
export function addressOf(literal: AddressLiteral): string {
  return literal.slice(literal.startsWith('[IPv6:') ? '[IPv6:'.length : 1, -1);
}

function routedMailbox(text: string): Parsed<PathAndRest<Mailbox>> {
  if (!text.startsWith('<')) return unparsed('a path is written in angle brackets');
  // No path is longer: however much follows, no more than this is looked at.
  const head = text.slice(0, MAX_PATH_OCTETS + 1);
  if (text.length > head.length && !head.includes('>')) return tooLong();
  const start = afterSourceRoute(head);
  if (!start.ok) return start;
  const mailbox = mailboxAt(head, start.value);
  return mailbox.ok ? endPath(text, mailbox.value.end, mailbox.value.value) : mailbox;
}

/** The path ends at the `>` that must stand at `end`. */
function endPath<P>(text: string, end: number, path: P): Parsed<PathAndRest<P>> {
  if (end >= MAX_PATH_OCTETS || Buffer.byteLength(text.slice(0, end + 1)) > MAX_PATH_OCTETS) return tooLong();
  if (text[end] !== '>') return unexpected(text, end);
  const rest = text.slice(end + 1);
  return rest === '' || rest.startsWith(' ') ? parsed({ path, rest }) : unparsed('a space is missing after the path');
}

/** `<@a.example,@b.example:` is checked and passed over. */
function afterSourceRoute(text: string): Parsed<number> {
  let at = 1;
  if (text[at] !== '@') return parsed(at);
  for (;;) {
    const hop = matchAt(SOURCE_ROUTE_HOP, text, at);
    if (hop === undefined) return unparsed('source route has a bad end');
    const domain = domainOf(hop[1] ?? '');
    if (!domain.ok) return domain;
    at += hop[0].length;
    if (hop[2] === ':') return parsed(at);
  }
}

interface Piece<T> {
  readonly value: T;
  /** Offset behind it. */
  readonly end: number;
}

function mailboxAt(text: string, start: number): Parsed<Piece<Mailbox>> {
  const local = localPartAt(text, start);
  if (!local.ok) return local;
  const { end } = local.value;
  if (text[end] !== '@')
    return end >= text.length || text[end] === '>' ? unparsed('domain is missing') : unexpected(text, end);
  const domain = domainAt(text, end + 1);
  if (!domain.ok) return domain;
  const mailbox = { localPart: local.value.value, domain: domain.value.value };
  if (Buffer.byteLength(formatMailbox(mailbox)) > MAX_MAILBOX_OCTETS) return tooLong();
  return parsed({ value: mailbox, end: domain.value.end });
}

function localPartAt(text: string, start: number): Parsed<Piece<string>> {
  const quoted = text[start] === '"';
  const written = matchAt(quoted ? QUOTED : ATOMS_AND_DOTS, text, start)?.[0];
  if (written === undefined) return unparsed('quoted local part has no end, or a bad character behind a backslash');
  const value = quoted ? written.slice(1, -1).replaceAll(/\\(.)/g, '$1') : written;
  const problem = localPartProblem(written, value) ?? (quoted ? undefined : dotStringProblem(value));
  return problem === undefined ? parsed({ value, end: start + written.length }) : unparsed(problem);
}

function domainAt(text: string, start: number): Parsed<Piece<Domain | AddressLiteral>> {
  const written = matchAt(text[start] === '[' ? LITERAL_RUN : DOMAIN_RUN, text, start)?.[0];
  if (written === undefined) return unparsed('address literal has no end, or a bad character');
  const domain = domainOf(written);
  return domain.ok ? parsed({ value: domain.value, end: start + written.length }) : domain;
}

function localPartProblem(written: string, localPart: string): string | undefined {
  if (localPart === '') return 'local part is empty';
  if (Buffer.byteLength(written) > MAX_LOCAL_PART_OCTETS) return 'local part is longer than 64 octets';
  if (NEVER.test(localPart)) return 'local part has a control character or is not UTF-8';
  if (localPart.normalize('NFC') !== localPart) return 'local part is not in Unicode normalization form C';
  return undefined;
}

/** Why the text may not stand as a local part without quotes. */
function dotStringProblem(text: string): string | undefined {
  if (matchAt(ATOMS_AND_DOTS, text, 0)?.[0] !== text || text === '') return 'local part must be quoted';
  if (text.startsWith('.') || text.endsWith('.')) return 'local part begins or ends with a dot';
  return text.includes('..') ? 'local part has two dots in a row' : undefined;
}

function quote(localPart: string): string {
  return `"${localPart.replaceAll(/["\\]/g, '\\$&')}"`;
}

function domainOf(text: string): Parsed<Domain | AddressLiteral> {
  return text.startsWith('[') ? parseAddressLiteral(text) : parseDomain(text);
}

/** RFC 5321 §4.1.3; of the tags only `IPv6` was ever registered. */
export function parseAddressLiteral(text: string): Parsed<AddressLiteral> {
  const [, tag, address = ''] = /^\[(IPv6:)?([^[\]]*)\]$/i.exec(text) ?? [];
  const canonical = canonicalIp(address);
  // `::` stands for at least two groups here (IPv6-comp), for one in RFC 4291.
  const tooManyGroups = address.includes('::') && groupCount(address) > 6;
  if (!canonical.ok || (tag !== undefined) !== address.includes(':') || tooManyGroups)
    return unparsed('bad address literal');
  return parsed<AddressLiteral>(canonical.value.includes(':') ? `[IPv6:${canonical.value}]` : `[${canonical.value}]`);
}

function groupCount(address: string): number {
  return address.split(':').filter((group) => group !== '').length + (address.includes('.') ? 1 : 0);
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

function unexpected(text: string, at: number): { readonly ok: false; readonly reason: string } {
  const found = text.codePointAt(at);
  if (found === undefined) return unparsed("'>' is missing");
  const shown =
    found > 0x20 && found < 0x7f
      ? `'${String.fromCodePoint(found)}'`
      : `U+${found.toString(16).toUpperCase().padStart(4, '0')}`;
  return unparsed(`unexpected ${shown} in address`);
}

function tooLong(): { readonly ok: false; readonly reason: string } {
  return unparsed('address is longer than 254 octets');
}
