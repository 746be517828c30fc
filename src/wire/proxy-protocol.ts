/**
 * The PROXY protocol, versions 1 and 2, as a machine without I/O: octets in, and once the header is whole, who the
 * client behind the proxy is and the octets that follow.
 *
 * Only ever used for peers that are listed as proxies: anybody else could name any address. The header must be the
 * first thing on the connection, before our greeting. It is bounded: 107 octets in version 1, 16 + 2048 in version 2.
 * The addresses of `UNKNOWN` and `LOCAL` (health checks) are not used, and neither are TLVs.
 */

import { canonicalIp } from '../lib/ip.ts';

export interface ProxySource {
  /** Textual IP address of the client. */
  readonly address: string;
  readonly port: number;
}

export type ProxyStep =
  | { readonly kind: 'more' }
  /** Without a source the proxy speaks for itself. */
  | { readonly kind: 'header'; readonly source?: ProxySource; readonly rest: Buffer }
  | { readonly kind: 'bad'; readonly reason: string };

const MORE: ProxyStep = { kind: 'more' };
const NOTHING = Buffer.alloc(0);

const V1_START = Buffer.from('PROXY ');
const V1_MAX_OCTETS = 107;
const LF = 0x0a;

const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_HEADER_OCTETS = 16;
const V2_MAX_REST = 2048;
const V2_LOCAL = 0x20;
const V2_PROXY = 0x21;
const V2_TCP4 = 0x11;
const V2_TCP6 = 0x21;

export class ProxyHeader {
  #octets: Buffer = NOTHING;
  #done: ProxyStep | undefined;

  /** After a header or a bad one the machine is used up. */
  push(chunk: Buffer): ProxyStep {
    if (this.#done !== undefined) throw new Error('push() after the end of the PROXY header');
    this.#octets = this.#octets.length === 0 ? chunk : Buffer.concat([this.#octets, chunk]);
    const step = this.#step();
    if (step.kind !== 'more') {
      this.#done = step;
      this.#octets = NOTHING;
    }
    return step;
  }

  #step(): ProxyStep {
    const octets = this.#octets;
    if (octets.length === 0) return MORE;
    if (beginsLike(octets, V1_START)) return octets.length < V1_START.length ? MORE : version1(octets);
    if (beginsLike(octets, V2_START)) return octets.length < V2_HEADER_OCTETS ? MORE : version2(octets);
    return bad('no PROXY header');
  }
}

/** As far as they have come, the octets are those of the start. */
function beginsLike(octets: Buffer, start: Buffer): boolean {
  const length = Math.min(octets.length, start.length);
  return octets.compare(start, 0, length, 0, length) === 0;
}

function version1(octets: Buffer): ProxyStep {
  const lf = octets.subarray(0, V1_MAX_OCTETS).indexOf(LF);
  if (lf === -1) return octets.length < V1_MAX_OCTETS ? MORE : bad('PROXY line is too long');
  const line = octets.toString('latin1', 0, lf + 1);
  const rest = octets.subarray(lf + 1);
  if (/^PROXY UNKNOWN(?: [ -~]*)?\r\n$/.test(line)) return { kind: 'header', rest };
  const words = /^PROXY (TCP[46]) ([\da-fA-F.:]+) ([\da-fA-F.:]+) (\d{1,5}) (\d{1,5})\r\n$/.exec(line);
  if (words === null) return bad('bad PROXY line');
  const [, family, from = '', to = '', fromPort = '', toPort = ''] = words;
  if ([from, to].some((address) => address.includes(':') !== (family === 'TCP6')))
    return bad('address of another family in PROXY line');
  const source = sourceOf(from, portOf(fromPort));
  const isWhole = source !== undefined && sourceOf(to, portOf(toPort)) !== undefined;
  return isWhole ? { kind: 'header', source, rest } : bad('bad address in PROXY line');
}

function version2(octets: Buffer): ProxyStep {
  const command = octets.readUInt8(12);
  const family = octets.readUInt8(13);
  const length = octets.readUInt16BE(14);
  if (command !== V2_LOCAL && command !== V2_PROXY) return bad('unknown version or command of PROXY header');
  if (length > V2_MAX_REST) return bad('PROXY header is too long');
  const end = V2_HEADER_OCTETS + length;
  const size = family === V2_TCP4 ? 4 : 16;
  const named = command === V2_PROXY && (family === V2_TCP4 || family === V2_TCP6);
  if (named && length < 2 * size + 4) return bad('PROXY header is too short for its addresses');
  if (octets.length < end) return MORE;
  const rest = octets.subarray(end);
  if (!named) return { kind: 'header', rest };
  const address = addressText(octets.subarray(V2_HEADER_OCTETS, V2_HEADER_OCTETS + size));
  const source = sourceOf(address, octets.readUInt16BE(V2_HEADER_OCTETS + 2 * size));
  return source === undefined ? bad('bad address in PROXY header') : { kind: 'header', source, rest };
}

function addressText(octets: Buffer): string {
  if (octets.length === 4) return octets.join('.');
  return Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(2 * i).toString(16)).join(':');
}

function portOf(digits: string): number {
  return /^(?:0|[1-9]\d*)$/.test(digits) ? Number(digits) : -1;
}

function sourceOf(address: string, port: number): ProxySource | undefined {
  const canonical = canonicalIp(address);
  return canonical.ok && port >= 0 && port <= 65_535 ? { address: canonical.value, port } : undefined;
}

function bad(reason: string): ProxyStep {
  return { kind: 'bad', reason };
}
