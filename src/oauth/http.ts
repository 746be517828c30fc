/**
 * One request to an OAuth server: bounded in time and size, no redirect followed. Beside `https/exchange.ts`, which speaks HTTPS
 * alone: on loopback an OAuth server may be asked in clear text.
 */

import { request as requestInClear } from 'node:http';
import { request as requestByTls } from 'node:https';
import { type Duration } from '../lib/time.ts';
import { type Timers } from '../ports/timers.ts';

export interface HttpOptions {
  readonly timers: Timers;
  readonly timeout: Duration;
  /** PEM; in place of the system's authorities. */
  readonly ca: string | undefined;
}

export interface Asked {
  readonly url: string;
  /** With a body it is a POST of a form. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const MAX_BODY = 256 * 1024;

/** The body of a 200; rejects, with what is wrong in words, when there is none. What was asked is in no message. */
export function ask({ url, body, headers: more }: Asked, { timers, timeout, ca }: HttpOptions): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const { protocol, host } = new URL(url);
  const form = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body ?? '') };
  const headers = { accept: 'application/json', ...(body !== undefined && form), ...more };
  const request = protocol === 'https:' ? requestByTls : requestInClear;
  const method = body === undefined ? 'GET' : 'POST';
  const asking = request(url, { method, headers, agent: false, ...(ca !== undefined && { ca }) });
  const timer = timers.after(timeout, () => asking.destroy(new Error('it was too slow')));
  const failed = (error: Error): void => {
    timer.cancel();
    asking.destroy();
    reject(new Error(`${host}: ${error.message || String(error)}`, { cause: error }));
  };
  asking.on('error', failed);
  asking.on('response', (response) => {
    const { statusCode } = response;
    if (statusCode !== 200) return failed(new Error(`it answered ${statusCode}`));
    const chunks: Buffer[] = [];
    let octets = 0;
    response.on('error', failed);
    response.on('data', (chunk: Buffer) => {
      octets += chunk.length;
      if (octets > MAX_BODY) failed(new Error('the answer is too long'));
      else chunks.push(chunk);
    });
    response.on('end', () => {
      timer.cancel();
      resolve(Buffer.concat(chunks).toString());
    });
    return undefined;
  });
  asking.end(body);
  return promise;
}
