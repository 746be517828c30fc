/**
 * AUTH on the server (RFC 4954): the exchange between the command and its final reply.
 *
 * While it goes on each line is a response: base64, `*` to give up, at most 12,288 octets. Nothing of it is ever quoted
 * in a reply or an event. A client that guesses is hung up on after a few failures.
 */

import { OAuthBearerExchange, XOAuth2Exchange } from '../sasl/bearer.ts';
import { ExternalExchange } from '../sasl/external.ts';
import { LoginExchange, PlainExchange } from '../sasl/password.ts';
import { SASL_MECHANISMS, type SaslExchange, type SaslMechanism, type SaslStep } from '../sasl/sasl.ts';
import { ScramExchange } from '../sasl/scram.ts';
import { type Line } from './line-cutter.ts';
import { type Decision } from './server-actions.ts';
import { type AuthOptions, isSecured, type TlsState } from './server-options.ts';
import { type ServerVoice } from './server-voice.ts';

/** RFC 4954 §4: the longest line of an exchange, with its CRLF. */
export const MAX_AUTH_LINE = 12_288;
const MAX_FAILURES = 5;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** What may be asked for now: PLUS needs a session of TLS to bind to, EXTERNAL a certificate. */
export function mechanismsOf({ mechanisms }: AuthOptions, tls: TlsState): readonly SaslMechanism[] {
  return SASL_MECHANISMS.filter((name) => {
    if (name === 'EXTERNAL' && tls !== 'certified') return false;
    if (name === 'SCRAM-SHA-256-PLUS' && !isSecured(tls)) return false;
    return mechanisms.includes(name);
  });
}

export function offersAuth(auth: AuthOptions | undefined, tls: TlsState): auth is AuthOptions {
  return auth !== undefined && takesLogins(auth, tls) && mechanismsOf(auth, tls).length > 0;
}

function takesLogins({ clearText }: AuthOptions, tls: TlsState): boolean {
  return isSecured(tls) || clearText === 'allowed';
}

export class ServerAuth {
  readonly #options: AuthOptions | undefined;
  readonly #voice: ServerVoice;
  #exchange: SaslExchange | undefined;
  /** The client was refused and told why; what it answers is nothing. */
  #denied = false;
  /** Whose secret the exchange has asked for: a proof that does not fit counts against this name. */
  #user: string | undefined;
  #failures = 0;
  #done = false;

  constructor(options: AuthOptions | undefined, voice: ServerVoice) {
    this.#options = options;
    this.#voice = voice;
  }

  /** The next line is a response. */
  get reads(): boolean {
    return this.#exchange !== undefined;
  }

  /** Mail is not taken before a login. */
  get isMissing(): boolean {
    return this.#options?.required === true && !this.#done;
  }

  /** What was said in clear text does not count under TLS (RFC 3207 §4.2). */
  reset(): void {
    this.#exchange = undefined;
    this.#done = false;
  }

  /** `ready`: no transaction is open, and hello has been said. */
  begin(argument: string, { tls, ready }: { readonly tls: TlsState; readonly ready: boolean }): void {
    if (this.#options === undefined) return this.#voice.say('authAbsent');
    if (!takesLogins(this.#options, tls)) return this.#voice.say('authNeedsTls');
    if (this.#done) return this.#voice.say('authDone');
    if (!ready) return this.#voice.say('authOutOfOrder');
    const [name = '', initial, more] = argument.split(' ');
    const offered = mechanismsOf(this.#options, tls);
    const mechanism = offered.find((each) => each === name.toUpperCase());
    if (name === '' || more !== undefined) return this.#voice.say('authSyntax');
    if (mechanism === undefined) return this.#voice.say('authMechanism');
    this.#exchange = exchangeOf(mechanism, offered, this.#options);
    this.#denied = false;
    this.#user = undefined;
    if (initial === undefined) return this.#step(this.#exchange.begin(undefined));
    // `=` is an empty response, and no response is none.
    const octets = initial === '=' ? Buffer.alloc(0) : decoded(initial);
    return octets === undefined ? this.#malformed() : this.#step(this.#exchange.begin(octets));
  }

  respond(line: Line): void {
    if (line.kind !== 'line') return this.#voice.say(line.kind === 'tooLong' ? 'authLineTooLong' : 'bareNewline');
    // `*` too: whoever gives up after a refusal has been refused.
    if (this.#denied) return this.#failed();
    const text = line.octets.toString('latin1');
    const octets = text === '*' ? undefined : decoded(text);
    if (octets === undefined || this.#exchange === undefined) return this.#malformed();
    return this.#step(this.#exchange.respond(octets));
  }

  decided(decision: Decision): void {
    if (decision === 'authenticated') return this.#succeeded();
    if (decision === 'unavailable') return this.#end('authUnavailable');
    if (decision === 'refused') return this.#refused();
    if (typeof decision === 'object' && 'storedKey' in decision && this.#exchange !== undefined)
      return this.#step(this.#exchange.secret(decision));
    this.#exchange = undefined;
    // A reply of the driver's own: a fault, or a client that may not try again now.
    if (typeof decision === 'object' && 'code' in decision) return this.#voice.give(decision);
    throw new Error('a login was asked about, and the answer was about something else');
  }

  #step(step: SaslStep): void {
    switch (step.kind) {
      case 'challenge':
        return this.#voice.challenge(step.octets);
      case 'secret':
        this.#user = step.user;
        return this.#voice.ask({ kind: 'scram', user: step.user, binding: step.binding });
      case 'check':
        return this.#voice.ask({ kind: 'login', check: step.check });
      case 'failed':
        return step.why === 'syntax' ? this.#malformed() : this.#voice.ask({ kind: 'loginFailed', user: this.#user });
    }
  }

  #succeeded(): void {
    this.#exchange = undefined;
    this.#done = true;
    this.#failures = 0;
    this.#voice.say('authTaken');
  }

  #refused(): void {
    const denial = this.#exchange?.denial;
    if (denial === undefined) return this.#failed();
    this.#denied = true;
    return this.#voice.challenge(denial);
  }

  #failed(): void {
    this.#failures += 1;
    this.#end(this.#failures >= MAX_FAILURES ? 'authTooMany' : 'authRefused');
  }

  /** Given up, or no message of the mechanism (RFC 4954 §4: 501 for both). */
  #malformed(): void {
    this.#end('authMalformed');
  }

  #end(name: 'authUnavailable' | 'authRefused' | 'authTooMany' | 'authMalformed'): void {
    this.#exchange = undefined;
    this.#voice.say(name);
  }
}

function exchangeOf(
  mechanism: SaslMechanism,
  offered: readonly SaslMechanism[],
  { bearer }: AuthOptions,
): SaslExchange {
  switch (mechanism) {
    case 'PLAIN':
      return new PlainExchange();
    case 'LOGIN':
      return new LoginExchange();
    case 'EXTERNAL':
      return new ExternalExchange();
    case 'OAUTHBEARER':
      return new OAuthBearerExchange(bearer);
    case 'XOAUTH2':
      return new XOAuth2Exchange(bearer);
    case 'SCRAM-SHA-256':
    case 'SCRAM-SHA-256-PLUS':
      return new ScramExchange({
        plus: mechanism === 'SCRAM-SHA-256-PLUS',
        offersPlus: offered.includes('SCRAM-SHA-256-PLUS'),
      });
  }
}

function decoded(text: string): Buffer | undefined {
  return BASE64.test(text) ? Buffer.from(text, 'base64') : undefined;
}
