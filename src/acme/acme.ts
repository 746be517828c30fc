/**
 * Keeps a certificate by ACME: orders the first one, renews it in time, waits longer after each failure.
 *
 * All that must outlive a restart is in the spool's `acme` folder, so that a server that starts again and again asks no
 * more often than one that runs. The certificate before stays in use until the new one is on disk.
 */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { errorText } from '../lib/error-text.ts';
import { HOUR, type Instant, MINUTE, SECOND } from '../lib/time.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Random } from '../ports/random.ts';
import { type Timer, type Timers } from '../ports/timers.ts';
import { type RenewalWindow } from '../wire/acme/documents.ts';
import { openResponder } from './challenges.ts';
import { AcmeClient, AcmeFailure } from './client.ts';
import { type AcmeOptions } from './config.ts';
import { type AcmeFiles, readIfThere, writeWhole } from './files.ts';
import { certificateId, newKey } from './keys.ts';
import { orderCertificate } from './order.ts';
import { readAcmeState, type AcmeState } from './state.ts';
import { renewalAt, waitAfter } from './renewal.ts';

export interface AcmeDeps {
  readonly options: AcmeOptions;
  readonly files: AcmeFiles;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  readonly userAgent: string;
  /** PEM of the authorities to trust; absent: those of the system. */
  readonly ca: string | undefined;
  /** A new certificate is on disk. */
  readonly changed: () => Promise<void>;
}

export interface AcmeStanding {
  readonly names: readonly string[];
  readonly state: 'waiting' | 'ordering';
  readonly nextAt: Instant;
  readonly failures: number;
  readonly lastError: string;
  /** Of the next renewal, where it will be another. */
  readonly nextKey: KeyObject | undefined;
}

/** What the authority suggests may change: it is asked so often (RFC 9773 §4.3.2). */
const LOOK_EVERY = 6 * HOUR;
/** By hand: no more often than this. */
const POLITE = MINUTE;
const FIRST_TURN = SECOND;

interface Current {
  readonly pem: string;
  readonly names: readonly string[];
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

export class Acme {
  readonly #deps: AcmeDeps;
  #timer: Timer | undefined;
  #stopped = false;
  #ordering: Promise<void> | undefined;
  #nextAt: Instant = 0;
  #state: AcmeState = readAcmeState(undefined);
  #nextKey: KeyObject | undefined;
  /** Where in the window that the authority suggests: the same for a whole life, or the time would come and go. */
  readonly #chance: number;

  constructor(deps: AcmeDeps) {
    this.#deps = deps;
    this.#chance = deps.random.next();
  }

  start(): void {
    this.#wakeIn(FIRST_TURN);
  }

  /** An order under way is given up at its next step. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  standing(): AcmeStanding {
    const { failures, lastError } = this.#state;
    return {
      ...{ names: this.#deps.options.names, failures, lastError, nextAt: this.#nextAt },
      state: this.#ordering === undefined ? 'waiting' : 'ordering',
      nextKey: this.#nextKey,
    };
  }

  /** Now. Says why not, where it would be impolite. */
  renew(): string | undefined {
    if (this.#ordering !== undefined) return undefined;
    const since = this.#deps.clock.now() - this.#state.lastOrderAt;
    if (since >= 0 && since < POLITE) return 'an order was made less than a minute ago; wait a little';
    this.#timer?.cancel();
    void this.#run(() => this.#order());
    return undefined;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#ordering;
  }

  #wakeIn(delay: number): void {
    this.#timer?.cancel();
    if (!this.#stopped) this.#timer = this.#deps.timers.after(delay, () => void this.#run(() => this.#turn()));
  }

  /** Never rejects. */
  async #run(work: () => Promise<void>): Promise<void> {
    if (this.#ordering !== undefined || this.#stopped) return;
    this.#ordering = work().catch((error: unknown) => this.#failed(error));
    await this.#ordering;
    this.#ordering = undefined;
    this.#wakeIn(Math.min(LOOK_EVERY, Math.max(MINUTE, this.#nextAt - this.#deps.clock.now())));
  }

  async #turn(): Promise<void> {
    const { clock, files, options } = this.#deps;
    this.#state = readAcmeState(await readIfThere(files.state));
    const current = await this.#current();
    const fits = current !== undefined && sameNames(current.names, options.names) ? current : undefined;
    const window = fits === undefined ? undefined : await this.#suggested(fits.pem);
    const due = renewalAt({ certificate: fits, window, chance: this.#chance });
    await this.#readNextKey();
    this.#nextAt = Math.max(due, this.#state.notBefore);
    if (clock.now() >= this.#nextAt) await this.#order();
  }

  async #order(): Promise<void> {
    const { clock, log, options, files } = this.#deps;
    await this.#remember({ ...this.#state, lastOrderAt: clock.now() });
    log.info('a certificate is ordered by ACME', { names: options.names.join(' '), directory: options.directory });
    const current = await this.#current();
    const key = await this.#keyFor(current);
    const chain = await this.#obtain(key, current);
    if (!new X509Certificate(chain).checkPrivateKey(createPrivateKey(key)))
      throw new AcmeFailure('the authority gave a certificate for another key');
    await writeWhole(files.certificate, `${key.trimEnd()}\n${chain.trimEnd()}\n`);
    if (!options.keepKey) await writeWhole(files.nextKey, await newKey(options.keyType));
    await this.#readNextKey();
    const { validFromDate, validToDate } = new X509Certificate(chain);
    const life = { notBefore: validFromDate.getTime(), notAfter: validToDate.getTime() };
    await this.#remember({ ...this.#state, failures: 0, lastError: '', notBefore: 0 });
    this.#nextAt = renewalAt({ certificate: life, window: undefined, chance: this.#chance });
    log.info('a certificate has come by ACME', { names: options.names.join(' '), end: validToDate.toISOString() });
    await this.#deps.changed();
  }

  async #obtain(key: string, current: Current | undefined): Promise<string> {
    const { options, timers, clock } = this.#deps;
    const accountKey = await this.#accountKey();
    const client = this.#client(accountKey);
    await client.signIn({ email: options.email, external: await this.#external() });
    const port = options.challenge === 'http-01' ? options.httpPort : options.tlsPort;
    const { challenge, host, names } = options;
    const responder = await openResponder({ kind: challenge, host, port, now: () => clock.now() });
    try {
      const replaces = current === undefined ? undefined : await certificateId(current.pem);
      return await orderCertificate(client, {
        ...{ names, key, accountKey, challenge, replaces, responder, timers },
        goOn: () => {
          if (this.#stopped) throw new AcmeFailure('given up: the server stops or has another configuration');
        },
      });
    } finally {
      await responder.close();
    }
  }

  async #failed(error: unknown): Promise<void> {
    if (this.#stopped) return;
    const { clock, random, log } = this.#deps;
    const reason = errorText(error);
    const failures = this.#state.failures + 1;
    const asked = error instanceof AcmeFailure ? error.retryAfter : undefined;
    const wait = waitAfter(failures, asked, random.next());
    this.#nextAt = clock.now() + wait;
    log.error('no certificate by ACME; it is tried again later', {
      ...{ reason, failures, nextTry: new Date(this.#nextAt).toISOString() },
    });
    await this.#remember({ ...this.#state, failures, lastError: reason, notBefore: this.#nextAt }).catch(() => {
      // A full disk, which the queue manager tells of: what is remembered here is enough until a restart.
    });
  }

  async #remember(state: AcmeState): Promise<void> {
    this.#state = state;
    await writeWhole(this.#deps.files.state, `${JSON.stringify(state)}\n`);
  }

  /** Undefined: there is none that can be used. */
  async #current(): Promise<Current | undefined> {
    const pem = await readIfThere(this.#deps.files.certificate);
    if (pem === undefined) return undefined;
    try {
      const { subjectAltName = '', validFromDate, validToDate } = new X509Certificate(pem);
      const names = [...subjectAltName.matchAll(/DNS:([^,"\s]+)/g)].map(([, name = '']) => name.toLowerCase());
      return { pem, names, notBefore: validFromDate.getTime(), notAfter: validToDate.getTime() };
    } catch {
      // Not what we wrote: a new one takes its place.
      return undefined;
    }
  }

  async #suggested(pem: string): Promise<RenewalWindow | undefined> {
    try {
      const id = await certificateId(pem);
      return id === undefined ? undefined : await this.#client(await this.#accountKey()).renewalWindow(id);
    } catch {
      // It is a suggestion: without it the time is counted from the life of the certificate.
      return undefined;
    }
  }

  #client(key: KeyObject): AcmeClient {
    const { options, timers, clock, userAgent } = this.#deps;
    return new AcmeClient({ directory: options.directory, key, clock, http: { timers, ca: this.#deps.ca, userAgent } });
  }

  async #accountKey(): Promise<KeyObject> {
    const { accountKey } = this.#deps.files;
    const kept = await readIfThere(accountKey);
    if (kept !== undefined) return createPrivateKey(kept);
    const made = await newKey('ecdsa');
    await writeWhole(accountKey, made);
    return createPrivateKey(made);
  }

  async #keyFor(current: Current | undefined): Promise<string> {
    const { options, files } = this.#deps;
    if (options.keepKey && current !== undefined) return keyIn(current.pem);
    return (await readIfThere(files.nextKey)) ?? newKey(options.keyType);
  }

  async #readNextKey(): Promise<void> {
    const { options, files } = this.#deps;
    const pem = options.keepKey ? undefined : await readIfThere(files.nextKey);
    this.#nextKey = pem === undefined ? undefined : createPrivateKey(pem);
  }

  async #external(): Promise<{ readonly keyId: string; readonly key: string } | undefined> {
    const { externalKeyId: keyId, externalKeyFile } = this.#deps.options;
    if (keyId === undefined || externalKeyFile === undefined) return undefined;
    return { keyId, key: (await readFile(externalKeyFile, 'utf8')).trim() };
  }
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === new Set(b).size && b.every((name) => a.includes(name));
}

function keyIn(pem: string): string {
  return createPrivateKey(pem).export({ type: 'pkcs8', format: 'pem' }).toString();
}
