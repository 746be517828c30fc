/**
 * TLS sessions that servers are ready to resume, in the memory of one worker.
 *
 * A session is kept under all that the security of its connection depends on, with what its full handshake proved, and
 * is offered to nobody else. It ends with its lifetime, counted from the last full handshake however often it was
 * resumed since, and what was proved of a certificate ends with the certificate. One of TLS 1.3 is offered once
 * (RFC 8446 appendix C.4). How long the server wants its ticket to be used is held by OpenSSL.
 *
 * Bounded; the key used longest ago makes room. Emptied by a reload, since authorities and certificates may be others.
 */

import { Lru } from '../../lib/lru.ts';
import { type Duration, type Instant } from '../../lib/time.ts';
import { type Clock } from '../../ports/clock.ts';
import { type TlsProof } from './proof.ts';

/** As many as a server hands out at once; the newest are the ones to use. */
const MAX_FOR_KEY = 4;
/** A certificate and a ticket with another within; one that is greater is not worth its room. */
const MAX_OCTETS = 16_384;
const MAX_DISTRUSTED = 1000;

export interface Handshake {
  readonly proof: TlsProof;
  /** Of the full handshake, by the clock that is never set. */
  readonly at: Instant;
  /** A certificate of the chain that proved it ends then; only where it proved something. */
  readonly certifiedUntil: Instant;
}

export interface Resumable extends Handshake {
  /** As Node hands it out. */
  readonly session: Buffer;
  readonly use: 'once' | 'often';
}

export interface ResumptionLimits {
  readonly lifetime: Duration;
  readonly sessions: number;
}

export class ResumptionCache {
  readonly #clock: Clock;
  readonly #lifetime: Duration;
  /** The newest last. */
  readonly #kept: Lru<string, readonly Resumable[]>;
  /** Where a connection broke that was to resume one, and when. */
  readonly #distrusted = new Lru<string, Instant>(MAX_DISTRUSTED);

  constructor(clock: Clock, { lifetime, sessions }: ResumptionLimits) {
    this.#clock = clock;
    this.#lifetime = lifetime;
    this.#kept = new Lru(sessions, ({ length }) => length);
  }

  /** How many there are. */
  get size(): number {
    return this.#kept.weight;
  }

  now(): Instant {
    return this.#clock.monotonic();
  }

  keep(key: string, resumable: Resumable): void {
    if (resumable.session.length > MAX_OCTETS || !this.#isGood(resumable) || this.#distrusts(key)) return;
    // A session that may be used often stands for all that came before it.
    const before = resumable.use === 'once' ? (this.#kept.get(key) ?? []) : [];
    this.#kept.set(key, [...before, resumable].slice(-MAX_FOR_KEY));
  }

  /** The newest that is still good. */
  take(key: string): Resumable | undefined {
    const good = (this.#kept.get(key) ?? []).filter((each) => this.#isGood(each));
    const taken = good.at(-1);
    const left = taken?.use === 'once' ? good.slice(0, -1) : good;
    if (left.length === 0) this.#kept.delete(key);
    else this.#kept.set(key, left);
    return taken;
  }

  /** The server did not resume one: it will not resume what is older either. */
  drop(key: string): void {
    this.#kept.delete(key);
  }

  /** A connection broke that was to resume one: full handshakes for as long as a session lives. */
  distrust(key: string): void {
    this.drop(key);
    this.#distrusted.set(key, this.now());
  }

  #distrusts(key: string): boolean {
    const since = this.#distrusted.get(key);
    return since !== undefined && this.now() < since + this.#lifetime;
  }

  #isGood({ at, proof, certifiedUntil }: Resumable): boolean {
    return this.now() < at + this.#lifetime && (!proof.verified || this.#clock.now() < certifiedUntil);
  }
}
