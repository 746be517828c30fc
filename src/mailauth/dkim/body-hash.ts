/** The hash of a canonical body, taken while the body comes: what `bh=` says (RFC 6376 §3.7 step 1). */

import { createHash } from 'node:crypto';
import { BodyCanonicalizer, type Canonicalization } from './canonical-body.ts';

/** Of SHA-256, in base64. */
export const BODY_HASH_CHARACTERS = 44;

export class BodyHash {
  readonly #hash = createHash('sha256');
  readonly #canonicalizer: BodyCanonicalizer;

  constructor(form: Canonicalization) {
    this.#canonicalizer = new BodyCanonicalizer(form, (octets) => void this.#hash.update(octets));
  }

  /** Neither changes nor keeps the chunk. */
  push(chunk: Buffer): void {
    this.#canonicalizer.push(chunk);
  }

  /** Base64. */
  finish(): string {
    this.#canonicalizer.finish();
    return this.#hash.digest('base64');
  }
}
