/**
 * The MTA-STS policies of our own domains by HTTPS (RFC 8461 §3.3), where this server has the certificates for it.
 *
 * One file for whoever asks, so that little is enough: short requests, few connections, and no way to anything else.
 * Who asks by a name for which there is no certificate is shown the usual one, and goes away.
 */

import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type SecureContext } from 'node:tls';
import { policyAnswer, type PolicyOf } from '../api/own-policy.ts';
import { type Config } from '../config/config.ts';
import { OpenSockets } from '../lib/open-sockets.ts';
import { tlsParameters } from '../lib/tls-profile.ts';
import { type Log } from '../ports/log.ts';
import { serverContext, type ServerContext } from '../receive/certificate-choice.ts';
import { type Certificates, pairsOf } from './boot.ts';
import { listenProblem } from './port-check.ts';

const MAX_CONNECTIONS = 256;
const MAX_HEADER_OCTETS = 8192;
/** Milliseconds. */
const REQUEST_TIME = 10_000;
const IDLE_TIME = 5000;

export interface PolicyServerDeps {
  readonly log: Log;
  readonly policyOf: PolicyOf;
}

type Options = Pick<Config['mtaSts'], 'httpsHost' | 'httpsPort'>;

export class PolicyServer {
  readonly #deps: PolicyServerDeps;
  #open: { readonly server: Server; readonly options: Options } | undefined;
  readonly #sockets = new OpenSockets();
  #context: ServerContext | undefined;

  constructor(deps: PolicyServerDeps) {
    this.#deps = deps;
  }

  /** Where it listens; undefined: it does not. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    const address = this.#open?.server.address() as AddressInfo | null | undefined;
    return address ? { host: address.address, port: address.port } : undefined;
  }

  /** As the configuration wants it. Rejects when its port cannot be had; then nothing is served. */
  async apply(config: Config, certificates: Certificates | undefined): Promise<void> {
    const { https, mode, httpsHost, httpsPort } = config.mtaSts;
    const isWanted = https && mode !== 'off' && certificates !== undefined && certificates.certificate !== '';
    if (https && mode !== 'off' && !isWanted)
      this.#deps.log.warn('mtaSts.https: there is no certificate yet, so that no policy is served');
    if (!isWanted) return this.close();
    this.renewed(config, certificates);
    const { options } = this.#open ?? {};
    if (options?.httpsHost === httpsHost && options.httpsPort === httpsPort) return undefined;
    await this.close();
    const server = this.#server();
    server.listen({ host: httpsHost, port: httpsPort });
    await once(server, 'listening').catch((error: unknown) => {
      throw listenProblem('mtaSts.https', { host: httpsHost, port: httpsPort }, error);
    });
    server.on('error', (error) => this.#deps.log.error('mtaSts.https', { error: String(error) }));
    this.#open = { server, options: { httpsHost, httpsPort } };
  }

  /** Certificates that are good from now on. */
  renewed({ mtaSts, local, relay }: Config, certificates: Certificates): void {
    if (!mtaSts.https) return;
    const context = serverContext(pairsOf(certificates), { parameters: tlsParameters('intermediate') });
    this.#context = context;
    for (const domain of [...local.domains, ...relay.domains]) {
      const name = `mta-sts.${domain}`;
      const usual = pairsOf(certificates)[0].names.includes(name);
      if (usual || context.byName?.(name) !== undefined) continue;
      this.#deps.log.warn(`mtaSts.https: no certificate is for ${name}, so that nobody will take its policy`, {
        domain,
      });
    }
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    const closed = once(open.server, 'close');
    open.server.close();
    open.server.closeAllConnections();
    // Those in their handshake are none of its connections yet.
    this.#sockets.destroy();
    await closed;
  }

  #server(): Server {
    const choose = (name: string, done: (error: Error | null, context?: SecureContext) => void): void =>
      done(null, this.#context?.byName?.(name) ?? this.#context);
    const server = createServer(
      {
        SNICallback: choose,
        ALPNProtocols: ['http/1.1'],
        maxHeaderSize: MAX_HEADER_OCTETS,
        handshakeTimeout: REQUEST_TIME,
        ...tlsParameters('intermediate'),
      },
      (request, response) => this.#answer(request, response),
    );
    server.maxConnections = MAX_CONNECTIONS;
    server.on('connection', (socket) => this.#sockets.add(socket));
    server.headersTimeout = REQUEST_TIME;
    server.requestTimeout = REQUEST_TIME;
    server.keepAliveTimeout = IDLE_TIME;
    server.setTimeout(REQUEST_TIME);
    // A client that breaks off its handshake is no news.
    server.on('tlsClientError', (_error, socket) => void socket.destroy());
    return server;
  }

  #answer({ method = '', url = '', headers: { host } }: IncomingMessage, response: ServerResponse): void {
    const answer = policyAnswer({ method, url, host }, this.#deps.policyOf);
    if (answer === undefined) {
      response.writeHead(404, { 'content-type': 'text/plain', connection: 'close' }).end('No such host here\n');
      return;
    }
    const { code, headers, text } = answer;
    response.writeHead(code, { ...headers, 'content-length': Buffer.byteLength(text) });
    response.end(method === 'HEAD' ? undefined : text);
  }
}
