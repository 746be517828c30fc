/**
 * What a server offers in its EHLO or LHLO reply (RFC 5321 §4.1.1.1).
 *
 * Forgotten and learned again after STARTTLS (RFC 3207 §4.2). Keywords are keys of a `Map`, so that no
 * keyword can be more than a word. The number of lines is bounded by the reply reader.
 */

import { type Reply } from '../../mail/reply.ts';

export interface Offers {
  readonly pipelining: boolean;
  readonly chunking: boolean;
  readonly binaryMime: boolean;
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
  readonly dsn: boolean;
  readonly startTls: boolean;
  /** RFC 8689. */
  readonly requireTls: boolean;
  /** RFC 2852. */
  readonly deliverBy: boolean;
  /** RFC 6710. */
  readonly priority: boolean;
  /** The largest content the server takes; 0: no limit is known. `undefined`: SIZE is not offered. */
  readonly size: number | undefined;
  /** SASL mechanisms, upper case. */
  readonly auth: readonly string[];
  /** RFC 9422. Infinity where none is given. */
  readonly maxTransactions: number;
  readonly maxRecipients: number;
}

/** What a server offers that answered HELO only. */
export const NO_OFFERS: Offers = offersOf(new Map());

export function readOffers({ lines }: Reply): Offers {
  const keywords = new Map<string, readonly string[]>();
  for (const line of lines.slice(1)) {
    // `AUTH=` is how servers before RFC 2554 wrote it, and some still do beside the right form.
    const [keyword = '', ...parameters] = line
      .trim()
      .toUpperCase()
      .replace(/^AUTH=/, 'AUTH ')
      .split(/ +/);
    if (!/^[A-Z0-9][A-Z0-9-]*$/.test(keyword)) continue;
    keywords.set(keyword, [...(keywords.get(keyword) ?? []), ...parameters]);
  }
  return offersOf(keywords);
}

function offersOf(keywords: ReadonlyMap<string, readonly string[]>): Offers {
  const limits = keywords.get('LIMITS') ?? [];
  return {
    pipelining: keywords.has('PIPELINING'),
    chunking: keywords.has('CHUNKING'),
    // BINARYMIME means nothing without CHUNKING (RFC 3030 §3).
    binaryMime: keywords.has('BINARYMIME') && keywords.has('CHUNKING'),
    eightBitMime: keywords.has('8BITMIME'),
    smtpUtf8: keywords.has('SMTPUTF8'),
    dsn: keywords.has('DSN'),
    startTls: keywords.has('STARTTLS'),
    requireTls: keywords.has('REQUIRETLS'),
    deliverBy: keywords.has('DELIVERBY'),
    priority: keywords.has('MT-PRIORITY'),
    size: sizeOf(keywords.get('SIZE')),
    auth: keywords.get('AUTH') ?? [],
    maxTransactions: limitOf(limits, 'MAILMAX'),
    maxRecipients: limitOf(limits, 'RCPTMAX'),
  };
}

function sizeOf(parameters: readonly string[] | undefined): number | undefined {
  if (parameters === undefined) return undefined;
  const [limit = ''] = parameters;
  // RFC 1870 §4: at most 20 digits. What cannot be read sets no limit.
  return /^[0-9]{1,20}$/.test(limit) ? Number(limit) : 0;
}

/** RFC 9422 §2: at most six digits, not beginning with 0; a value that is not so is ignored. */
function limitOf(limits: readonly string[], name: string): number {
  const given = limits.find((limit) => limit.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
  return /^[1-9][0-9]{0,5}$/.test(given) ? Number(given) : Infinity;
}
