/**
 * One request by HTTPS and its answer, for what the product asks of web servers by itself.
 *
 * Nothing that the server does grows without bound: the answer has as many octets as the caller says at most, no redirect
 * is followed, and all of it ends with the caller's signal, however slowly octets come. Nothing is sent before the
 * certificate is found valid for the name in the URL, by an alternative name (RFC 9525 §6.3: a common name is none). It
 * never rejects: what went wrong is told apart, so that the caller can say it in words of its own.
 *
 * Clear text is asked only where the caller says that it may be. Leaves out: kept connections, compression, HTTP/2.
 */

import {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as requestInClear,
} from 'node:http';
import { request as requestSecurely } from 'node:https';
import { isIP } from 'node:net';
import { type TLSSocket } from 'node:tls';
import { errorCode, errorText } from '../lib/error-text.ts';
import { type Duration } from '../lib/time.ts';
import { type Timers } from '../ports/timers.ts';
import { checkHostName, NoAltName } from '../tlspolicy/host-name.ts';

export interface Asking {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: URL;
  /** Asked there, in place of where the system finds the name in the URL. */
  readonly address?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Of the answer, behind its header section. */
  readonly maxOctets: number;
  /** PEM; in place of the system's authorities. */
  readonly ca?: string | readonly string[] | undefined;
  /** Whether what is behind a header section is worth reading; not given: it is. */
  readonly wants?: (head: AnswerHead) => boolean;
  /** Whether a URL may begin with `http:`; not given: it may not. */
  readonly inClear?: boolean;
  /** The time is up. */
  readonly signal: AbortSignal;
}

export interface AnswerHead {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
}

/** Whatever its code says. */
export interface Answer extends AnswerHead {
  readonly kind: 'answer';
  /** Empty where it was not wanted. */
  readonly body: Buffer;
}

/** `unreached`: there was no connection, or it ended before an answer. `untrusted`: the certificate. */
export interface NoAnswer {
  readonly kind: 'none';
  readonly why: 'unreached' | 'untrusted' | 'slow' | 'tooLong' | 'cutShort';
  /** A sentence that names the host. */
  readonly reason: string;
}

/** Lets work take so long: then its signal says that the time is up. */
export async function within<T>(
  { timers, timeout }: { readonly timers: Timers; readonly timeout: Duration },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const timer = timers.after(timeout, () => limit.abort());
  try {
    return await work(limit.signal);
  } finally {
    timer.cancel();
  }
}

export function exchange(asking: Asking): Promise<Answer | NoAnswer> {
  const { signal, url } = asking;
  if (url.protocol !== 'https:' && !asking.inClear)
    return Promise.resolve(none('unreached', `${url.host}: only https: is asked`));
  return new Promise((resolve) => {
    const asked = begun(asking);
    const done = (outcome: Answer | NoAnswer): void => {
      resolve(signal.aborted && outcome.kind === 'none' ? none('slow', `${url.host} was too slow`) : outcome);
      asked.destroy();
    };
    asked.on('error', (error) => {
      const why = error instanceof NoAltName ? errorText(error) : errorCode(error);
      if (isDistrusted(asked)) done(none('untrusted', `the certificate of ${url.host} is not valid: ${why}`));
      else done(none('unreached', `${url.host}: ${why}`));
    });
    // One that is turned into another protocol is closed without an error.
    const closed = (): void => done(none('unreached', `${url.host}: the connection was closed`));
    asked.once('close', closed);
    asked.once('response', (response) => {
      // From here on the answer has the last word: it may be read when its connection is gone.
      asked.off('close', closed);
      receive(response, asking, done);
    });
    asked.end(asking.body);
  });
}

function begun({ method, url, address, headers, body, ca, signal }: Asking): ClientRequest {
  const isSecure = url.protocol === 'https:';
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  const asked = {
    ...{ method, host: address ?? hostname, port: url.port === '' ? (isSecure ? 443 : 80) : Number(url.port) },
    ...{ path: `${url.pathname}${url.search}`, agent: false, signal },
    headers: {
      ...{ host: url.host, ...headers },
      ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
    },
  };
  if (!isSecure) return requestInClear(asked);
  return requestSecurely({
    ...{ ...asked, minVersion: 'TLSv1.2' },
    // An address is no name that could be asked for (RFC 6066 §3).
    servername: isIP(hostname) === 0 ? hostname : '',
    checkServerIdentity: (_name, certificate) => checkHostName(hostname, certificate),
    ...(ca !== undefined && { ca: [ca].flat() }),
  });
}

/** Node ends a connection for its certificate with an error like any other, and notes it there. */
function isDistrusted({ socket }: ClientRequest): boolean {
  const { authorizationError } = (socket ?? {}) as Partial<TLSSocket>;
  return authorizationError !== undefined && authorizationError !== null;
}

function receive(
  response: IncomingMessage,
  { method, url, maxOctets, wants }: Asking,
  done: (outcome: Answer | NoAnswer) => void,
): void {
  const head = { code: response.statusCode ?? 0, headers: response.headers };
  if (wants?.(head) === false) return done({ kind: 'answer', ...head, body: Buffer.alloc(0) });
  const tooLong = none('tooLong', `the answer of ${url.host} has more than ${maxOctets} octets`);
  if (method !== 'HEAD' && Number(head.headers['content-length'] ?? 0) > maxOctets) return done(tooLong);
  const chunks: Buffer[] = [];
  let octets = 0;
  response.on('data', (chunk: Buffer) => {
    octets += chunk.length;
    if (octets > maxOctets) done(tooLong);
    else chunks.push(chunk);
  });
  // An answer that is cut short is followed by `error` or by `close` alone.
  for (const event of ['error', 'close'])
    response.on(event, () => done(none('cutShort', `the answer of ${url.host} was cut short`)));
  response.on('end', () => done({ kind: 'answer', ...head, body: Buffer.concat(chunks) }));
  return undefined;
}

function none(why: NoAnswer['why'], reason: string): NoAnswer {
  return { kind: 'none', why, reason };
}
