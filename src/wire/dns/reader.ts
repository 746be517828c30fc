/**
 * Reads DNS messages from octets that nobody vouches for (RFC 1035 §4).
 *
 * Every read is checked against the end of what it belongs to: a record never sees an octet behind its RDATA. A
 * compression pointer must lead backwards from the last one, so names end. A label may hold any octet; those that
 * are not printable ASCII, and dots and backslashes inside a label, are escaped (`\046`), so that a name with a dot in
 * a label is never mistaken for another name and no control character gets out.
 *
 * `Malformed` is thrown within this folder and caught where its exports begin.
 */

/** The octets break the rules of the format. Never leaves `wire/dns/`. */
export class Malformed extends Error {}

const MAX_NAME_OCTETS = 255;
const POINTER = 0xc0;

export class Reader {
  readonly #octets: Buffer;
  /** Nothing at or behind it is read. */
  readonly #end: number;
  at: number;

  constructor(octets: Buffer, at = 0, end = octets.length) {
    if (end > octets.length) throw new Malformed('message ends too early');
    this.#octets = octets;
    this.#end = end;
    this.at = at;
  }

  get left(): number {
    return this.#end - this.at;
  }

  u8(): number {
    return this.#octets.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.#octets.readUInt16BE(this.#take(2));
  }

  u32(): number {
    return this.#octets.readUInt32BE(this.#take(4));
  }

  octets(length: number): Buffer {
    const start = this.#take(length);
    return this.#octets.subarray(start, start + length);
  }

  /** The next `length` octets as a reader of their own that can follow pointers into the whole message. */
  part(length: number): Reader {
    const start = this.#take(length);
    return new Reader(this.#octets, start, start + length);
  }

  /** Nothing may be left over. */
  finish(): void {
    if (this.left !== 0) throw new Malformed('record is longer than its data');
  }

  /** A domain name as text, in the case it has, without the final dot; the root is `''`. */
  name(): string {
    const labels: string[] = [];
    let octets = 1;
    let label = this.#label(this);
    while (label.kind !== 'end') {
      if (label.kind === 'pointer') {
        label = this.#label(label.reader);
        continue;
      }
      octets += label.text.length + 1;
      if (octets > MAX_NAME_OCTETS) throw new Malformed('name is longer than 255 octets');
      labels.push(escape(label.text));
      label = this.#label(label.reader);
    }
    return labels.join('.');
  }

  /** One step through a name: a label, a pointer, or its end. */
  #label(reader: Reader): Label {
    const start = reader.at;
    const length = reader.u8();
    if (length === 0) return { kind: 'end' };
    if (length < 64) return { kind: 'label', text: reader.octets(length).toString('latin1'), reader };
    if ((length & POINTER) !== POINTER) throw new Malformed('label of an unknown kind');
    const target = ((length & ~POINTER) << 8) | reader.u8();
    // Backwards only. A target may hold labels up to here and no further, so that a chain of pointers gets shorter.
    if (target >= start) throw new Malformed('pointer does not lead backwards');
    return { kind: 'pointer', reader: new Reader(this.#octets, target, start) };
  }

  #take(length: number): number {
    if (length > this.left) throw new Malformed('message ends too early');
    const start = this.at;
    this.at += length;
    return start;
  }
}

type Label =
  | { readonly kind: 'end' }
  | { readonly kind: 'label'; readonly text: string; readonly reader: Reader }
  | { readonly kind: 'pointer'; readonly reader: Reader };

function escape(label: string): string {
  return label.replaceAll(/[^!-~]|[.\\]/g, (octet) => `\\${octet.charCodeAt(0).toString().padStart(3, '0')}`);
}
