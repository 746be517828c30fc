/**
 * The content of one message on its way through the server machine, from DATA or from BDAT chunks.
 *
 * It says which octets to pass on, and whether the content is refused for its form: bare newlines, long lines, size.
 * A refused content is still followed to its end, so that none of it is taken for commands.
 */

import { ContentCutter } from './content-cutter.ts';
import { type ServerOptions } from './server-options.ts';
import { type Refusal } from './server-replies.ts';

const NOTHING = Buffer.alloc(0);

export type Form = 'dots' | 'textChunks' | 'binaryChunks';

export class ContentIntake {
  readonly #options: ServerOptions;
  /** Absent for BINARYMIME, where CR and LF are octets like others (RFC 3030 §3). */
  readonly #cutter: ContentCutter | undefined;
  #octets = 0;
  #refusal: Refusal | undefined;

  constructor(form: Form, options: ServerOptions) {
    this.#options = options;
    const { maxLineOctets } = options;
    if (form !== 'binaryChunks')
      this.#cutter = new ContentCutter({ framing: form === 'dots' ? 'dots' : 'chunks', maxLineOctets });
  }

  /** Why the content is refused, as far as it has come. The graver reason may still come. */
  get refusal(): Refusal | undefined {
    return this.#refusal;
  }

  /** Takes the octets over; what is to be passed on is a part of them. */
  take(octets: Buffer): { readonly content: Buffer; readonly used: number; readonly end: 'reached' | 'ahead' } {
    const cut = this.#cutter?.cut(octets) ?? { content: octets, used: octets.length, end: 'ahead' };
    // After unstuffing, as RFC 1870 §5 counts.
    this.#octets += cut.content.length;
    this.#judge();
    return this.#refusal === undefined ? cut : { content: NOTHING, used: cut.used, end: cut.end };
  }

  /** All chunks have come. */
  finish(): void {
    this.#cutter?.finish();
    this.#judge();
  }

  #judge(): void {
    const { maxContentOctets, maxLineOctets } = this.#options;
    const fault = this.#cutter?.fault;
    // It outweighs all else: what stands behind it may have been meant for somebody who sees another end.
    if (fault === 'bareNewline') this.#refusal = { name: 'contentBareNewline' };
    if (this.#refusal !== undefined) return;
    if (this.#octets > maxContentOctets)
      this.#refusal = { name: 'contentTooLarge', values: { limit: maxContentOctets } };
    else if (fault === 'longLine') this.#refusal = { name: 'contentLongLine', values: { limit: maxLineOctets } };
  }
}

/** The argument of BDAT (RFC 3030 §2). */
export interface ChunkArgument {
  readonly octets: number;
  readonly last: boolean;
}

/** `undefined`: nobody can say where the chunk would end. Of a number that is not exact, nobody can either. */
export function parseChunkArgument(argument: string): ChunkArgument | 'tooLarge' | undefined {
  const [, octets, last] = /^(\d{1,20})( +LAST)?$/i.exec(argument) ?? [];
  if (octets === undefined) return undefined;
  return Number.isSafeInteger(Number(octets)) ? { octets: Number(octets), last: last !== undefined } : 'tooLarge';
}
