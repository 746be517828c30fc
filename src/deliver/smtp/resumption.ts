/**
 * Whether the TLS handshake of one connection may be a resumed one, and what it then proves.
 *
 * A server that resumes a session shows no certificate: it proves that it has the secrets of an earlier session, and so
 * that it is who it was then. What was proved then is kept beside the session. Where the certificate itself must be
 * looked at (DANE, MTA-STS, REQUIRETLS, fingerprints) nothing is resumed.
 *
 * A server that breaks when a session is offered, or right behind it, is asked once more without one, and is not offered
 * one again for a while: a saved handshake is worth no message that waits.
 */

import { type TLSSocket } from 'node:tls';
import { type Instant } from '../../lib/time.ts';
import { counter } from '../../observe/metrics.ts';
import { type Refusal } from '../../wire/smtp/client.ts';
import { type AgentOptions } from '../options.ts';
import { type Target } from './connection.ts';
import { type TlsProof } from './proof.ts';
import { type Handshake, type Resumable, type ResumptionCache } from './resumption-cache.ts';
import { mayResume } from './session-policy.ts';

const handshakes = counter(
  'postrider_outgoing_handshakes_total',
  'TLS handshakes with receivers: full, resumed, declined (a session was offered, and the server made a full one), broken (the connection was lost with a session on offer, or resumed).',
  { kind: ['full', 'resumed', 'declined', 'broken'] },
);

/** Undefined: the handshake is a full one, and so are those after it. */
export function resumptionFor(target: Target, { resumptions, source }: ResumptionOptions): Resumption | undefined {
  const { protocol, host, address, local, port, demand, implicitTls, tlsOptions, credentials } = target;
  if (resumptions === undefined || local === 'unix' || !mayResume(demand, tlsOptions)) return undefined;
  const { level, policy, serverName } = demand;
  // A server may tell by its ticket that two connections are of one client: two logins, two addresses of ours share none.
  const key = [protocol, host, address, port, serverName, implicitTls, level, policy, tlsOptions, credentials?.user];
  // RFC 7627 §1: who shows a certificate below TLS 1.3 needs a full handshake to know to whom.
  const versions = tlsOptions?.clientCertificate === undefined ? 'all' : 'TLSv1.3';
  return new Resumption(resumptions, JSON.stringify([...key, source?.address4, source?.address6]), versions);
}

type ResumptionOptions = Pick<AgentOptions, 'resumptions' | 'source'>;

export class Resumption {
  readonly #cache: ResumptionCache;
  readonly #key: string;
  readonly #versions: 'all' | 'TLSv1.3';
  #state: 'full' | 'offered' | 'resumed' | 'broken' = 'full';
  #offered: Resumable | undefined;
  #handshake: Handshake | undefined;

  constructor(cache: ResumptionCache, key: string, versions: 'all' | 'TLSv1.3') {
    this.#cache = cache;
    this.#key = key;
    this.#versions = versions;
  }

  /** For `tls.connect`: what is offered is offered now. */
  offer(): { readonly session?: Buffer } {
    this.#offered = this.#cache.take(this.#key);
    if (this.#offered === undefined) return {};
    this.#state = 'offered';
    return { session: this.#offered.session };
  }

  /** Before the handshake: Node asks OpenSSL for sessions only if somebody listens, and hands them out after it. */
  listen(socket: TLSSocket): void {
    socket.on('session', (session: Buffer) => this.#keep(socket, session));
  }

  /** What a resumed handshake proves; undefined: it was a full one. */
  proofOf(socket: TLSSocket): TlsProof | undefined {
    if (this.#offered === undefined || !socket.isSessionReused()) {
      if (this.#state === 'offered') this.#cache.drop(this.#key);
      countHandshake(this.#state === 'offered' ? 'declined' : 'full');
      this.#state = 'full';
      return undefined;
    }
    countHandshake('resumed');
    this.#state = 'resumed';
    this.#handshake = this.#offered;
    return { ...this.#offered.proof, resumed: true };
  }

  /** A full handshake was good enough; `certifiedUntil`: as long as all certificates of the chain are valid. */
  established(proof: TlsProof, certifiedUntil: Instant): void {
    this.#handshake = { proof, certifiedUntil, at: this.#cache.now() };
  }

  /** The connection was lost before it was of any use: was it because of what was offered? Then never again, for now. */
  isToBlame(cause: Refusal['cause']): boolean {
    if (cause !== 'connection' && cause !== 'tls') return false;
    if (this.#state === 'offered' || this.#state === 'resumed') {
      this.#state = 'broken';
      this.#cache.distrust(this.#key);
      countHandshake('broken');
    }
    return this.#state === 'broken';
  }

  #keep(socket: TLSSocket, session: Buffer): void {
    const isNewest = socket.getProtocol() === 'TLSv1.3';
    if (this.#handshake === undefined || !(isNewest || this.#versions === 'all')) return;
    // A session of TLS 1.2 that was resumed is still there; the one that comes in its place is as good.
    this.#cache.keep(this.#key, { ...this.#handshake, session, use: isNewest ? 'once' : 'often' });
  }
}

export function countHandshake(kind: 'full' | 'resumed' | 'declined' | 'broken'): void {
  handshakes.add(1, { kind });
}
