/**
 * Queue names: `campaign:tenant@domain`, each part percent-encoded.
 *
 * Campaign and tenant may be empty: `:@example.com` is the queue of plain mail to example.com.
 */

import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';

declare const queueNameBrand: unique symbol;

export type QueueName = string & { readonly [queueNameBrand]: true };

export interface QueueNameParts {
  readonly campaign: string;
  readonly tenant: string;
  readonly domain: string;
}

/** Octets of an encoded campaign or tenant: keeps spool keys under their limit. */
export const MAX_PART_OCTETS = 128;

const SHAPE = /^([^:@]*):([^:@]*)@([^:@]*)$/;

export function queueName({ campaign, tenant, domain }: QueueNameParts): QueueName {
  return `${encode(campaign)}:${encode(tenant)}@${encode(domain)}` as QueueName;
}

export function parseQueueName(text: string): Parsed<QueueName> {
  const parts = SHAPE.exec(text);
  if (parts === null) return unparsed('a queue name looks like campaign:tenant@domain');
  if (parts.slice(1).some((part) => !isEncoded(part ?? ''))) return unparsed('a part is not percent-encoded');
  return parsed(text as QueueName);
}

export function partsOf(name: QueueName): QueueNameParts {
  const colon = name.indexOf(':');
  const at = name.indexOf('@', colon);
  return {
    campaign: decodeURIComponent(name.slice(0, colon)),
    tenant: decodeURIComponent(name.slice(colon + 1, at)),
    domain: decodeURIComponent(name.slice(at + 1)),
  };
}

/** Whether a tenant or campaign name is short enough to be part of a key. */
export function fitsQueueName(part: string): boolean {
  return part.isWellFormed() && encode(part).length <= MAX_PART_OCTETS;
}

/** RFC 3986 unreserved characters stay; a domain keeps its dots, an address literal its brackets are encoded. */
function encode(part: string): string {
  return encodeURIComponent(part).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function isEncoded(part: string): boolean {
  try {
    return encode(decodeURIComponent(part)) === part;
  } catch {
    // decodeURIComponent throws on a malformed escape: then it is not an encoded part.
    return false;
  }
}
