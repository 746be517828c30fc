/**
 * Queue names: `campaign:tenant@domain`, each part percent-encoded.
 *
 * Campaign and tenant may be empty: `:@example.com` is the queue of plain mail to example.com.
 */

declare const queueNameBrand: unique symbol;

export type QueueName = string & { readonly [queueNameBrand]: true };

export interface QueueNameParts {
  readonly campaign: string;
  readonly tenant: string;
  readonly domain: string;
}

/** Octets of an encoded campaign or tenant: keeps spool keys under their limit. */
const MAX_PART_OCTETS = 128;

export function queueName({ campaign, tenant, domain }: QueueNameParts): QueueName {
  return `${encode(campaign)}:${encode(tenant)}@${encode(domain)}` as QueueName;
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
