/**
 * EXTERNAL (RFC 4422 appendix A): the client has proved who it is before SASL began, by its certificate. All that it says
 * is whom it wants to act as; empty: whoever it is.
 */

import { isUtf8 } from 'node:buffer';
import { type SaslExchange, type SaslStep, SYNTAX } from './sasl.ts';

const NOTHING = Buffer.alloc(0);

export class ExternalExchange implements SaslExchange {
  begin(initial: Buffer | undefined): SaslStep {
    return initial === undefined ? { kind: 'challenge', octets: NOTHING } : this.respond(initial);
  }

  respond(response: Buffer): SaslStep {
    if (!isUtf8(response) || response.includes(0)) return SYNTAX;
    const user = response.length === 0 ? undefined : response.toString('utf8');
    return { kind: 'check', check: { kind: 'certificate', user } };
  }

  secret(): SaslStep {
    return SYNTAX;
  }
}
