/**
 * Asks a running server through its control socket: the `Admin` contract again, at the other end.
 *
 * Three things can be wrong before an answer comes, and they are told apart: nobody is there (`notRunning`), somebody
 * is there and does not answer (`notAnswering`), or the answer makes no sense (`failed`).
 */

import { type IncomingMessage, request } from 'node:http';
import { API_PREFIX, type Call, CALLS } from './calls.ts';
import { type Admin, Refusal } from './contract.ts';
import { controlSocket, pathTooLong } from './control-socket.ts';

export class ControlError extends Error {
  readonly kind: 'notRunning' | 'notAnswering' | 'forbidden' | 'failed';
  constructor(kind: ControlError['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

export interface Control extends Admin {
  readonly socketPath: string;
  /** Metrics and health as text. */
  text(path: string): Promise<string>;
}

/** Nothing is asked yet: a server that is not there shows at the first call. */
export function connectControl(spoolFolder: string): Control {
  const socketPath = controlSocket(spoolFolder);
  const calls = Object.entries(CALLS).map(([name, call]) => [
    name,
    async (argument: object = {}): Promise<unknown> => {
      const answer = await send(socketPath, requestOf(call, argument), call.patience);
      return name === 'content' ? answer : parseAnswer(answer);
    },
  ]);
  const text = async (path: string): Promise<string> =>
    String(await send(socketPath, { method: 'GET', path, body: undefined }, CALLS.status.patience));
  // The table has exactly the calls of the contract; its types cannot be followed through `fromEntries`.
  return { ...(Object.fromEntries(calls) as unknown as Admin), socketPath, text };
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly body: string | undefined;
}

function requestOf({ method, path }: Call, argument: object): Request {
  if (method === 'POST') return { method, path: API_PREFIX + path, body: JSON.stringify(argument) };
  const query = new URLSearchParams();
  let filled = path;
  for (const [name, value] of Object.entries(argument)) {
    if (value === undefined) continue;
    if (filled.includes(`:${name}`)) filled = filled.replace(`:${name}`, encodeURIComponent(String(value)));
    else query.set(name, String(value));
  }
  return { method, path: `${API_PREFIX}${filled}${query.size > 0 ? `?${query}` : ''}`, body: undefined };
}

function send(socketPath: string, { method, path, body }: Request, patience: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers =
      body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = request({ socketPath, method, path, headers, timeout: patience, agent: false }, (response) => {
      collect(response).then((octets) => resolveAnswer(response.statusCode ?? 0, octets, resolve, reject), reject);
    });
    sent.once('timeout', () =>
      sent.destroy(new ControlError('notAnswering', `the server at ${socketPath} does not answer`)),
    );
    sent.once('error', (error: NodeJS.ErrnoException) => reject(connectionError(error, socketPath)));
    sent.end(body);
  });
}

// More than any message that a server takes by default, and less than would fill this process.
const MAX_ANSWER = 1024 ** 3;

async function collect(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let octets = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    octets += chunk.length;
    if (octets > MAX_ANSWER) throw new ControlError('failed', 'the answer of the server is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function resolveAnswer(
  status: number,
  octets: Buffer,
  resolve: (octets: Buffer) => void,
  reject: (error: Error) => void,
): void {
  if (status >= 200 && status < 300) resolve(octets);
  else reject(refusalOf(status, octets));
}

function refusalOf(status: number, octets: Buffer): Error {
  const { error } = parseAnswer(octets) as { readonly error?: { readonly kind?: unknown; readonly message?: unknown } };
  const message = typeof error?.message === 'string' ? error.message : `the server answered with status ${status}`;
  const kind = error?.kind;
  if (kind === 'invalid' || kind === 'notFound' || kind === 'conflict') return new Refusal(kind, message);
  return new ControlError('failed', message);
}

function parseAnswer(octets: Buffer): object {
  try {
    const value: unknown = JSON.parse(octets.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value;
  } catch (error) {
    throw new ControlError('failed', 'the answer of the server is not JSON', { cause: error });
  }
  throw new ControlError('failed', 'the answer of the server is not an object');
}

function connectionError(error: NodeJS.ErrnoException, socketPath: string): Error {
  if (error instanceof ControlError) return error;
  const tooLong = pathTooLong(socketPath);
  if (tooLong !== undefined)
    return new ControlError('notRunning', `no server can be there: ${tooLong}`, { cause: error });
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return new ControlError('notRunning', `no server is running (nobody answers at ${socketPath})`, { cause: error });
    case 'EACCES':
    case 'EPERM':
      return new ControlError('forbidden', `you may not use ${socketPath}: run this as the user that runs the server`, {
        cause: error,
      });
    default:
      return new ControlError('notAnswering', `the server at ${socketPath} hung up: ${error.message}`, {
        cause: error,
      });
  }
}
