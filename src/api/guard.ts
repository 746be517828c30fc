/**
 * Keeps other people's web pages away from an API without a login.
 *
 * A page in a browser can make that browser send requests to loopback. So: the Host header has to name us (a page
 * that points its own name at 127.0.0.1 does not), a request that changes something has to be JSON (a form cannot
 * be), and one that says where it comes from has to come from us.
 */

import { canonicalIp, isLoopback } from '../lib/ip.ts';

export interface GuardedRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export interface Access {
  /** The address that is listened on. */
  readonly host: string;
  /** Further names under which we may be called. */
  readonly names: readonly string[];
}

export interface Denial {
  readonly code: 403 | 415;
  readonly message: string;
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);
const UNSPECIFIED = new Set(['::', '0.0.0.0']);

/** Undefined: it may pass. */
export function denialOf({ method, headers }: GuardedRequest, access: Access): Denial | undefined {
  const host = single(headers['host']);
  const name = host === undefined ? undefined : nameOf(host);
  if (name === undefined || !isOurs(name, access))
    return { code: 403, message: 'this name is not served here; call it by localhost, or add the name to http.names' };
  if (SAFE_METHODS.has(method)) return undefined;
  if (isForeign(headers, host)) return { code: 403, message: 'requests of other web sites change nothing here' };
  const type = single(headers['content-type'])?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') return { code: 415, message: 'send content-type: application/json' };
  return undefined;
}

function isOurs(name: string, { host, names }: Access): boolean {
  if (name === 'localhost' || names.includes(name)) return true;
  const ip = canonicalIp(name);
  if (!ip.ok) return false;
  // An address cannot be rebound: whoever wrote it meant this machine.
  return isLoopback(ip.value) || ip.value === host || UNSPECIFIED.has(host);
}

/** Browsers say where a request comes from; other programs say nothing. */
function isForeign(headers: GuardedRequest['headers'], host: string | undefined): boolean {
  if (headers['origin'] !== undefined && !isSameOrigin(single(headers['origin']), host)) return true;
  const site = headers['sec-fetch-site'];
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}

function isSameOrigin(origin: string | undefined, host: string | undefined): boolean {
  return origin !== undefined && host !== undefined && origin.toLowerCase() === `http://${host.toLowerCase()}`;
}

/** Without the port, in lower case; `[::1]` without brackets. */
function nameOf(host: string): string | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s/@]+))(?::\d{1,5})?$/.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase().replace(/\.$/, '');
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
