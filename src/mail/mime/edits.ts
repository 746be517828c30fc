/**
 * Changes of content that is passed through in pieces: octets put in place of others, and stretches that are encoded.
 * Everything between them stays octet for octet.
 */

import { type Mending, mender, type Encoder } from './encoders.ts';

export type Edit =
  | { readonly kind: 'splice'; readonly start: number; readonly end: number; readonly octets: Buffer }
  | { readonly kind: 'encode'; readonly start: number; readonly end: number; readonly how: Mending };

export function splice(start: number, end: number, text: string): Edit {
  return { kind: 'splice', start, end, octets: Buffer.from(text, 'latin1') };
}

/** One pass over the content. The edits are in order, and none touches another. */
export class ContentEditor {
  readonly #edits: readonly Edit[];
  #next = 0;
  /** Of the octets that have come. */
  #at = 0;
  #encoder: Encoder | undefined;

  constructor(edits: readonly Edit[]) {
    this.#edits = edits;
  }

  /** What has become of the octets, in pieces; those that stay are parts of what was given. */
  push(octets: Buffer): Buffer[] {
    const out: Buffer[] = [];
    const end = this.#at + octets.length;
    let from = this.#at;
    while (from < end) {
      const edit = this.#edits[this.#next];
      if (edit === undefined || edit.start >= end) {
        out.push(octets.subarray(from - this.#at));
        break;
      }
      if (edit.start > from) out.push(octets.subarray(from - this.#at, edit.start - this.#at));
      from = Math.max(from, edit.start);
      const to = Math.min(end, edit.end);
      this.#apply(edit, octets.subarray(from - this.#at, to - this.#at), out);
      from = to;
      if (to === edit.end) this.#finish(edit, out);
    }
    this.#at = end;
    return out;
  }

  /** All has come. */
  end(): Buffer[] {
    const out: Buffer[] = [];
    for (let edit = this.#edits[this.#next]; edit !== undefined; edit = this.#edits[this.#next])
      this.#finish(edit, out);
    return out;
  }

  #apply(edit: Edit, octets: Buffer, out: Buffer[]): void {
    if (edit.kind === 'splice') return;
    this.#encoder ??= mender(edit.how);
    out.push(this.#encoder.push(octets));
  }

  #finish(edit: Edit, out: Buffer[]): void {
    if (edit.kind === 'splice') out.push(edit.octets);
    else out.push((this.#encoder ?? mender(edit.how)).end());
    this.#encoder = undefined;
    this.#next += 1;
  }
}
