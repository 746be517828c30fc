/**
 * The partition of a routing domain: the unit in which waiting entries are owned by nodes.
 *
 * FNV-1a over the UTF-8 octets of the name, folded to 8 bits. It may never change: it is part of keys on disk.
 */

/** 0 to 255. */
export type Partition = number;

export const PARTITIONS = 256;

export function partitionOf(routingDomain: string): Partition {
  let hash = 0x811c9dc5;
  for (const octet of Buffer.from(routingDomain, 'utf8')) hash = Math.imul(hash ^ octet, 0x01000193) >>> 0;
  return (hash ^ (hash >>> 8) ^ (hash >>> 16) ^ (hash >>> 24)) & 0xff;
}
