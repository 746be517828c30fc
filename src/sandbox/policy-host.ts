/** The web server of the small internet that has the MTA-STS policy of `sts.test`, and nothing else. */

import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { STS_POLICY_PATH } from '../mail/sts-policy.ts';
import { type Instant } from '../lib/time.ts';
import { receiverCertificate } from './certificate.ts';

export interface PolicyHost {
  readonly port: number;
  /** PEM file of whom to trust for it; gone when it is closed. */
  readonly authority: string;
  close(): Promise<void>;
}

const ADDRESS = '127.0.0.1';
const MAX_CONNECTIONS = 32;

export async function startPolicyHost(domain: string, mx: string, now: Instant): Promise<PolicyHost> {
  const { pem } = await receiverCertificate(`mta-sts.${domain}`, now);
  const policy = `version: STSv1\r\nmode: enforce\r\nmx: ${mx}\r\nmax_age: 86400\r\n`;
  const server = createServer(pem, ({ url }, response) => {
    response
      .writeHead(url === STS_POLICY_PATH ? 200 : 404, { 'content-type': 'text/plain' })
      .end(url === STS_POLICY_PATH ? policy : '');
  });
  const folder = await mkdtemp(join(tmpdir(), 'postrider-sandbox-'));
  const authority = join(folder, 'authority.pem');
  await writeFile(authority, pem.cert);
  server.maxConnections = MAX_CONNECTIONS;
  server.listen({ port: 0, host: ADDRESS });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    authority,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
