/** TLS sessions that real servers resume: Postfix, and OpenSSL's own server with tickets, with sessions of its own, and with neither. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test, type TestContext } from 'node:test';
import { ResumptionCache } from '../../src/deliver/smtp/resumption-cache.ts';
import { HOUR } from '../../src/lib/time.ts';
import { type Route } from '../../src/mail/route.ts';
import { makeAuthority } from '../lib/certificates.ts';
import { interopNeeds } from '../lib/debs.ts';
import { agentFor, dispatchOf, MX } from '../lib/delivery.ts';
import { startPostfix } from '../lib/postfix.ts';
import { freePort, removeFolder, testFolder } from '../lib/processes.ts';

const authority = makeAuthority();
const issued = authority.issue('mx.test');

/** Each message on a connection of its own. */
function sender(t: TestContext, route: Partial<Route>) {
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  const resumptions = new ResumptionCache(clock, { lifetime: HOUR, sessions: 10 });
  const { agent } = agentFor(t, { resumptions, tls: { ca: authority.cert } });
  let slot = 0;
  return async (): Promise<string> => {
    slot += 1;
    const way = { ...MX, tls: 'verify', ...route } as Route;
    const { outcomes, tls, tlsSession } = await agent.deliver(dispatchOf(way, { slot, to: ['ann@kept.test'] }));
    agent.closeSlot(slot);
    await agent.drain(5000);
    if (outcomes[0]?.kind !== 'delivered') return outcomes[0]?.diagnostic ?? 'nothing';
    return `${tls?.slice(0, 7)} ${tlsSession?.resumed === true ? 'resumed' : 'full'}`;
  };
}

const skip = await interopNeeds('postfix');

describe('a real Postfix resumes our sessions', { skip }, () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'])
    test(version, async (t) => {
      const server = await startPostfix({
        domains: ['kept.test'],
        tls: { certificate: issued.cert, key: issued.key },
        parameters: { smtpd_tls_loglevel: '2', smtpd_tls_protocols: `>=TLSv1.2, <=${version}` },
      });
      t.after(() => server.stop());
      const send = sender(t, { port: server.port } as Partial<Route>);
      const want = version === 'TLSv1.2' ? ['full', 'resumed', 'resumed'] : ['full', 'resumed', 'full'];
      // Postfix hands out one ticket of TLS 1.3 with a full handshake and none with a resumed one.
      assert.deepEqual(
        [await send(), await send(), await send()],
        want.map((each) => `${version} ${each}`),
      );
      await server.arrivals('ann@kept.test', 3);
      assert.equal(
        (await server.log()).match(/Reusing old session/g)?.length,
        want.filter((each) => each === 'resumed').length,
      );
    });
});

interface OpenSslServer {
  readonly port: number;
  /** How many sessions it resumed, as it says itself. */
  resumed(): number;
}

/** `openssl s_server`, with an SMTP server for its terminal. */
async function startOpenSsl(t: TestContext, options: readonly string[]): Promise<OpenSslServer> {
  const folder = await testFolder('s-server');
  const pem = join(folder, 'mx.pem');
  await writeFile(pem, `${issued.key}\n${issued.cert}\n`);
  const port = await freePort();
  const child = spawn('openssl', ['s_server', '-accept', `127.0.0.1:${port}`, '-cert', pem, '-crlf', ...options]);
  t.after(async () => {
    child.kill('SIGKILL');
    await removeFolder(folder);
  });
  let resumed = 0;
  const say = (text: string): void => void child.stdin.write(`${text}\n`);
  child.stdin.on('error', () => {}); // It is seen by what does not come.
  const replies: readonly [RegExp, string][] = [
    [/^Secure Renegotiation/, '220 s-server.test ESMTP'],
    [/^DATA/, '354 go on'],
    [/^QUIT/, '221 bye'],
    [/^(?:EHLO|MAIL|RCPT|\.$)/, '250 ok'],
  ];
  const lines = createInterface({ input: child.stdout });
  // Not awaited line by line: of several that come at once all but the first would be missed.
  const accepting = Promise.withResolvers<void>();
  child.once('exit', (code) => accepting.reject(new Error(`openssl ended with ${code}`)));
  lines.on('line', (line) => {
    if (line === 'ACCEPT') accepting.resolve();
    if (line === 'Reused session-id') resumed += 1;
    const reply = replies.find(([verb]) => verb.test(line))?.[1];
    if (reply !== undefined) say(reply);
  });
  await accepting.promise;
  return { port, resumed: () => resumed };
}

describe("OpenSSL's own server", { timeout: 60_000 }, () => {
  const cases: readonly [name: string, options: readonly string[], want: readonly string[]][] = [
    ['tickets of TLS 1.2', ['-tls1_2'], ['TLSv1.2 full', 'TLSv1.2 resumed', 'TLSv1.2 resumed']],
    ['session ids of TLS 1.2', ['-tls1_2', '-no_ticket'], ['TLSv1.2 full', 'TLSv1.2 resumed', 'TLSv1.2 resumed']],
    ['neither', ['-tls1_2', '-no_ticket', '-no_cache'], ['TLSv1.2 full', 'TLSv1.2 full', 'TLSv1.2 full']],
    ['tickets of TLS 1.3', ['-tls1_3'], ['TLSv1.3 full', 'TLSv1.3 resumed', 'TLSv1.3 resumed']],
    ['tickets of TLS 1.3 that it keeps', ['-tls1_3', '-no_ticket'], ['TLSv1.3 full', 'TLSv1.3 resumed', 'TLSv1.3 resumed']],
    ['no tickets of TLS 1.3', ['-tls1_3', '-num_tickets', '0'], ['TLSv1.3 full', 'TLSv1.3 full', 'TLSv1.3 full']],
  ]; // prettier-ignore
  for (const [name, options, want] of cases)
    test(name, async (t) => {
      const { port, resumed } = await startOpenSsl(t, options);
      const send = sender(t, { kind: 'smarthost', host: 'mx.test', port, implicitTls: true, auth: undefined });
      assert.deepEqual([await send(), await send(), await send()], want);
      assert.equal(resumed(), want.filter((each) => each.endsWith('resumed')).length);
    });
});
