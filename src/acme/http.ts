/** One request to an ACME server by HTTPS: bounded in time and size, no redirect followed. */

import { request } from 'node:https';
import { type IncomingMessage } from 'node:http';
import { type Duration, MINUTE, SECOND } from '../lib/time.ts';
import { type Timers } from '../ports/timers.ts';

export interface Answer {
  readonly code: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface Asked {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: string;
  readonly body?: string;
}

export interface HttpOptions {
  readonly timers: Timers;
  /** PEM; in place of the system's authorities. */
  readonly ca: string | undefined;
  readonly userAgent: string;
}

const TIMEOUT: Duration = MINUTE;
const MAX_BODY = 256 * 1024;

/** Rejects when there is no answer. */
export function ask({ method, url, body }: Asked, { timers, ca, userAgent }: HttpOptions): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = {
    'user-agent': userAgent,
    ...(body !== undefined && { 'content-type': 'application/jose+json', 'content-length': Buffer.byteLength(body) }),
  };
  const asking = request(url, { method, headers, agent: false, ...(ca !== undefined && { ca }) });
  const { host } = new URL(url);
  const timer = timers.after(TIMEOUT, () => asking.destroy(new Error('it was too slow')));
  const failed = (error: Error): void => {
    timer.cancel();
    reject(new Error(`${host}: ${error.message || String(error)}`, { cause: error }));
  };
  asking.on('error', failed);
  asking.on('response', (response) => {
    const chunks: Buffer[] = [];
    let octets = 0;
    response.on('error', failed);
    response.on('data', (chunk: Buffer) => {
      octets += chunk.length;
      if (octets > MAX_BODY) response.destroy(new Error('the answer is too long'));
      else chunks.push(chunk);
    });
    response.on('end', () => {
      timer.cancel();
      resolve({ code: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() });
    });
  });
  asking.end(body);
  return promise;
}

/** Retry-After: seconds, or a date (RFC 9110 §10.2.3). */
export function retryAfter({ headers }: Answer, now: number): Duration | undefined {
  const written = headers['retry-after'];
  if (written === undefined) return undefined;
  const wait = /^\d{1,9}$/.test(written) ? Number(written) * SECOND : Date.parse(written) - now;
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}
