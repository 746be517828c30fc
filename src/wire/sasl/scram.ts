/**
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): the client proves that it knows the password, and the
 * server that it knows what was made of it, and with PLUS both that they are the ends of one TLS session.
 *
 *     client-first ──▶ secret? ──▶ server-first ──▶ client-final ──▶ server-final ──▶ (empty) ──▶ check
 */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { type ChannelBinding, REFUSED, type SaslExchange, type SaslStep, type ScramGiven, SYNTAX } from './sasl.ts';

export interface ScramOptions {
  /** It was asked for as `SCRAM-SHA-256-PLUS`. */
  readonly plus: boolean;
  /** PLUS is offered: a client that says it could and we could not has been lied to (RFC 5802 §6). */
  readonly offersPlus: boolean;
}

const NOTHING = Buffer.alloc(0);
const CLIENT_FIRST =
  /^(?:(n|y)|p=([A-Za-z0-9.-]+)),(?:a=([^,]*))?,((?:m=[^,]*,)?n=([^,]*),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/su;
const CLIENT_FINAL = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,(?!p=)[^,]*)*),p=([A-Za-z0-9+/]{43}=)$/;
const MAX_NONCE = 256;

type Stage = 'first' | 'secret' | 'final' | 'done' | 'over';

export class ScramExchange implements SaslExchange {
  readonly #options: ScramOptions;
  #stage: Stage = 'first';
  #user = '';
  #gs2 = '';
  #clientFirst = '';
  #clientNonce = '';
  #serverFirst = '';
  #given: ScramGiven | undefined;
  #binding: ChannelBinding | undefined;

  constructor(options: ScramOptions) {
    this.#options = options;
  }

  begin(initial: Buffer | undefined): SaslStep {
    return initial === undefined ? { kind: 'challenge', octets: NOTHING } : this.respond(initial);
  }

  respond(response: Buffer): SaslStep {
    if (!isUtf8(response)) return this.#end(SYNTAX);
    switch (this.#stage) {
      case 'first':
        return this.#first(response.toString('utf8'));
      case 'final':
        return this.#final(response.toString('utf8'));
      case 'done':
        // The client has nothing to add to our proof.
        this.#stage = 'over';
        return response.length === 0 ? { kind: 'check', check: { kind: 'user', user: this.#user } } : SYNTAX;
      default:
        return this.#end(SYNTAX);
    }
  }

  secret(given: ScramGiven): SaslStep {
    if (this.#stage !== 'secret') return this.#end(SYNTAX);
    if (this.#binding !== undefined && given.binding === undefined) return this.#end(REFUSED);
    this.#given = given;
    this.#stage = 'final';
    const salt = Buffer.from(given.salt).toString('base64');
    this.#serverFirst = `r=${this.#clientNonce}${given.nonce},s=${salt},i=${given.iterations}`;
    return { kind: 'challenge', octets: Buffer.from(this.#serverFirst) };
  }

  #first(text: string): SaslStep {
    const read = readFirst(text);
    if (read === undefined) return this.#end(SYNTAX);
    const { flag, user, acting, binding, bare, nonce } = read;
    if (acting !== '' && acting !== user) return this.#end(REFUSED);
    if ((binding !== undefined) !== this.#options.plus) return this.#end(SYNTAX);
    if (flag === 'y' && this.#options.offersPlus) return this.#end(REFUSED);
    if (binding !== undefined && !isBinding(binding)) return this.#end(REFUSED);
    this.#user = user;
    this.#gs2 = text.slice(0, text.length - bare.length);
    this.#clientFirst = bare;
    this.#clientNonce = nonce;
    this.#binding = binding;
    this.#stage = 'secret';
    return { kind: 'secret', user, binding };
  }

  #final(text: string): SaslStep {
    const given = this.#given;
    const [, withoutProof, binding, nonce, proof] = CLIENT_FINAL.exec(text) ?? [];
    if (given === undefined || withoutProof === undefined || binding === undefined || proof === undefined)
      return this.#end(SYNTAX);
    const bound = Buffer.concat([Buffer.from(this.#gs2), given.binding ?? NOTHING]);
    const isOurs = nonce === this.#clientNonce + given.nonce && sameOctets(Buffer.from(binding, 'base64'), bound);
    const authMessage = `${this.#clientFirst},${this.#serverFirst},${withoutProof}`;
    if (!isOurs || !fits(Buffer.from(proof, 'base64'), given.storedKey, authMessage)) return this.#end(REFUSED);
    this.#stage = 'done';
    const signature = createHmac('sha256', given.serverKey).update(authMessage).digest('base64');
    return { kind: 'challenge', octets: Buffer.from(`v=${signature}`) };
  }

  #end(step: SaslStep): SaslStep {
    this.#stage = 'over';
    this.#given = undefined;
    return step;
  }
}

interface ClientFirst {
  /** `n` or `y`; undefined with a binding. */
  readonly flag: string | undefined;
  readonly binding: string | undefined;
  readonly user: string;
  /** Whom it wants to act as. */
  readonly acting: string;
  readonly nonce: string;
  /** Without the header of GS2. */
  readonly bare: string;
}

function readFirst(text: string): ClientFirst | undefined {
  const [, flag, binding, authzid = '', bare, name, nonce] = CLIENT_FIRST.exec(text) ?? [];
  if (bare === undefined || name === undefined || nonce === undefined) return undefined;
  // An extension that must be understood, and is not (RFC 5802 §5.1).
  if (bare.startsWith('m=') || nonce.length > MAX_NONCE) return undefined;
  const user = unescaped(name);
  const acting = unescaped(authzid);
  if (user === undefined || user === '' || acting === undefined) return undefined;
  return { flag, binding, user, acting, nonce, bare };
}

function isBinding(type: string): type is ChannelBinding {
  return type === 'tls-exporter' || type === 'tls-unique';
}

function fits(proof: Buffer, storedKey: Uint8Array, authMessage: string): boolean {
  const signature = createHmac('sha256', storedKey).update(authMessage).digest();
  const clientKey = proof.map((octet, i) => octet ^ (signature[i] ?? 0));
  return sameOctets(createHash('sha256').update(clientKey).digest(), storedKey);
}

function sameOctets(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

/** `=2C` is a comma and `=3D` an equals sign; any other `=` is an error. */
function unescaped(name: string): string | undefined {
  if (/=(?!2C|3D)/.test(name) || name.includes('\0')) return undefined;
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}
