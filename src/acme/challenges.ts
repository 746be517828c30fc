/**
 * Answers the authority that looks whether a name is ours: a file by HTTP (RFC 8555 §8.3), or a certificate in a TLS
 * handshake that speaks `acme-tls/1` (RFC 8737). Open only while an order is under way; nothing else is served.
 */

import { createServer as createHttpServer } from 'node:http';
import { type Server as NetServer } from 'node:net';
import { createSecureContext, createServer as createTlsServer, type SecureContext } from 'node:tls';
import { listenReason } from '../lib/listen-reason.ts';
import { OpenSockets } from '../lib/open-sockets.ts';
import { type ChallengeKind } from './config.ts';
import { challengeCertificate } from './keys.ts';

export interface Responder {
  /** From now on the name is answered for. */
  prepare(name: string, token: string, authorization: string): Promise<void>;
  close(): Promise<void>;
}

export interface ResponderOptions {
  readonly kind: ChallengeKind;
  readonly host: string;
  readonly port: number;
  readonly now: () => number;
}

const PREFIX = '/.well-known/acme-challenge/';
const MAX_CONNECTIONS = 100;
const PATIENCE = 10_000;

/** Rejects with a text that says where it could not listen. */
export function openResponder(options: ResponderOptions): Promise<Responder> {
  return options.kind === 'http-01' ? openHttp(options) : openTls(options);
}

async function openHttp({ host, port }: ResponderOptions): Promise<Responder> {
  const files = new Map<string, string>();
  const server = createHttpServer(
    { requestTimeout: PATIENCE, headersTimeout: PATIENCE, keepAlive: false },
    ({ method, url = '' }, response) => {
      const path = url.split('?')[0] ?? '';
      const text = path.startsWith(PREFIX) ? files.get(path.slice(PREFIX.length)) : undefined;
      const isRead = method === 'GET' || method === 'HEAD';
      response.writeHead(text === undefined || !isRead ? 404 : 200, {
        'content-type': 'application/octet-stream',
        connection: 'close',
      });
      response.end(isRead ? text : undefined);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, { host, port, what: 'http-01' });
  return {
    async prepare(_name, token, authorization) {
      files.set(token, authorization);
    },
    async close() {
      server.closeAllConnections();
      await closed(server);
    },
  };
}

async function openTls({ host, port, now }: ResponderOptions): Promise<Responder> {
  const contexts = new Map<string, SecureContext>();
  const server = createTlsServer({
    handshakeTimeout: PATIENCE,
    ALPNProtocols: ['acme-tls/1'],
    SNICallback: (name, answer) => {
      const context = contexts.get(name.toLowerCase());
      if (context === undefined) answer(new Error('no challenge for this name'));
      else answer(null, context);
    },
  });
  server.maxConnections = MAX_CONNECTIONS;
  // The handshake is all that there is (RFC 8737 §3).
  server.on('secureConnection', (socket) => socket.on('error', () => socket.destroy()).destroySoon());
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  const open = new OpenSockets();
  server.on('connection', (socket) => open.add(socket));
  await listen(server, { host, port, what: 'tls-alpn-01' });
  return {
    async prepare(name, _token, authorization) {
      const { certificate, key } = await challengeCertificate(name, authorization, now());
      contexts.set(name.toLowerCase(), createSecureContext({ cert: certificate, key }));
    },
    async close() {
      open.destroy();
      await closed(server);
    },
  };
}

interface Place {
  readonly host: string;
  readonly port: number;
  readonly what: string;
}

async function listen(server: NetServer, { host, port, what }: Place): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host, port }, resolve);
  try {
    await promise;
  } catch (error) {
    const reason = listenReason(error);
    throw new Error(`cannot listen for ${what} on ${host} port ${port}: ${reason}`, { cause: error });
  }
  server.off('error', reject);
  // Out of descriptors, mostly: the authority tries again.
  server.on('error', () => undefined);
}

function closed(server: NetServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
