/** What is wrong with a request, in words that name it: the culprit, and what may stand there. */

import { type Socket } from 'node:net';
import { nearestName } from '../lib/schema-nearest.ts';

/** As the validator gives it, with the schema it belongs to. */
export interface SchemaFault {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
  readonly parentSchema?: { readonly properties?: object };
}

export function errorBody(kind: string, message: string): object {
  return { error: { kind, message } };
}

/** `part`: `body` or `querystring`. */
export function schemaError(faults: readonly SchemaFault[], part: string): Error {
  const [fault] = faults;
  const where = part === 'querystring' ? 'query' : part;
  if (fault === undefined) return new Error(`the ${where} is not as it should be`);
  const at = [where, ...fault.instancePath.split('/').slice(1)].join('.');
  return new Error(`${at} ${faultText(fault)}`);
}

function faultText({ keyword, params, message = 'is wrong', parentSchema }: SchemaFault): string {
  if (keyword === 'enum') return `must be one of ${listOf(params['allowedValues'])}`;
  if (keyword === 'minLength' && params['limit'] === 1) return 'must not be empty';
  if (keyword !== 'additionalProperties') return message;
  const name = String(params['additionalProperty']).slice(0, 100);
  const names = Object.keys(parentSchema?.properties ?? {});
  const near = nearestName(name, names);
  const known = names.length === 0 ? 'there are none' : `the names are ${names.join(', ')}`;
  return `has no ${name}: ${near === undefined ? known : `did you mean ${near}?`}`;
}

function listOf(values: unknown): string {
  return Array.isArray(values) ? values.map(String).join(', ') : String(values);
}

const REFUSED = 'this is no HTTP request that is understood here';
const REFUSALS: Readonly<Record<string, readonly [line: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the header fields are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request did not come to its end in time'],
};

/** To a client whose octets are no request, for which there is nothing else that could answer. */
export function refuseConnection(error: Error, socket: Socket): void {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [line, message] = REFUSALS[code] ?? ['400 Bad Request', REFUSED];
  const body = JSON.stringify(errorBody('invalid', message));
  const head = [
    `HTTP/1.1 ${line}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
