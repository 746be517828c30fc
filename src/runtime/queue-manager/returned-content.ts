/** The part of a message that a DSN may return, read from the spool. */

import { open } from 'node:fs/promises';
import { type ReturnableContent } from '../../bounce/returned-part.ts';
import { type Log } from '../../ports/log.ts';
import { type Spool, type StoredMessage } from '../../spool/spool.ts';

// Large enough for any header section that was accepted; a DSN returns no more of a large message.
const BEGINNING_OCTETS = 256 * 1024;

/** Undefined when the content can no longer be read. */
export async function readForReturn(
  spool: Spool,
  message: StoredMessage,
  { maxOctets, log }: { readonly maxOctets: number; readonly log: Log },
): Promise<ReturnableContent | undefined> {
  const content = await spool.content(message.id);
  if (content === undefined) return undefined;
  try {
    if (content.kind === 'octets') return { octets: content.octets, complete: true };
    const wanted = Math.min(content.octets, Math.max(maxOctets, BEGINNING_OCTETS));
    return { octets: await beginningOf(content.path, wanted), complete: wanted === content.octets };
  } catch (error) {
    // A report without the content tells what matters; a file that is gone must not stop anything else.
    log.error('content for a delivery report cannot be read', { queueId: message.id, error: String(error) });
    return undefined;
  } finally {
    spool.release(message.id);
  }
}

async function beginningOf(path: string, octets: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(octets), 0, octets, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
