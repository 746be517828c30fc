/** One request to an ACME server by HTTPS: bounded in time and size, no redirect followed. */

import { type Answer as HttpsAnswer, exchange, within } from '../https/exchange.ts';
import { type Duration, MINUTE, SECOND } from '../lib/time.ts';
import { type Timers } from '../ports/timers.ts';

export interface Answer extends Pick<HttpsAnswer, 'code' | 'headers'> {
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
export async function ask({ method, url, body }: Asked, { timers, ca, userAgent }: HttpOptions): Promise<Answer> {
  const headers = {
    'user-agent': userAgent,
    ...(body !== undefined && { 'content-type': 'application/jose+json' }),
  };
  const answer = await within({ timers, timeout: TIMEOUT }, (signal) =>
    exchange({
      ...{ method, url: new URL(url), headers, maxOctets: MAX_BODY, ca, signal },
      ...(body !== undefined && { body }),
    }),
  );
  if (answer.kind === 'none') throw new Error(answer.reason);
  return { code: answer.code, headers: answer.headers, body: answer.body.toString() };
}

/** Retry-After: seconds, or a date (RFC 9110 §10.2.3). */
export function retryAfter({ headers }: Answer, now: number): Duration | undefined {
  const written = headers['retry-after'];
  if (written === undefined) return undefined;
  const wait = /^\d{1,9}$/.test(written) ? Number(written) * SECOND : Date.parse(written) - now;
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}
