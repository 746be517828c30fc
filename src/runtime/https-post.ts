/** Hands a report in by HTTPS (RFC 8460 §5.4): one POST, no redirect followed, whatever the answer says. */

import { request } from 'node:https';
import { addressesOf, type AddressFamily } from '../deliver/smtp/addresses.ts';
import { whyOf } from '../deliver/smtp/socket.ts';
import { type Duration } from '../lib/time.ts';
import { type Resolver } from '../ports/resolver.ts';
import { type Timers } from '../ports/timers.ts';

export interface PostOptions {
  readonly resolver: Resolver;
  readonly timers: Timers;
  readonly family: AddressFamily;
  readonly timeout: Duration;
  /** PEM; in place of the system's authorities. */
  readonly ca?: string | undefined;
  readonly prohibited: (address: string) => boolean;
}

/** Resolves with what went wrong, if anything; never rejects. */
export async function postReport(url: string, body: Buffer, options: PostOptions): Promise<string | undefined> {
  const { hostname, port, pathname, search } = new URL(url);
  const found = await addressesOf(hostname.replace(/^\[|\]$/g, ''), options.resolver, options.family);
  if (found.kind !== 'addresses') return found.kind === 'none' ? `${hostname} has no address` : found.reason;
  const address = found.addresses.find((each) => !options.prohibited(each));
  if (address === undefined) return `${hostname} leads where nothing is sent to`;
  const place = { address, hostname, port: port === '' ? 443 : Number(port), path: `${pathname}${search}` };
  return new Promise((resolve) => {
    const asking = request({
      ...{
        host: place.address,
        port: place.port,
        path: place.path,
        method: 'POST',
        agent: false,
        servername: hostname,
      },
      headers: {
        ...{ host: port === '' ? hostname : `${hostname}:${port}`, 'content-type': 'application/tlsrpt+gzip' },
        'content-length': body.length,
      },
      ...(options.ca !== undefined && { ca: [options.ca] }),
    });
    const timer = options.timers.after(options.timeout, () => done(`${hostname} was too slow`));
    const done = (problem: string | undefined): void => {
      timer.cancel();
      resolve(problem);
      asking.destroy();
    };
    asking.on('error', (error) => done(`${hostname}: ${whyOf(error)}`));
    asking.once('response', ({ statusCode = 0 }) => {
      done(statusCode >= 200 && statusCode < 300 ? undefined : `${hostname} answered ${statusCode}`);
    });
    asking.end(body);
  });
}
