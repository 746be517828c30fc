/**
 * The name that a client asks for in its first message of TLS (RFC 8446 §4.1.2, RFC 6066 §3), read before the handshake.
 *
 * Node's own callback for it comes too late: the certificate that it is given is laid over those that are there already,
 * so that an ECDSA one of another name stays beside an RSA one of this. What is no ClientHello has no name here; OpenSSL,
 * which reads the same octets afterwards, says what is wrong with it.
 */

export type AskedName =
  | { readonly kind: 'more' }
  /** Undefined: it asks for none. */
  | { readonly kind: 'name'; readonly name: string | undefined };

/** Several times what any client sends. */
export const MAX_CLIENT_HELLO = 32 * 1024;

const NONE: AskedName = { kind: 'name', name: undefined };
const MORE: AskedName = { kind: 'more' };
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const RECORD_HEADER = 5;
/** Far more than any client makes of so little. */
const MAX_RECORDS = 1024;
const MESSAGE_HEADER = 4;
const VERSION_AND_RANDOM = 34;
const SERVER_NAME = 0;
const HOST_NAME = 0;

export function askedName(octets: Buffer): AskedName {
  const hello = messageIn(octets);
  if (hello === 'more') return octets.length > MAX_CLIENT_HELLO ? NONE : MORE;
  return hello === undefined ? NONE : { kind: 'name', name: nameIn(hello) };
}

/** The ClientHello without its header, put together from its records. */
function messageIn(octets: Buffer): Buffer | 'more' | undefined {
  const message = Buffer.concat(recordsIn(octets));
  if (octets.length > 0 && octets[0] !== HANDSHAKE) return undefined;
  if (message.length > 0 && message[0] !== CLIENT_HELLO) return undefined;
  if (message.length < MESSAGE_HEADER) return isEmptyRecord(octets) ? undefined : 'more';
  const length = message.readUIntBE(1, 3);
  if (length > MAX_CLIENT_HELLO) return undefined;
  return message.length < MESSAGE_HEADER + length ? 'more' : message.subarray(MESSAGE_HEADER, MESSAGE_HEADER + length);
}

/** What the records of the handshake hold, as far as it is there. */
function recordsIn(octets: Buffer): readonly Buffer[] {
  const parts: Buffer[] = [];
  let at = 0;
  while (octets[at] === HANDSHAKE && at + RECORD_HEADER <= octets.length && parts.length < MAX_RECORDS) {
    const begin = at + RECORD_HEADER;
    at = begin + octets.readUInt16BE(at + 3);
    parts.push(octets.subarray(begin, at));
  }
  return parts;
}

function isEmptyRecord(octets: Buffer): boolean {
  return octets.length >= RECORD_HEADER && octets.readUInt16BE(3) === 0;
}

function nameIn(hello: Buffer): string | undefined {
  const session = vector(hello, VERSION_AND_RANDOM, 1);
  const ciphers = session && vector(hello, session.end, 2);
  const compression = ciphers && vector(hello, ciphers.end, 1);
  const extensions = compression && vector(hello, compression.end, 2);
  if (extensions === undefined) return undefined;
  for (let at = extensions.begin; at + 4 <= extensions.end;) {
    const data = vector(hello, at + 2, 2);
    if (data === undefined) return undefined;
    if (hello.readUInt16BE(at) === SERVER_NAME) return hostIn(hello, data.begin);
    at = data.end;
  }
  return undefined;
}

function hostIn(hello: Buffer, begin: number): string | undefined {
  const list = vector(hello, begin, 2);
  if (list === undefined || hello[list.begin] !== HOST_NAME) return undefined;
  const host = vector(hello, list.begin + 1, 2);
  return host === undefined || host.end > list.end ? undefined : hello.toString('latin1', host.begin, host.end);
}

interface Range {
  readonly begin: number;
  readonly end: number;
}

/** Octets behind their length, which takes `size` octets; undefined: they are not all there. */
function vector(octets: Buffer, at: number, size: 1 | 2): Range | undefined {
  if (at + size > octets.length) return undefined;
  const begin = at + size;
  const end = begin + octets.readUIntBE(at, size);
  return end > octets.length ? undefined : { begin, end };
}
