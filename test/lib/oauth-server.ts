/**
 * An OAuth server for tests, on loopback: makes JWTs with `node:crypto`, serves the keys, and answers introspections.
 * It counts what it is asked, and can be told to fail.
 */

import { generateKeyPairSync, type KeyObject, sign as signOctets } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface SigningPair {
  readonly kid: string | undefined;
  readonly alg: 'RS256' | 'ES256' | 'EdDSA';
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export type Fields = Readonly<Record<string, unknown>>;

export function makePair(alg: SigningPair['alg'] = 'ES256', kid: string | undefined = 'one'): SigningPair {
  if (alg === 'RS256') return { kid, alg, ...generateKeyPairSync('rsa', { modulusLength: 2048 }) };
  if (alg === 'EdDSA') return { kid, alg, ...generateKeyPairSync('ed25519') };
  return { kid, alg, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) };
}

export function jwkOf({ kid, publicKey }: SigningPair): Fields {
  return { ...publicKey.export({ format: 'jwk' }), ...(kid !== undefined && { kid }), use: 'sig' };
}

export function jwksOf(...pairs: readonly SigningPair[]): string {
  return JSON.stringify({ keys: pairs.map(jwkOf) });
}

export function encoded(part: Fields): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

/** `header` lays more over what belongs there. */
export function jwt(pair: SigningPair, claims: Fields, header: Fields = {}): string {
  const { alg, kid, privateKey } = pair;
  const signed = `${encoded({ alg, ...(kid !== undefined && { kid }), typ: 'JWT', ...header })}.${encoded(claims)}`;
  const digest = alg === 'EdDSA' ? undefined : 'sha256';
  const signature = signOctets(digest, Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

export interface OAuthServer {
  readonly url: string;
  /** What is served at `/jwks`, and how; may be changed. */
  answer: { code: number; body: string };
  /** What is said of tokens at `/introspect`; of any other: not active. */
  readonly tokens: Map<string, Fields>;
  /** Requests by path. */
  readonly asked: Map<string, number>;
  readonly seen: { authorization: string | undefined; contentType: string | undefined; body: string }[];
  close(): Promise<void>;
}

export async function oauthServer(jwks = '{"keys":[]}'): Promise<OAuthServer> {
  const server = createServer((request, response) => void serve(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const made: OAuthServer = {
    ...{ url: `http://127.0.0.1:${port}`, answer: { code: 200, body: jwks } },
    ...{ tokens: new Map<string, Fields>(), asked: new Map<string, number>(), seen: [] },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const path = request.url ?? '';
    made.asked.set(path, (made.asked.get(path) ?? 0) + 1);
    const { authorization, 'content-type': contentType } = request.headers;
    made.seen.push({ authorization, contentType, body });
    const { code } = made.answer;
    if (code !== 200) response.writeHead(code, { location: '/jwks' }).end();
    else if (path === '/jwks') response.end(made.answer.body);
    else if (path === '/introspect') {
      const token = new URLSearchParams(body).get('token') ?? '';
      response.end(JSON.stringify(made.tokens.get(token) ?? { active: false }));
    } else if (path !== '/never') response.writeHead(404).end();
  }
  return made;
}
