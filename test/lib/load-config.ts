/** Configurations for products under load: next hops on loopback, no names to look up, retries soon. */

import { type PostriderConfig } from '../../src/config/config.ts';

export interface NextHopOptions {
  readonly name: string;
  readonly port: number;
  /** Recipient domains; none: everything. */
  readonly domains?: readonly string[];
}

type Routes = NonNullable<PostriderConfig['routes']>;

/** A route to a sink of the test. */
export function toSink({ name, port, domains }: NextHopOptions): Routes[number] {
  return {
    ...{ kind: 'smarthost', name, host: '127.0.0.1', port, tls: 'none' },
    ...(domains !== undefined && { match: { recipients: [...domains] } }),
  };
}

export function listener(name: string, port: number): NonNullable<PostriderConfig['listeners']>[number] {
  return { name, host: '127.0.0.1', port, tls: 'off', connections: 5000, connectionsPerClient: 5000 };
}

/** What floods and long sessions of tests need: otherwise as shipped. */
export const LONG_SESSIONS: PostriderConfig['limits'] = { transactions: 1_000_000, errors: 1000 };
