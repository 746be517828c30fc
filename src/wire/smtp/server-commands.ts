/** The commands of the server: how a line is read as one, and in which states each is in order. */

import { isUtf8 } from 'node:buffer';
import { type Line } from './line-cutter.ts';
import { type HelloProtocol, SERVER_STATES, type ServerState } from './server-actions.ts';
import { type ReplyName } from './server-replies.ts';

interface CommandRule {
  /** In any other state the reply is 503, or 554 for want of recipients. */
  readonly states: readonly ServerState[];
  /** `none`: an argument is an error. */
  readonly argument: 'none' | 'any';
  /** `junk` brings no message nearer. */
  readonly purpose: 'mail' | 'junk';
}

const ANY = SERVER_STATES;

export type Verb =
  | 'HELO'
  | 'EHLO'
  | 'LHLO'
  | 'MAIL'
  | 'RCPT'
  | 'DATA'
  | 'BDAT'
  | 'RSET'
  | 'NOOP'
  | 'VRFY'
  | 'EXPN'
  | 'HELP'
  | 'QUIT'
  | 'STARTTLS'
  | 'AUTH';

export const COMMAND_RULES: Readonly<Record<Verb, CommandRule>> = {
  HELO: { states: ANY, argument: 'any', purpose: 'junk' },
  EHLO: { states: ANY, argument: 'any', purpose: 'junk' },
  LHLO: { states: ANY, argument: 'any', purpose: 'junk' },
  MAIL: { states: ['ready'], argument: 'any', purpose: 'mail' },
  RCPT: { states: ['mail', 'rcpt'], argument: 'any', purpose: 'mail' },
  DATA: { states: ['rcpt'], argument: 'none', purpose: 'mail' },
  // In any state the octets that follow are the chunk's, whatever the reply.
  BDAT: { states: ANY, argument: 'any', purpose: 'mail' },
  RSET: { states: ANY, argument: 'none', purpose: 'junk' },
  NOOP: { states: ANY, argument: 'any', purpose: 'junk' },
  VRFY: { states: ANY, argument: 'any', purpose: 'junk' },
  EXPN: { states: ANY, argument: 'any', purpose: 'junk' },
  HELP: { states: ANY, argument: 'any', purpose: 'junk' },
  QUIT: { states: ANY, argument: 'none', purpose: 'mail' },
  STARTTLS: { states: ['ready'], argument: 'none', purpose: 'junk' },
  AUTH: { states: ANY, argument: 'any', purpose: 'junk' },
};

// A set, not the object: `__proto__` and `constructor` are no commands (CVE-2026-34752).
const VERBS: ReadonlySet<string> = new Set(Object.keys(COMMAND_RULES));

/** Every command that the machine knows. */
export const SERVER_COMMANDS: readonly string[] = [...VERBS];

// Cross-protocol attacks speak HTTP to us and hide commands in its body (CVE-2021-3618).
const HTTP_VERBS: ReadonlySet<string> = new Set([
  'GET',
  'POST',
  'PUT',
  'HEAD',
  'OPTIONS',
  'CONNECT',
  'DELETE',
  'PATCH',
  'TRACE',
]);
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\0-\x1f\x7f]/;

export interface Command {
  readonly verb: Verb;
  /** Without the white space around it. */
  readonly argument: string;
}

/** The line as a command, or the reply to what is none. */
export function readCommand(line: Line): Command | { readonly name: ReplyName } {
  if (line.kind === 'tooLong') return { name: 'lineTooLong' };
  if (line.kind === 'bareNewline') return { name: 'bareNewline' };
  const utf8 = isUtf8(line.octets);
  const text = line.octets.toString(utf8 ? 'utf8' : 'latin1');
  const space = text.indexOf(' ');
  const verb = (space === -1 ? text : text.slice(0, space)).toUpperCase();
  if (!utf8 || CONTROL.test(text)) {
    // A chunk follows whose length nobody knows.
    if (verb.startsWith('BDAT')) return { name: 'chunkSyntax' };
    return { name: utf8 ? 'controlCharacter' : 'notUtf8' };
  }
  if (isVerb(verb)) return { verb, argument: space === -1 ? '' : text.slice(space + 1).trim() };
  return { name: HTTP_VERBS.has(verb) ? 'httpVerb' : 'unknownCommand' };
}

function isVerb(text: string): text is Verb {
  return VERBS.has(text);
}

/** Why the command is not in order in this state. */
export function outOfOrder(verb: Verb, state: ServerState, recipients: 'noneTried' | 'tried'): ReplyName {
  switch (state) {
    case 'greeting':
      return 'helloFirst';
    case 'ready':
      return 'mailFirst';
    case 'bdat':
      return 'chunksOpen';
    case 'mail':
      if (verb !== 'DATA' && verb !== 'BDAT') return 'mailNested';
      return recipients === 'noneTried' ? 'rcptFirst' : 'noRecipients';
    case 'rcpt':
      return 'mailNested';
  }
}

export function protocolOf(verb: Verb): HelloProtocol {
  if (verb === 'LHLO') return 'LMTP';
  return verb === 'EHLO' ? 'ESMTP' : 'SMTP';
}
