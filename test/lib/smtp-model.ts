/**
 * A small reference model of the server: which codes a command may get in a state, and the state after it.
 *
 * It is written from RFC 5321 §4.1.4 and RFC 3030, not from the server, and knows nothing of octets.
 */

import { type ServerState } from '../../src/wire/smtp/server.ts';

export interface ModelCommand {
  readonly verb: 'EHLO' | 'HELO' | 'MAIL' | 'RCPT' | 'DATA' | 'BDAT' | 'RSET' | 'NOOP' | 'VRFY' | 'STARTTLS' | 'JUNK';
  /** What the receiver says to it, if it is asked. */
  readonly receiver: 'accepts' | 'refuses' | 'fails';
  /** Of BDAT. */
  readonly last: boolean;
  /** Of DATA and BDAT. */
  readonly content: 'good' | 'bareNewline' | 'tooLarge';
}

export interface ModelStep {
  /** The final code: of the end of content, for DATA that was begun. */
  readonly codes: readonly number[];
  readonly next: ServerState | 'closed';
}

const ANY_REFUSAL = [450, 451, 550];

/** `refused`: with a reply of the receiver's, or for its failure. */
function decided({ receiver }: ModelCommand, good: ModelStep, bad: ServerState): ModelStep {
  return receiver === 'accepts' ? good : { codes: ANY_REFUSAL, next: bad };
}

export function expected(state: ServerState, command: ModelCommand): ModelStep {
  return RULES[command.verb](state, command);
}

type Rule = (state: ServerState, command: ModelCommand) => ModelStep;

const always =
  (...codes: readonly number[]): Rule =>
  (state) => ({ codes, next: state });

const hello: Rule = (state, command) => decided(command, { codes: [250], next: 'ready' }, state);

const RULES: Readonly<Record<ModelCommand['verb'], Rule>> = {
  EHLO: hello,
  HELO: hello,
  MAIL: (state, command) =>
    state === 'ready' ? decided(command, { codes: [250], next: 'mail' }, 'ready') : outOfOrder(state),
  RCPT: (state, command) =>
    state === 'mail' || state === 'rcpt' ? decided(command, { codes: [250], next: 'rcpt' }, state) : outOfOrder(state),
  DATA: (state, command) => (state === 'rcpt' ? afterContent(command, 'closed') : outOfOrder(state)),
  BDAT: (state, command) => {
    if (state === 'rcpt') return chunk(command);
    // The first chunk is when the receiver is asked for room; it is not asked again.
    return state === 'bdat' ? chunk({ ...command, receiver: 'accepts' }) : outOfOrder(state);
  },
  RSET: (state) => ({ codes: [250], next: state === 'greeting' ? 'greeting' : 'ready' }),
  NOOP: always(250),
  VRFY: always(252),
  STARTTLS: always(502, 503),
  JUNK: always(500),
};

function outOfOrder(state: ServerState): ModelStep {
  return { codes: [503, 554], next: state };
}

function chunk(command: ModelCommand): ModelStep {
  if (command.last || command.content !== 'good') return afterContent(command, 'ready');
  return decided(command, { codes: [250], next: 'bdat' }, 'ready');
}

function afterContent({ content, receiver }: ModelCommand, afterBareNewline: 'ready' | 'closed'): ModelStep {
  if (receiver === 'accepts' && content === 'good') return { codes: [250], next: 'ready' };
  // A receiver that refused the content was never given it, so its form does not matter.
  if (receiver !== 'accepts') return { codes: [...ANY_REFUSAL, 552], next: 'ready' };
  return content === 'bareNewline' ? { codes: [550], next: afterBareNewline } : { codes: [552], next: 'ready' };
}
