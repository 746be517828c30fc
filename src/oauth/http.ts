/** One request to an OAuth server: bounded in time and size, no redirect followed; in clear text on loopback alone. */

import { exchange, within } from '../https/exchange.ts';
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
export async function ask({ url: written, body, headers: more }: Asked, options: HttpOptions): Promise<string> {
  const { timers, timeout, ca } = options;
  const url = new URL(written);
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const headers = { accept: 'application/json', ...(body !== undefined && form), ...more };
  const method = body === undefined ? 'GET' : 'POST';
  const answer = await within({ timers, timeout }, (signal) =>
    exchange({
      ...{ method, url, headers, ca, signal },
      maxOctets: MAX_BODY,
      inClear: true,
      ...(body !== undefined && { body }),
    }),
  );
  if (answer.kind === 'none') throw new Error(answer.reason);
  if (answer.code !== 200) throw new Error(`${url.host} answered ${answer.code}`);
  return answer.body.toString();
}
