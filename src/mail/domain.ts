/** Domain names as mail uses them: parsed once at the edge, then trusted. */

import { type Parsed, parsed } from '../lib/parsed.ts';

declare const domainBrand: unique symbol;

/** A DNS name as lower-case A-labels, without the final dot. Only `parseDomain` makes one. */
export type Domain = string & { readonly [domainBrand]: true };

export function parseDomain(text: string): Parsed<Domain> {
  return parsed(text.toLowerCase() as Domain);
}
