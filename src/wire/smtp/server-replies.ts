/**
 * Every reply that the server machine gives of itself: a closed catalogue by name.
 *
 * The receiver's decisions bring their own replies; all others stand here, so that a test can demand that each
 * occurs in a dialogue, and statistics can count them. `{word}` in a text is filled in when the reply is given.
 *
 * The codes are those of RFC 5321 §4.2.3, RFC 1870, 2034, 3030, 3207, 3461 and 6531; enhanced codes those of the
 * IANA registry begun by RFC 5248.
 */

import { type EnhancedStatus, type Reply, reply } from '../../mail/reply.ts';

interface Template {
  readonly code: number;
  readonly status: EnhancedStatus | undefined;
  readonly text: string;
  /** The connection is closed after it. */
  readonly after: 'goOn' | 'close';
}

function say(code: number, status: EnhancedStatus | undefined, text: string): Template {
  return { code, status, text, after: 'goOn' };
}

function sayLast(code: number, status: EnhancedStatus, text: string): Template {
  return { code, status, text, after: 'close' };
}

export const SERVER_REPLIES = {
  greeting: say(220, undefined, '{hostname} {protocol} ready'),
  earlyTalk: sayLast(554, '5.5.1', 'You spoke before the greeting'),

  helloTaken: say(250, undefined, '{hostname}'),
  helloSyntax: say(501, '5.5.4', 'Name yourself: {verb} and a domain or address literal of at most 255 characters'),
  helloOfLmtp: say(500, '5.5.1', 'This is LMTP: say LHLO'),

  unknownCommand: say(500, '5.5.1', 'Command not recognized'),
  httpVerb: sayLast(554, '5.5.1', 'This is a mail server'),
  lineTooLong: sayLast(500, '5.5.2', 'Command line too long'),
  bareNewline: sayLast(500, '5.5.2', 'Bare CR or LF not allowed'),
  notUtf8: say(501, '5.5.2', 'Command is not valid UTF-8'),
  controlCharacter: say(501, '5.5.2', 'Control character in command'),
  argumentUnwanted: say(501, '5.5.4', '{verb} takes no argument'),
  improperPipelining: sayLast(554, '5.5.0', 'Improper use of pipelining after {verb}'),

  helloFirst: say(503, '5.5.1', 'Say hello first'),
  mailFirst: say(503, '5.5.1', 'MAIL first'),
  rcptFirst: say(503, '5.5.1', 'RCPT first'),
  noRecipients: say(554, '5.5.1', 'No valid recipients'),
  mailNested: say(503, '5.5.1', 'A transaction is open: finish it or say RSET'),
  chunksOpen: say(503, '5.5.1', 'Chunks have begun: go on with BDAT or say RSET'),
  binaryNeedsChunks: say(503, '5.5.1', 'BINARYMIME needs BDAT'),

  mailSyntax: say(501, '5.5.4', 'Syntax: MAIL FROM:<address> and parameters'),
  rcptSyntax: say(501, '5.5.4', 'Syntax: RCPT TO:<address> and parameters'),
  reversePath: say(501, '5.1.7', 'Bad sender address: {reason}'),
  forwardPath: say(501, '5.1.3', 'Bad recipient address: {reason}'),
  needsSmtpUtf8: say(553, '5.6.7', 'A non-ASCII address needs SMTPUTF8'),
  parameterSyntax: say(501, '5.5.4', 'Bad parameter syntax'),
  parameterTwice: say(501, '5.5.4', '{keyword} stands twice'),
  parameterUnknown: say(555, '5.5.4', 'Parameter {keyword} is not supported'),
  parameterValue: say(501, '5.5.4', 'Bad value of {keyword}: {reason}'),
  declaredTooLarge: say(552, '5.3.4', 'Larger than {limit} octets'),

  tooManyRecipients: say(452, '4.5.3', 'At most {limit} recipients in a transaction'),
  tooManyTransactions: sayLast(421, '4.7.0', 'At most {limit} transactions in a connection'),
  tooManyErrors: sayLast(421, '4.7.0', 'Too many errors'),
  tooManyCommands: sayLast(421, '4.7.0', 'Too many commands without mail'),

  startContent: say(354, undefined, 'Send the content, and end it with <CRLF>.<CRLF>'),
  chunkTaken: say(250, '2.0.0', '{octets} octets taken'),
  contentBareNewline: say(550, '5.6.11', 'Bare CR or LF not allowed'),
  contentLongLine: say(550, '5.6.0', 'A line is longer than {limit} octets'),
  contentTooLarge: say(552, '5.3.4', 'Larger than {limit} octets'),
  chunkSyntax: sayLast(501, '5.5.4', 'Syntax: BDAT octets [LAST]'),
  chunkTooLarge: sayLast(552, '5.3.4', 'Chunk too large'),
  chunksFailed: say(503, '5.5.1', 'An earlier chunk failed'),
  chunkingAbsent: say(502, '5.5.1', 'BDAT is not offered'),

  resetDone: say(250, '2.0.0', 'Reset'),
  noop: say(250, '2.0.0', 'OK'),
  vrfy: say(252, '2.0.0', 'Not verified; send the message and see'),
  vrfySyntax: say(501, '5.5.4', 'VRFY what?'),
  expn: say(502, '5.5.1', 'EXPN is not offered'),
  help: say(214, '2.0.0', 'Commands: {commands}'),
  quit: sayLast(221, '2.0.0', 'Bye'),

  tlsReady: say(220, '2.0.0', 'Ready to start TLS'),
  tlsAbsent: say(502, '5.5.1', 'STARTTLS is not offered'),
  tlsActive: say(503, '5.5.1', 'TLS is active already'),
  tlsUnavailable: say(454, '4.7.0', 'TLS is not available now'),
  tlsPipelined: sayLast(554, '5.5.1', 'Nothing may follow STARTTLS before TLS has begun'),
  authAbsent: say(502, '5.5.1', 'AUTH is not offered'),
  authNeedsTls: say(538, '5.7.11', 'Encryption is required for a login: STARTTLS first'),
  authDone: say(503, '5.5.1', 'You are logged in already'),
  authOutOfOrder: say(503, '5.5.1', 'AUTH comes after EHLO and before MAIL'),
  authSyntax: say(501, '5.5.4', 'Syntax: AUTH mechanism [initial-response]'),
  authMechanism: say(504, '5.5.4', 'This mechanism is not offered'),
  authMalformed: say(501, '5.5.2', 'The login was given up, or is malformed'),
  authLineTooLong: sayLast(500, '5.5.6', 'A line of a login is too long'),
  authTaken: say(235, '2.7.0', 'Logged in'),
  authRefused: say(535, '5.7.8', 'User name or credentials wrong'),
  authTooMany: sayLast(421, '4.7.0', 'Too many failed logins'),
  authUnavailable: say(454, '4.7.0', 'Logins cannot be checked now, try again later'),
  authRequired: say(530, '5.7.0', 'Log in first'),
  authRequiredTls: say(530, '5.7.0', 'Say STARTTLS first, then log in'),

  localError: say(451, '4.3.0', 'Local error, try again later'),
  connectError: sayLast(421, '4.3.0', 'Local error, try again later'),
  timeout: sayLast(421, '4.4.2', 'Timeout'),
  draining: sayLast(421, '4.3.2', 'Shutting down, try again'),
} as const satisfies Readonly<Record<string, Template>>;

export type ReplyName = keyof typeof SERVER_REPLIES;

/** Why a command is refused: a reply, and what its text leaves open. */
export interface Refusal {
  readonly name: ReplyName;
  readonly values?: ReplyValues;
}

export type ReplyValues = Readonly<Record<string, string | number>>;

const FIXED: ReadonlyMap<string, Reply> = new Map(
  Object.entries(SERVER_REPLIES).map(([name, { code, status, text }]) => [name, reply(code, status, text)]),
);

const NAMES: ReadonlyMap<Reply, ReplyName> = new Map([...FIXED].map(([name, fixed]) => [fixed, name as ReplyName]));

/** The name of a reply that `serverReply` gave without values. */
export function nameOf(fixed: Reply): ReplyName | undefined {
  return NAMES.get(fixed);
}

export function serverReply(name: ReplyName, values?: ReplyValues): Reply {
  const fixed = FIXED.get(name);
  if (fixed === undefined) throw new Error(`no reply named ${name}`);
  if (values === undefined) return fixed;
  const text = fixed.lines[0].replaceAll(/\{(\w+)\}/g, (word, key: string) => String(values[key] ?? word));
  return safeReply(reply(fixed.code, fixed.status, text));
}

// RFC 5321 §4.5.3.1.5: a reply line is at most 512 octets with code and CRLF.
const MAX_TEXT_CHARACTERS = 400;
const UNSAFE = /[^\x20-\x7e]/;

/**
 * A reply that is one whatever its text: what came from elsewhere (a policy, the next hop, the client's own words)
 * must not end a line of ours early (RFC 5321 §4.2.1 allows printable ASCII).
 */
export function safeReply(given: Reply): Reply {
  if (given.lines.every((line) => line.length <= MAX_TEXT_CHARACTERS && !UNSAFE.test(line))) return given;
  const [first, ...others] = given.lines.map((line) =>
    line.replaceAll(/[^\x20-\x7e]+/g, '?').slice(0, MAX_TEXT_CHARACTERS),
  );
  return reply(given.code, given.status, first ?? '', ...others);
}
