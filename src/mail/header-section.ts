/**
 * A header section with what is read from it: its fields are looked for once, and each list of addresses is taken apart
 * once, however many want to know.
 *
 * What it has read stays in memory with it, and of a long list that is much: to be kept no longer than the section is looked at.
 */

import { type Parsed } from '../lib/parsed.ts';
import { type ListedAddress, parseAddressList } from './address-list.ts';
import { fieldValue, hasStrayLine, type HeaderField, headerFields } from './header.ts';

export class HeaderSection {
  /** With the empty line at its end, if that has come. Not changed by anybody. */
  readonly octets: Buffer;
  /** All there are, in order. */
  readonly fields: readonly HeaderField[];
  readonly #addresses = new Map<HeaderField, Parsed<readonly ListedAddress[]>>();

  constructor(octets: Buffer) {
    this.octets = octets;
    this.fields = headerFields(octets, Infinity);
  }

  /** Offset behind the last field. */
  get fieldsEnd(): number {
    return this.fields.at(-1)?.end ?? 0;
  }

  /** `name`: in lower case. */
  has(name: string): boolean {
    return this.fields.some((field) => field.name === name);
  }

  /** It is sent again (RFC 5322 §3.6.6). */
  get isResent(): boolean {
    return this.fields.some(({ name }) => name.startsWith('resent-'));
  }

  /** See `header.ts`. */
  get hasStrayLine(): boolean {
    return hasStrayLine(this.octets, this.fields);
  }

  /** See `header.ts`. */
  value(field: HeaderField): string {
    return fieldValue(this.octets, field);
  }

  /** Of one of its fields; or why it cannot be read. */
  addresses(field: HeaderField): Parsed<readonly ListedAddress[]> {
    const known = this.#addresses.get(field);
    if (known !== undefined) return known;
    const read = parseAddressList(this.value(field), Infinity);
    this.#addresses.set(field, read);
    return read;
  }
}
