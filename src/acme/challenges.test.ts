import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { freePort } from '../../test/lib/processes.ts';
import { openResponder } from './challenges.ts';

describe('the answer by tls-alpn-01', () => {
  const open = async () => {
    const port = await freePort();
    const responder = await openResponder({ kind: 'tls-alpn-01', host: '127.0.0.1', port, now: () => Date.now() });
    await responder.prepare('mx.test', 'token', 'token.thumbprint');
    return { port, responder };
  };

  test('comes to an end though a client stays', async () => {
    const { port, responder } = await open();
    const socket = connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true });
    const options = { socket, servername: 'mx.test', rejectUnauthorized: false };
    const client = connectTls({ ...options, ALPNProtocols: ['acme-tls/1'] });
    client.on('error', () => undefined);
    await once(client, 'secureConnect');
    assert.equal(client.alpnProtocol, 'acme-tls/1');
    await responder.close();
    client.destroy();
  });

  test('comes to an end though a client never speaks', async () => {
    const { port, responder } = await open();
    const client = connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true });
    client.on('error', () => undefined);
    await once(client, 'connect');
    await responder.close();
    client.destroy();
  });
});

test('a port that is taken is said with what to do', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  try {
    await assert.rejects(openResponder({ kind: 'http-01', host: '127.0.0.1', port, now: () => 0 }), {
      message: `cannot listen for http-01 on 127.0.0.1 port ${port}: another program listens there; stop it, or choose another port`,
    });
  } finally {
    taken.close();
  }
});
