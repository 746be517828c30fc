import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { makeAuthority } from '../../test/lib/certificates.ts';
import { tlsParameters } from '../lib/tls-profile.ts';
import { type ChannelBinding } from '../wire/sasl/sasl.ts';
import { serverContext } from './certificate-choice.ts';
import { answerLogin } from './login-answers.ts';
import { secureServerSocket } from './server-tls.ts';
import { type Peer, type SessionLogins } from './transaction.ts';

const PEER = { address: '192.0.2.1' } as Peer;
const SECRET = { salt: Buffer.alloc(16), iterations: 4096, storedKey: Buffer.alloc(32), serverKey: Buffer.alloc(32) };
const LOGINS: SessionLogins = {
  scram: () => Promise.resolve(SECRET),
  check: () => Promise.reject(new Error('not asked here')),
  failed: () => undefined,
};

/** What we say binds the login to the session on this socket. */
async function bindingOf(socket: Socket, binding: ChannelBinding): Promise<Uint8Array | undefined> {
  const { decision } = await answerLogin(
    { kind: 'scram', user: 'ann', binding },
    { logins: LOGINS, peer: PEER, socket },
  );
  assert.ok(typeof decision === 'object' && 'nonce' in decision);
  return decision.binding;
}

interface Ends {
  readonly ours: TLSSocket;
  readonly theirs: TLSSocket;
}

describe('what binds a login to its TLS session', () => {
  const { cert, key } = makeAuthority().issue('mx.test');
  const context = serverContext([{ certificate: cert, key, names: ['mx.test'] }], {
    parameters: tlsParameters('compatible'),
  });
  const accepted: TLSSocket[] = [];
  const server = createServer((socket) => void accepted.push(secureServerSocket(socket, context)));
  before(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });

  async function meet(options: ConnectionOptions): Promise<Ends> {
    const { port } = server.address() as AddressInfo;
    const theirs = connect({ ...options, port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(theirs, 'secureConnect');
    const ours = accepted.at(-1)!;
    // In a resumed session the client is the last to speak.
    if (ours.getProtocol() === null || ours.getPeerFinished() === undefined) await once(ours, 'secure');
    return { ours, theirs };
  }

  const below: ConnectionOptions = { maxVersion: 'TLSv1.2' };

  test('tls-unique: what the client sent first', async () => {
    const { ours, theirs } = await meet(below);
    const binding = await bindingOf(ours, 'tls-unique');
    assert.ok(binding !== undefined && binding.length > 0);
    assert.deepEqual(binding, theirs.getFinished());
    assert.notDeepEqual(binding, theirs.getPeerFinished());
    theirs.destroy();
  });

  test('tls-unique of a resumed session: what we sent first', async () => {
    const first = await meet(below);
    const session = first.theirs.getSession();
    first.theirs.destroy();
    assert.ok(session !== undefined);
    const { ours, theirs } = await meet({ ...below, session });
    assert.deepEqual([ours.isSessionReused(), theirs.isSessionReused()], [true, true]);
    const binding = await bindingOf(ours, 'tls-unique');
    assert.ok(binding !== undefined && binding.length > 0);
    assert.deepEqual(binding, theirs.getPeerFinished());
    assert.notDeepEqual(binding, theirs.getFinished());
    theirs.destroy();
  });

  test('tls-unique: nothing under TLS 1.3, nor in clear', async () => {
    const { ours, theirs } = await meet({ minVersion: 'TLSv1.3' });
    assert.equal(await bindingOf(ours, 'tls-unique'), undefined);
    theirs.destroy();
    assert.equal(await bindingOf({} as Socket, 'tls-unique'), undefined);
    assert.equal(await bindingOf({} as Socket, 'tls-exporter'), undefined);
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
    test(`tls-exporter under ${version}`, async () => {
      const { ours, theirs } = await meet({ minVersion: version, maxVersion: version });
      const want = theirs.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
      assert.deepEqual(await bindingOf(ours, 'tls-exporter'), want);
      theirs.destroy();
    });
});
