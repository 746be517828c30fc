/** The configuration of the product in its sandbox, as a configuration file would export it. */

import { SANDBOX_HOSTNAME, type SmallInternet } from './small-internet.ts';

export interface SandboxPorts {
  readonly smtp: number;
  /** With logins: STARTTLS, and TLS from the first octet. */
  readonly submission: number;
  readonly submissions: number;
  readonly http: number;
}

export const SANDBOX_PORTS: SandboxPorts = { smtp: 2525, submission: 2587, submissions: 2465, http: 8025 };

export function sandboxConfig(
  { dns, smtpPort, policies }: Pick<SmallInternet, 'dns' | 'smtpPort' | 'policies'>,
  ports: SandboxPorts = SANDBOX_PORTS,
) {
  return {
    hostname: SANDBOX_HOSTNAME,
    listeners: [
      { name: 'smtp', host: '127.0.0.1', port: ports.smtp },
      { name: 'submission', host: '127.0.0.1', port: ports.submission, auth: 'required' },
      { name: 'submissions', host: '127.0.0.1', port: ports.submissions, auth: 'required', tls: 'implicit' },
    ],
    http: { host: '127.0.0.1', port: ports.http },
    dns: { servers: [`${dns.address}:${dns.port}`] },
    deliver: { mtaSts: { port: policies.port, ca: policies.authority, privateAddresses: true } },
    tlsReports: { send: true, maxDelay: '1m' },
    // A real server sends to port 25; the simulated ones could not listen there without privileges.
    routes: [{ kind: 'mx', name: 'mx', port: smtpPort, tls: 'opportunistic' }],
    // Soon enough to be watched.
    queue: { retry: { schedules: { greylisted: { first: '15s' } } } },
  } as const;
}
