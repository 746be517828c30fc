/** Delivery to a server of other makers: nodemailer's smtp-server, by SMTP and LMTP, in clear and over TLS. */

import assert from 'node:assert/strict';
import { type Server } from 'node:net';
import { before, describe, test, type TestContext } from 'node:test';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { type Authority, makeAuthority } from '../../../test/lib/certificates.ts';
import { agentFor, dispatchOf, verdictsOf } from '../../../test/lib/delivery.ts';
import { type SmarthostRoute } from '../../mail/route.ts';

interface Foreign {
  readonly port: number;
  readonly messages: {
    readonly content: string;
    readonly recipients: number;
    readonly user: string;
    readonly secure: boolean;
  }[];
}

async function foreign(t: TestContext, options: SMTPServerOptions): Promise<Foreign> {
  const messages: Foreign['messages'] = [];
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    ...options,
    onAuth: ({ username, password }, _session, done) =>
      password === 'secret' ? done(null, { user: username ?? '' }) : done(new Error('Invalid login')),
    onRcptTo: ({ address }, _session, done) =>
      done(address.startsWith('eve') ? Object.assign(new Error('no eve here'), { responseCode: 550 }) : null),
    onData: (stream, session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const recipients = session.envelope.rcptTo.length;
        messages.push({
          content: String(Buffer.concat(chunks)),
          recipients,
          user: session.user ?? '',
          secure: session.secure,
        });
        done(null);
      });
    },
  });
  server.on('error', () => {});
  const listening = await new Promise<Server>((resolve) => {
    const listener = server.listen(0, '127.0.0.1', () => resolve(listener));
  });
  t.after(() => new Promise<void>((resolve) => server.close(resolve)));
  const address = listening.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, messages };
}

const CONTENT = `Subject: x\r\n\r\n.dots\r\n..\r\n${'text\r\n'.repeat(30_000)}.\r\nend\r\n`;

describe('smtp-server takes what we deliver', () => {
  let authority: Authority;
  before(() => void (authority = makeAuthority()));

  const route = (port: number, more: Partial<SmarthostRoute> = {}): SmarthostRoute => {
    return { kind: 'smarthost', name: 'out', match: {}, host: 'mx.test', port, tls: 'none', implicitTls: false, auth: undefined, ...more };
  }; // prettier-ignore

  test('in clear, many messages over one connection, one recipient refused', async (t) => {
    const { agent } = agentFor(t);
    const { port, messages } = await foreign(t, { disabledCommands: ['STARTTLS', 'AUTH'] });
    const to = ['bob@x.test', 'eve@x.test', 'ann@x.test'];
    for (const reused of [false, true, true]) {
      const report = await agent.deliver(dispatchOf(route(port), { to, content: CONTENT }));
      assert.deepEqual(verdictsOf(report.outcomes), ['delivered', 'failed 5.0.0 recipient', 'delivered']);
      assert.equal(report.reused, reused);
    }
    assert.deepEqual(
      messages.map(({ recipients }) => recipients),
      [2, 2, 2],
    );
    assert.ok(messages.every(({ content }) => content === CONTENT));
  });

  for (const implicitTls of [false, true])
    for (const method of ['PLAIN', 'LOGIN'])
      test(`${implicitTls ? 'implicit TLS' : 'STARTTLS'}, certificate verified, AUTH ${method}`, async (t) => {
        const { cert, key } = authority.issue('mx.test');
        const { agent } = agentFor(t, { tls: { ca: authority.cert } });
        const { port, messages } = await foreign(t, { cert, key, secure: implicitTls, authMethods: [method] });
        const auth = { user: 'ann', password: 'secret' };
        const report = await agent.deliver(dispatchOf(route(port, { tls: 'verify', implicitTls, auth })));
        assert.deepEqual(verdictsOf(report.outcomes), ['delivered']);
        assert.deepEqual(
          messages.map(({ user, secure }) => [user, secure]),
          [['ann', true]],
        );
      });

  test('a wrong password defers', async (t) => {
    const { cert, key } = authority.issue('mx.test');
    const { agent } = agentFor(t);
    const { port } = await foreign(t, { cert, key });
    const auth = { user: 'ann', password: 'wrong' };
    const report = await agent.deliver(dispatchOf(route(port, { tls: 'encrypt', auth })));
    assert.deepEqual(verdictsOf(report.outcomes), ['deferred 4.7.8 site']);
    assert.ok(!report.outcomes[0]!.diagnostic.includes('wrong'));
  });

  test('a message above its size is not sent', async (t) => {
    const { agent } = agentFor(t);
    const { port, messages } = await foreign(t, { size: 1000, disabledCommands: ['STARTTLS'] });
    const report = await agent.deliver(dispatchOf(route(port), { content: CONTENT }));
    assert.deepEqual(verdictsOf(report.outcomes), ['failed 5.3.4 message']);
    assert.deepEqual(messages, []);
  });

  test('by LMTP', async (t) => {
    const { agent } = agentFor(t);
    const { port, messages } = await foreign(t, { lmtp: true, disabledCommands: ['STARTTLS', 'AUTH'] });
    const lmtp = { kind: 'lmtp', name: 'lmtp', match: {}, to: { host: '127.0.0.1', port } } as const;
    const to = ['bob@x.test', 'eve@x.test', 'ann@x.test'];
    const report = await agent.deliver(dispatchOf(lmtp, { to, content: CONTENT }));
    assert.deepEqual(verdictsOf(report.outcomes), ['delivered', 'failed 5.0.0 recipient', 'delivered']);
    assert.equal(messages[0]?.content, CONTENT);
  });
});
