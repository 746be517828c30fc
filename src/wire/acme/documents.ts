/**
 * What an ACME server says (RFC 8555 §7.1, RFC 9773 §4.2), read from JSON that may be anything.
 *
 * Only what is used is read. Addresses must be https: what a server names is asked for without more ado.
 */

import { parsed, type Parsed, unparsed } from '../../lib/parsed.ts';

export interface Directory {
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
  /** Absent: the authority does not say when to renew. */
  readonly renewalInfo: string | undefined;
  readonly termsOfService: string | undefined;
  readonly needsExternalAccount: boolean;
}

export interface Order {
  readonly status: string;
  readonly authorizations: readonly string[];
  readonly finalize: string;
  readonly certificate: string | undefined;
  readonly error: string | undefined;
}

export interface Authorization {
  readonly status: string;
  readonly name: string;
  readonly challenges: readonly Challenge[];
}

export interface Challenge {
  readonly type: string;
  readonly url: string;
  readonly token: string;
  readonly error: string | undefined;
}

/** A problem document (RFC 7807), in the words of the authority. */
export interface Problem {
  /** `rateLimited`; `''` where it is none of ACME's. */
  readonly type: string;
  readonly text: string;
}

const MAX_AUTHORIZATIONS = 100;
const MAX_CHALLENGES = 20;
const MAX_TEXT = 500;
const ERROR_PREFIX = 'urn:ietf:params:acme:error:';
/** At least 128 bits, base64url (§8.3, §8.1); longer ones are nobody's. */
const TOKEN = /^[A-Za-z0-9_-]{16,200}$/;

export function readDirectory(json: unknown): Parsed<Directory> {
  const from = fieldsOf(json);
  const [newNonce, newAccount, newOrder] = [url(from['newNonce']), url(from['newAccount']), url(from['newOrder'])];
  if (newNonce === undefined || newAccount === undefined || newOrder === undefined)
    return unparsed('no ACME directory');
  const meta = fieldsOf(from['meta']);
  return parsed({
    ...{ newNonce, newAccount, newOrder },
    renewalInfo: url(from['renewalInfo']),
    termsOfService: text(meta['termsOfService']),
    needsExternalAccount: meta['externalAccountRequired'] === true,
  });
}

export function readOrder(json: unknown): Parsed<Order> {
  const from = fieldsOf(json);
  const [status, finalize] = [text(from['status']), url(from['finalize'])];
  const authorizations = listOf(from['authorizations'], MAX_AUTHORIZATIONS).map((each) => url(each));
  const known = authorizations.filter((each) => each !== undefined);
  if (status === undefined || finalize === undefined || known.length === 0 || known.length < authorizations.length)
    return unparsed('no ACME order');
  const error = from['error'] === undefined ? undefined : readProblem(from['error']).text;
  return parsed({ status, finalize, authorizations: known, certificate: url(from['certificate']), error });
}

export function readAuthorization(json: unknown): Parsed<Authorization> {
  const from = fieldsOf(json);
  const [status, name] = [text(from['status']), text(fieldsOf(from['identifier'])['value'])];
  if (status === undefined || name === undefined) return unparsed('no ACME authorization');
  const challenges = listOf(from['challenges'], MAX_CHALLENGES).flatMap((each) => readChallenge(each));
  return parsed({ status, name, challenges });
}

function readChallenge(json: unknown): readonly Challenge[] {
  const from = fieldsOf(json);
  const [type, at, token] = [text(from['type']), url(from['url']), text(from['token'])];
  if (type === undefined || at === undefined || token === undefined || !TOKEN.test(token)) return [];
  const error = from['error'] === undefined ? undefined : readProblem(from['error']).text;
  return [{ type, url: at, token, error }];
}

export function readProblem(json: unknown): Problem {
  const from = fieldsOf(json);
  const [type = '', detail = ''] = [text(from['type']), text(from['detail'])];
  const parts = listOf(from['subproblems'], MAX_CHALLENGES).map((each) => readProblem(each).text);
  const short = type.startsWith(ERROR_PREFIX) ? type.slice(ERROR_PREFIX.length) : '';
  const all = [short, detail, ...parts].filter((each) => each !== '').join(': ');
  return { type: short, text: all.slice(0, MAX_TEXT) };
}

export interface RenewalWindow {
  readonly start: number;
  readonly end: number;
}

export function readRenewalInfo(json: unknown): Parsed<RenewalWindow> {
  const window = fieldsOf(fieldsOf(json)['suggestedWindow']);
  const [start, end] = [Date.parse(text(window['start']) ?? ''), Date.parse(text(window['end']) ?? '')];
  return start <= end ? parsed({ start, end }) : unparsed('no window for a renewal');
}

function fieldsOf(json: unknown): Readonly<Record<string, unknown>> {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? { ...json } : {};
}

function listOf(json: unknown, most: number): readonly unknown[] {
  return Array.isArray(json) ? json.slice(0, most) : [];
}

/** Without control characters: it may end in a log. */
function text(json: unknown): string | undefined {
  return typeof json === 'string' ? json.slice(0, 2000).replaceAll(/\p{Cc}/gu, ' ') : undefined;
}

function url(json: unknown): string | undefined {
  const written = text(json);
  return written !== undefined && URL.canParse(written) && new URL(written).protocol === 'https:' ? written : undefined;
}
