/**
 * Talks to one ACME server (RFC 8555): nonces, signed requests, an account.
 *
 * Anything that the server refuses rejects with an `AcmeFailure`, which carries its words and when it may be asked again.
 */

import { type KeyObject } from 'node:crypto';
import { type Duration } from '../lib/time.ts';
import { type Parsed } from '../lib/parsed.ts';
import { type Clock } from '../ports/clock.ts';
import {
  type Directory,
  readDirectory,
  readProblem,
  type RenewalWindow,
  readRenewalInfo,
} from '../wire/acme/documents.ts';
import { type ExternalAccount, externalBinding, signedRequest } from '../wire/acme/jws.ts';
import { type Answer, ask, type HttpOptions, retryAfter } from './http.ts';

export class AcmeFailure extends Error {
  /** The type of the problem, such as `rateLimited`; `''` where it is none of ACME's. */
  readonly type: string;
  readonly retryAfter: Duration | undefined;
  constructor(message: string, type = '', wait?: Duration) {
    super(message);
    this.type = type;
    this.retryAfter = wait;
  }
}

export interface ClientOptions {
  readonly directory: string;
  readonly key: KeyObject;
  readonly http: HttpOptions;
  readonly clock: Clock;
}

export interface AccountWish {
  readonly email: string | undefined;
  readonly external: ExternalAccount | undefined;
}

// A nonce may have gone stale meanwhile (§6.5).
const MAX_NONCES = 10;

export class AcmeClient {
  readonly #options: ClientOptions;
  #directory: Directory | undefined;
  #nonce: string | undefined;
  #account: string | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  async directory(): Promise<Directory> {
    if (this.#directory !== undefined) return this.#directory;
    const answer = await this.#get(this.#options.directory);
    this.#directory = this.#read(answer, readDirectory);
    return this.#directory;
  }

  /** Makes an account for the key, or finds the one that is there (§7.3). Who calls has agreed to the terms. */
  async signIn({ email, external }: AccountWish): Promise<void> {
    const { newAccount, needsExternalAccount } = await this.directory();
    if (needsExternalAccount && external === undefined)
      throw new AcmeFailure('the authority asks for an external account: set acme.externalKeyId and externalKeyFile');
    const { key } = this.#options;
    const answer = await this.post(newAccount, {
      termsOfServiceAgreed: true,
      ...(email !== undefined && { contact: [`mailto:${email}`] }),
      ...(external !== undefined && { externalAccountBinding: externalBinding(key, external, newAccount) }),
    });
    const { location } = answer.headers;
    if (location === undefined) throw new AcmeFailure('the authority did not say where the account is');
    this.#account = location;
  }

  /** POST-as-GET without a payload. */
  async post(url: string, payload?: object): Promise<Answer> {
    for (let nonces = 1; ; nonces += 1) {
      const nonce = this.#nonce ?? (await this.#newNonce());
      this.#nonce = undefined;
      const signing = { key: this.#options.key, account: this.#account, nonce, url };
      const body = JSON.stringify(signedRequest(payload, signing));
      const answer = await this.#ask({ method: 'POST', url, body });
      if (answer.code < 300) return answer;
      const failure = this.#failureOf(answer);
      if (failure.type !== 'badNonce' || nonces === MAX_NONCES) throw failure;
    }
  }

  async postFor<T>(url: string, read: (json: unknown) => Parsed<T>, payload?: object): Promise<Received<T>> {
    const answer = await this.post(url, payload);
    return { value: this.#read(answer, read), location: answer.headers.location, wait: this.#waitOf(answer) };
  }

  /** Undefined: the authority suggests nothing. */
  async renewalWindow(certificateId: string): Promise<RenewalWindow | undefined> {
    const { renewalInfo } = await this.directory();
    if (renewalInfo === undefined) return undefined;
    return this.#read(await this.#get(`${renewalInfo.replace(/\/$/, '')}/${certificateId}`), readRenewalInfo);
  }

  async #newNonce(): Promise<string> {
    const { newNonce } = await this.directory();
    await this.#ask({ method: 'HEAD', url: newNonce });
    if (this.#nonce === undefined) throw new AcmeFailure('the authority gave no nonce');
    return this.#nonce;
  }

  async #get(url: string): Promise<Answer> {
    const answer = await this.#ask({ method: 'GET', url });
    if (answer.code !== 200) throw this.#failureOf(answer);
    return answer;
  }

  async #ask(asked: Parameters<typeof ask>[0]): Promise<Answer> {
    const answer = await ask(asked, this.#options.http);
    const nonce = answer.headers['replay-nonce'];
    if (typeof nonce === 'string') this.#nonce = nonce;
    return answer;
  }

  #read<T>({ body }: Answer, read: (json: unknown) => Parsed<T>): T {
    const found = read(jsonOf(body));
    if (!found.ok) throw new AcmeFailure(`the authority answered with ${found.reason}`);
    return found.value;
  }

  #failureOf(answer: Answer): AcmeFailure {
    const { type, text } = readProblem(jsonOf(answer.body));
    const said = text === '' ? `it answered ${answer.code}` : text;
    return new AcmeFailure(`the authority refuses: ${said}`, type, this.#waitOf(answer));
  }

  #waitOf(answer: Answer): Duration | undefined {
    return retryAfter(answer, this.#options.clock.now());
  }
}

export interface Received<T> {
  readonly value: T;
  readonly location: string | undefined;
  readonly wait: Duration | undefined;
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // Not JSON: then it is nothing of ACME.
    return undefined;
  }
}
