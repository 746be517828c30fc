/** One request to an OAuth server: bounded in time and size, no redirect followed; in clear text on loopback alone. */

import { request } from 'node:http';
import { type Answer, exchange, within } from '../https/exchange.ts';
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

interface Asking {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly maxOctets: number;
  readonly signal: AbortSignal;
}

const MAX_BODY = 256 * 1024;

/** The body of a 200; rejects, with what is wrong in words, when there is none. What was asked is in no message. */
export async function ask({ url: written, body, headers: more }: Asked, options: HttpOptions): Promise<string> {
  const { timers, timeout, ca } = options;
  const url = new URL(written);
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const headers = { accept: 'application/json', ...(body !== undefined && form), ...more };
  const method = body === undefined ? 'GET' : 'POST';
  const answer = await within({ timers, timeout }, (signal) => {
    const asking = { method, url, headers, maxOctets: MAX_BODY, signal, ...(body !== undefined && { body }) } as const;
    return url.protocol === 'https:' ? exchange({ ...asking, ca }) : inClear(asking);
  });
  if (answer.kind === 'none') throw new Error(answer.reason);
  if (answer.code !== 200) throw new Error(`${url.host} answered ${answer.code}`);
  return answer.body.toString();
}

type Plain = Pick<Answer, 'kind' | 'code' | 'body'> | { readonly kind: 'none'; readonly reason: string };

function inClear({ method, url, headers, body, maxOctets, signal }: Asking): Promise<Plain> {
  const { promise, resolve } = Promise.withResolvers<Plain>();
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const asked = request(url, { method, headers: { ...headers, ...length }, agent: false, signal });
  const failed = (reason: string): void => {
    resolve({ kind: 'none', reason: signal.aborted ? `${url.host} was too slow` : reason });
    asked.destroy();
  };
  asked.on('error', (error: NodeJS.ErrnoException) => failed(`${url.host}: ${error.code ?? error.message}`));
  asked.on('response', (response) => {
    const chunks: Buffer[] = [];
    let octets = 0;
    response.on('data', (chunk: Buffer) => {
      octets += chunk.length;
      if (octets > maxOctets) failed(`the answer of ${url.host} has more than ${maxOctets} octets`);
      else chunks.push(chunk);
    });
    for (const event of ['error', 'close']) response.on(event, () => failed(`the answer of ${url.host} was cut short`));
    response.on('end', () => resolve({ kind: 'answer', code: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
  });
  asked.end(body);
  return promise;
}
