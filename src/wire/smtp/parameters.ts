/**
 * The arguments of MAIL and RCPT: a path and parameters (RFC 5321 §4.1.2), each parameter of an extension.
 *
 * A parameter whose extension is not offered is unknown (RFC 5321 §4.1.1.11); one that stands twice is a syntax
 * error (RFC 3461 §4). Keywords are looked up in a map, never in an object.
 */

import { type BodyType, type Notify, type Recipient, type SenderParameters } from '../../mail/envelope.ts';
import { parseEnvid, parseNotify, parseOrcpt, parseRet } from '../../mail/dsn-parameters.ts';
import { type PathAndRest, parseForwardPath, parseReversePath, type ReversePath } from '../../mail/path.ts';
import { parsePriority } from '../../mail/priority.ts';
import {
  type DeliverWithin,
  type Hold,
  parseDeliverBy,
  parseHoldFor,
  parseHoldUntil,
} from '../../mail/sending-times.ts';
import { decodeXtext } from '../../mail/xtext.ts';
import { type Parsed, parsed, unparsed } from '../../lib/parsed.ts';
import { type ExtensionName } from './extensions.ts';
import { type Refusal } from './server-replies.ts';

export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

/** What MAIL asks for that is not kept as it was said. */
export interface MailRequest {
  readonly declaredOctets: number | undefined;
  /** FUTURERELEASE (RFC 4865). */
  readonly hold?: Hold;
  /** DELIVERBY (RFC 2852). */
  readonly deliverWithin?: DeliverWithin;
}

export interface MailArguments {
  readonly sender: SenderParameters;
  readonly request: MailRequest;
}

interface MailParameters {
  declaredOctets: number | undefined;
  body: BodyType;
  smtpUtf8: boolean;
  requireTls: boolean;
  ret: 'FULL' | 'HDRS' | undefined;
  envid: string | undefined;
  hold: Hold | undefined;
  deliverWithin: DeliverWithin | undefined;
  priority: number | undefined;
}

interface RcptParameters {
  notify: readonly Notify[] | undefined;
  orcpt: string | undefined;
}

interface Parameter<T> {
  readonly extension: ExtensionName;
  /** Puts the value into `target`. `undefined`: the keyword stood without `=`. */
  readonly read: (target: T, value: string | undefined) => Parsed<unknown>;
}

const MAIL_PARAMETERS: ReadonlyMap<string, Parameter<MailParameters>> = new Map<string, Parameter<MailParameters>>([
  [
    'SIZE',
    { extension: 'SIZE', read: (target, value) => put(parseSize(value), (size) => (target.declaredOctets = size)) },
  ],
  ['BODY', { extension: '8BITMIME', read: (target, value) => put(parseBody(value), (body) => (target.body = body)) }],
  [
    'SMTPUTF8',
    { extension: 'SMTPUTF8', read: (target, value) => put(parseFlag(value), () => (target.smtpUtf8 = true)) },
  ],
  [
    'REQUIRETLS',
    { extension: 'REQUIRETLS', read: (target, value) => put(parseFlag(value), () => (target.requireTls = true)) },
  ],
  ['RET', { extension: 'DSN', read: (target, value) => put(parseRet(value ?? ''), (ret) => (target.ret = ret)) }],
  [
    'AUTH',
    // RFC 4954 §5: from a client that is not trusted to say it, it is as if it had said `AUTH=<>`; we trust none.
    { extension: 'AUTH', read: (_, value) => decodeXtext(value ?? '') },
  ],
  [
    'ENVID',
    { extension: 'DSN', read: (target, value) => put(parseEnvid(value ?? ''), (envid) => (target.envid = envid)) },
  ],
  ['HOLDFOR', { extension: 'FUTURERELEASE', read: (target, value) => putHold(target, parseHoldFor(value)) }],
  ['HOLDUNTIL', { extension: 'FUTURERELEASE', read: (target, value) => putHold(target, parseHoldUntil(value)) }],
  [
    'BY',
    {
      extension: 'DELIVERBY',
      read: (target, value) => put(parseDeliverBy(value), (by) => (target.deliverWithin = by)),
    },
  ],
  [
    'MT-PRIORITY',
    {
      extension: 'MT-PRIORITY',
      read: (target, value) => put(parsePriority(value), (priority) => (target.priority = priority)),
    },
  ],
]);

const RCPT_PARAMETERS: ReadonlyMap<string, Parameter<RcptParameters>> = new Map<string, Parameter<RcptParameters>>([
  [
    'NOTIFY',
    { extension: 'DSN', read: (target, value) => put(parseNotify(value ?? ''), (notify) => (target.notify = notify)) },
  ],
  [
    'ORCPT',
    { extension: 'DSN', read: (target, value) => put(parseOrcpt(value ?? ''), (orcpt) => (target.orcpt = orcpt)) },
  ],
]);

/** The argument of MAIL. The size is read and not judged. */
export function readMailArgument(argument: string, offered: ReadonlySet<ExtensionName>): Read<MailArguments> {
  const path = afterKeyword('FROM:', argument);
  if (path === undefined) return refused({ name: 'mailSyntax' });
  const sender = parseReversePath(path);
  if (!sender.ok) return refused({ name: 'reversePath', values: { reason: sender.reason } });
  const parameters: MailParameters = { ...NO_PARAMETERS };
  const refusal = readParameters(sender.value.rest, MAIL_PARAMETERS, offered, parameters);
  if (refusal !== undefined) return refused(refusal);
  const { body, smtpUtf8 } = parameters;
  if (body === 'BINARYMIME' && !offered.has('BINARYMIME'))
    return refused({ name: 'parameterValue', values: { keyword: 'BODY', reason: 'BINARYMIME is not offered' } });
  if (!smtpUtf8 && !isAsciiPath(path, sender.value)) return refused({ name: 'needsSmtpUtf8' });
  return { ok: true, value: argumentsOf(sender.value.path, parameters) };
}

const NO_PARAMETERS: MailParameters = {
  declaredOctets: undefined,
  body: '7BIT',
  smtpUtf8: false,
  requireTls: false,
  ret: undefined,
  envid: undefined,
  hold: undefined,
  deliverWithin: undefined,
  priority: undefined,
};

function argumentsOf(reversePath: ReversePath, parameters: MailParameters): MailArguments {
  const { declaredOctets, hold, deliverWithin, requireTls, priority, ...others } = parameters;
  return {
    sender: {
      ...{ reversePath, ...others },
      ...(requireTls && { requireTls }),
      ...(priority !== undefined && { priority }),
    },
    request: { declaredOctets, ...(hold && { hold }), ...(deliverWithin && { deliverWithin }) },
  };
}

/** The argument of RCPT, in a transaction with or without SMTPUTF8. */
export function readRcptArgument(
  argument: string,
  offered: ReadonlySet<ExtensionName>,
  text: 'ascii' | 'utf8',
): Read<Recipient> {
  const path = afterKeyword('TO:', argument);
  if (path === undefined) return refused({ name: 'rcptSyntax' });
  const recipient = parseForwardPath(path);
  if (!recipient.ok) return refused({ name: 'forwardPath', values: { reason: recipient.reason } });
  const parameters: RcptParameters = { notify: undefined, orcpt: undefined };
  const refusal = readParameters(recipient.value.rest, RCPT_PARAMETERS, offered, parameters);
  if (refusal !== undefined) return refused(refusal);
  const ascii = isAsciiPath(path, recipient.value) && isAscii(parameters.orcpt ?? '');
  if (text === 'ascii' && !ascii) return refused({ name: 'needsSmtpUtf8' });
  return { ok: true, value: { forwardPath: recipient.value.path, orcpt: parameters.orcpt, notify: parameters.notify } };
}

function refused(refusal: Refusal): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal };
}

/** Spaces after the colon are against RFC 5321 §3.3 and common; nothing can be hidden in them. */
function afterKeyword(keyword: string, argument: string): string | undefined {
  if (argument.slice(0, keyword.length).toUpperCase() !== keyword) return undefined;
  const path = argument.slice(keyword.length).trimStart();
  return path === '' ? undefined : path;
}

/** As written: a domain in U-labels needs SMTPUTF8 too, although we keep it as A-labels. */
function isAsciiPath(text: string, { rest }: PathAndRest<unknown>): boolean {
  return isAscii(text.slice(0, text.length - rest.length));
}

function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}

// esmtp-keyword and esmtp-value of RFC 5321 §4.1.2, the value as RFC 6531 §3.3 widens it.
const PARAMETER = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e\u{80}-\u{10ffff}]+))?$/u;
// More than any valid command has; each costs a look-up.
const MAX_PARAMETERS = 20;

function readParameters<T>(
  rest: string,
  table: ReadonlyMap<string, Parameter<T>>,
  offered: ReadonlySet<ExtensionName>,
  target: T,
): Refusal | undefined {
  const words = rest.split(' ').filter((word) => word !== '');
  if (words.length > MAX_PARAMETERS || (rest !== '' && !rest.startsWith(' '))) return { name: 'parameterSyntax' };
  const seen = new Set<string>();
  for (const word of words) {
    const refusal = readParameter(word, seen, { table, offered, target });
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

interface ReadingOf<T> {
  readonly table: ReadonlyMap<string, Parameter<T>>;
  readonly offered: ReadonlySet<ExtensionName>;
  readonly target: T;
}

function readParameter<T>(
  word: string,
  seen: Set<string>,
  { table, offered, target }: ReadingOf<T>,
): Refusal | undefined {
  const [, written, value] = PARAMETER.exec(word) ?? [];
  if (written === undefined) return { name: 'parameterSyntax' };
  const keyword = written.toUpperCase();
  if (seen.has(keyword)) return { name: 'parameterTwice', values: { keyword } };
  seen.add(keyword);
  const parameter = table.get(keyword);
  if (parameter === undefined || !offered.has(parameter.extension))
    return { name: 'parameterUnknown', values: { keyword } };
  const result = parameter.read(target, value);
  return result.ok ? undefined : { name: 'parameterValue', values: { keyword, reason: result.reason } };
}

function put<T>(result: Parsed<T>, keep: (value: T) => void): Parsed<T> {
  if (result.ok) keep(result.value);
  return result;
}

/** RFC 4865 §5: one of the two. */
function putHold(target: MailParameters, hold: Parsed<Hold>): Parsed<Hold> {
  if (target.hold !== undefined) return unparsed('HOLDFOR and HOLDUNTIL exclude each other');
  return put(hold, (value) => (target.hold = value));
}

/** RFC 1870 §3: up to 20 digits, so more than a number can hold exactly; that is more than any limit, too. */
function parseSize(value: string | undefined): Parsed<number> {
  return value !== undefined && /^\d{1,20}$/.test(value) ? parsed(Number(value)) : unparsed('1 to 20 digits');
}

function parseBody(value: string | undefined): Parsed<BodyType> {
  const body = (value ?? '').toUpperCase();
  return body === '7BIT' || body === '8BITMIME' || body === 'BINARYMIME'
    ? parsed(body)
    : unparsed('7BIT, 8BITMIME or BINARYMIME');
}

function parseFlag(value: string | undefined): Parsed<true> {
  return value === undefined ? parsed(true) : unparsed('it has none');
}
