/**
 * The mechanisms that send a password as it is: PLAIN (RFC 4616) and LOGIN, which many clients know and no RFC does.
 * Only for an encrypted session.
 */

import { isUtf8 } from 'node:buffer';
import { REFUSED, type SaslExchange, type SaslStep, SYNTAX } from './sasl.ts';

const NUL = '\0';
const NOTHING = Buffer.alloc(0);

/** `[authzid] NUL authcid NUL passwd`. Who one acts as must be who one is. */
export class PlainExchange implements SaslExchange {
  begin(initial: Buffer | undefined): SaslStep {
    return initial === undefined ? { kind: 'challenge', octets: NOTHING } : this.respond(initial);
  }

  respond(response: Buffer): SaslStep {
    if (!isUtf8(response)) return SYNTAX;
    const [authzid, user, password, more] = response.toString('utf8').split(NUL);
    if (authzid === undefined || user === undefined || password === undefined || more !== undefined) return SYNTAX;
    if (user === '' || password === '') return REFUSED;
    if (authzid !== '' && authzid !== user) return REFUSED;
    return { kind: 'check', check: { kind: 'password', user, password } };
  }

  secret(): SaslStep {
    return SYNTAX;
  }
}

/** Two questions; some clients give the first answer with the command. */
export class LoginExchange implements SaslExchange {
  #user: string | undefined;

  begin(initial: Buffer | undefined): SaslStep {
    return initial === undefined ? { kind: 'challenge', octets: Buffer.from('Username:') } : this.respond(initial);
  }

  respond(response: Buffer): SaslStep {
    if (!isUtf8(response) || response.includes(0)) return SYNTAX;
    const text = response.toString('utf8');
    if (this.#user === undefined) {
      this.#user = text;
      return { kind: 'challenge', octets: Buffer.from('Password:') };
    }
    if (this.#user === '' || text === '') return REFUSED;
    return { kind: 'check', check: { kind: 'password', user: this.#user, password: text } };
  }

  secret(): SaslStep {
    return SYNTAX;
  }
}
