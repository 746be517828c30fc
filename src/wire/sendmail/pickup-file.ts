/**
 * The form of a message in the pickup folder: one line that says what it is, one of JSON with the envelope, then the
 * content with CRLF line ends.
 *
 * A local program writes it and the server reads it, and trusts nothing in it: what does not fit is refused with the
 * reason. Who wrote it is not in it; that says the file's owner. The first line has the number of octets of the
 * content, so that a file that was cut short is not taken for a message; it is of one length, to be filled in last.
 */

import { jsonObject } from '../../lib/json-object.ts';
import { type Parsed, parsed, unparsed } from '../../lib/parsed.ts';
import { parseEnvid, parseNotify, parseRet } from '../../mail/dsn-parameters.ts';
import { type Notify } from '../../mail/envelope.ts';

export interface PickupEnvelope {
  /** `''` is the null reverse-path; absent: the user's own address. */
  readonly sender?: string;
  /** For a From field, if there is none. */
  readonly fullName?: string;
  /** Perhaps without a domain. */
  readonly recipients: readonly string[];
  readonly notify?: readonly Notify[];
  readonly ret?: 'FULL' | 'HDRS';
  readonly envid?: string;
}

export interface PickupHead {
  readonly envelope: PickupEnvelope;
  readonly contentOctets: number;
  /** Octets of the two lines: the content follows. */
  readonly headOctets: number;
}

export const MAX_PICKUP_RECIPIENTS = 1000;
/** The envelope at most: addresses of 254 characters, as JSON may write them. */
const MAX_ENVELOPE_OCTETS = 1024 * 1024;
const MAX_ADDRESS = 1000;
const MAX_NAME = 1000;

const MAGIC = 'postrider-pickup 1 ';
const DIGITS = 15;
export const FIRST_LINE_OCTETS = MAGIC.length + DIGITS + 1;
export const MAX_HEAD_OCTETS = FIRST_LINE_OCTETS + MAX_ENVELOPE_OCTETS;
const FIRST_LINE = new RegExp(`^${MAGIC}(\\d{${DIGITS}})\n$`);
const LF = 0x0a;

export function firstLine(contentOctets: number): Buffer {
  return Buffer.from(`${MAGIC}${String(contentOctets).padStart(DIGITS, '0')}\n`);
}

/** Both lines. */
export function encodeHead(envelope: PickupEnvelope, contentOctets: number): Buffer {
  return Buffer.concat([firstLine(contentOctets), Buffer.from(`${JSON.stringify(envelope)}\n`)]);
}

/** `octets`: the beginning of the file, `MAX_HEAD_OCTETS` of it or all. */
export function decodeHead(octets: Buffer): Parsed<PickupHead> {
  const [, count] = FIRST_LINE.exec(octets.toString('latin1', 0, FIRST_LINE_OCTETS)) ?? [];
  if (count === undefined) return unparsed('it is no message of `postrider sendmail`');
  const end = octets.indexOf(LF, FIRST_LINE_OCTETS);
  if (end === -1 || end >= MAX_HEAD_OCTETS) return unparsed('its envelope has no end');
  const envelope = decodeEnvelope(octets.toString('utf8', FIRST_LINE_OCTETS, end));
  if (!envelope.ok) return envelope;
  return parsed({ envelope: envelope.value, contentOctets: Number(count), headOctets: end + 1 });
}

type Fields = Readonly<Record<string, unknown>>;

function decodeEnvelope(json: string): Parsed<PickupEnvelope> {
  const from = jsonObject(json);
  if (from === undefined) return unparsed('its envelope is not JSON');
  const { sender, fullName, recipients, notify, ret, envid } = from;
  if (!isList(recipients, MAX_PICKUP_RECIPIENTS, MAX_ADDRESS) || recipients.length === 0)
    return unparsed(`it names no recipients, or more than ${MAX_PICKUP_RECIPIENTS}`);
  if (!isText(sender, MAX_ADDRESS)) return unparsed('its sender is no text');
  if (!isText(fullName, MAX_NAME)) return unparsed('its full name is no text');
  const asked = dsnOf({ notify, ret, envid });
  if (!asked.ok) return asked;
  return parsed({
    ...(sender !== undefined && { sender }),
    ...(fullName !== undefined && { fullName }),
    recipients,
    ...asked.value,
  });
}

function dsnOf({ notify, ret, envid }: Fields): Parsed<Pick<PickupEnvelope, 'notify' | 'ret' | 'envid'>> {
  const asked = given(notify, (value) => parseNotify(Array.isArray(value) ? value.join(',') : ''));
  const returned = given(ret, (value) => parseRet(String(value)));
  const named = given(envid, (value) => parseEnvid(String(value)));
  if (!asked.ok) return asked;
  if (!returned.ok) return returned;
  if (!named.ok) return named;
  return parsed({
    ...(asked.value && { notify: asked.value }),
    ...(returned.value && { ret: returned.value }),
    ...(named.value && { envid: named.value }),
  });
}

function given<T>(value: unknown, parse: (value: unknown) => Parsed<T>): Parsed<T | undefined> {
  return value === undefined ? parsed(undefined) : parse(value);
}

function isText(value: unknown, max: number): value is string | undefined {
  return value === undefined || (typeof value === 'string' && value.length <= max);
}

function isList(value: unknown, max: number, maxText: number): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length <= max &&
    value.every((each) => typeof each === 'string' && each.length > 0 && each.length <= maxText)
  );
}
