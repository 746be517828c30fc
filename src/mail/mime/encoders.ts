/**
 * Makes octets fit for every SMTP server, in pieces: ASCII without NUL, in lines that end with CRLF and are not too long.
 *
 * Decoded, the octets are what they were (RFC 2045 §6.7, §6.8). No line of what comes out begins with `--` that did not
 * stand so before: it could be taken for the boundary of a part.
 */

import { QuotedPrintable } from './quoted-printable.ts';

export interface Encoder {
  push(octets: Buffer): Buffer;
  end(): Buffer;
}

/**
 * `quoted-printable`, `base64`: what is in no encoding becomes it. `base64Text` ends with a line end, for where nothing follows.
 * `mendQuotedPrintable`, `mendBase64`: what is in it already, and not as it must be. `mendGap`: what nobody reads.
 */
export type Mending = 'quoted-printable' | 'base64' | 'base64Text' | 'mendQuotedPrintable' | 'mendBase64' | 'mendGap';

export function mender(how: Mending): Encoder {
  switch (how) {
    case 'quoted-printable':
      return new QuotedPrintable();
    case 'base64':
      return new Base64('');
    case 'base64Text':
      return new Base64('\r\n');
    case 'mendQuotedPrintable':
      return new LineBreaker(QUOTED_PRINTABLE);
    case 'mendBase64':
      return new LineBreaker(BASE64);
    case 'mendGap':
      return new LineBreaker(GAP);
  }
}

/** Octets that are here as a whole. */
export function encoded(octets: Buffer, how: Mending): Buffer {
  const encoder = mender(how);
  return Buffer.concat([encoder.push(octets), encoder.end()]);
}

const NOTHING = Buffer.alloc(0);
/** As many as a line of 76 characters holds. */
const BASE64_LINE_OCTETS = 57;
const BASE64_LINE = 76;

class Base64 implements Encoder {
  readonly #end: string;
  #rest: Buffer = NOTHING;
  #begun = false;

  constructor(end: string) {
    this.#end = end;
  }

  push(octets: Buffer): Buffer {
    const all = this.#rest.length === 0 ? octets : Buffer.concat([this.#rest, octets]);
    const whole = all.length - (all.length % BASE64_LINE_OCTETS);
    // A copy: what it is a part of is not ours.
    this.#rest = Buffer.from(all.subarray(whole));
    return this.#lines(all.subarray(0, whole));
  }

  end(): Buffer {
    const last = this.#lines(this.#rest);
    return this.#begun ? Buffer.concat([last, Buffer.from(this.#end)]) : last;
  }

  #lines(octets: Buffer): Buffer {
    if (octets.length === 0) return NOTHING;
    const text = octets.toString('base64');
    const lines: string[] = this.#begun ? [''] : [];
    this.#begun = true;
    for (let at = 0; at < text.length; at += BASE64_LINE) lines.push(text.slice(at, at + BASE64_LINE));
    return Buffer.from(lines.join('\r\n'), 'latin1');
  }
}

const LF = 0x0a;
const CR = 0x0d;
const DASH = 0x2d;
const EQUALS = 0x3d;
const ESCAPE_OCTETS = 3;

interface Breaking {
  /** A line gets no longer. */
  readonly columns: number;
  readonly brk: Buffer;
  /** In place of a dash behind a break. */
  readonly dash: Buffer;
  readonly escapes: boolean;
  /** In place of an octet that is not fit to be sent. */
  readonly unfit: (octet: number) => Buffer;
}

const ESCAPED: readonly Buffer[] = Array.from({ length: 256 }, (_, octet) =>
  Buffer.from(`=${octet.toString(16).toUpperCase().padStart(2, '0')}`),
);
const QUESTION_MARK = Buffer.from('?');
const escaped = (octet: number): Buffer => ESCAPED[octet] ?? NOTHING;

const QUOTED_PRINTABLE: Breaking = {
  ...{ columns: 900, brk: Buffer.from('=\r\n'), dash: escaped(DASH), escapes: true, unfit: escaped },
};
/** White space and what is not of the alphabet means nothing there. */
const BASE64: Breaking = {
  ...{ columns: BASE64_LINE, brk: Buffer.from('\r\n'), dash: Buffer.from(' -'), escapes: false },
  unfit: () => QUESTION_MARK,
};
const GAP: Breaking = {
  ...{ columns: 900, brk: Buffer.from('\r\n'), dash: Buffer.from(' -'), escapes: false },
  unfit: () => QUESTION_MARK,
};

/** Breaks long lines, and replaces single octets; everything else stays. */
class LineBreaker implements Encoder {
  readonly #form: Breaking;
  #column = 0;
  /** Since the last `=`: an escape is not torn. */
  #sinceEquals = ESCAPE_OCTETS;
  #broken = false;
  /** What an `=` becomes hangs on the next octet. */
  #rest: Buffer = NOTHING;

  constructor(form: Breaking) {
    this.#form = form;
  }

  push(given: Buffer): Buffer {
    const octets = this.#rest.length === 0 ? given : Buffer.concat([this.#rest, given]);
    const end = this.#form.escapes && octets.at(-1) === EQUALS ? octets.length - 1 : octets.length;
    this.#rest = Buffer.from(octets.subarray(end));
    return this.#mended(octets, end);
  }

  end(): Buffer {
    return this.#mended(this.#rest, this.#rest.length);
  }

  #mended(octets: Buffer, end: number): Buffer {
    const out: Buffer[] = [];
    let from = 0;
    const flush = (to: number): void => {
      if (to > from) out.push(octets.subarray(from, to));
      from = to;
    };
    for (let at = 0; at < end; at += 1) {
      const octet = octets[at] ?? 0;
      if (this.#breaksBefore(octet)) {
        flush(at);
        out.push(this.#form.brk);
      }
      const other = this.#inPlaceOf(octet, octets[at + 1]);
      if (other !== undefined) {
        flush(at);
        out.push(other);
        from = at + 1;
      }
      this.#count(octet, other?.length ?? 1);
    }
    flush(end);
    return Buffer.concat(out);
  }

  #breaksBefore(octet: number): boolean {
    if (this.#column < this.#form.columns || octet === CR || octet === LF) return false;
    if (this.#form.escapes && this.#sinceEquals < ESCAPE_OCTETS) return false;
    this.#column = 0;
    this.#broken = true;
    return true;
  }

  #inPlaceOf(octet: number, next: number | undefined): Buffer | undefined {
    const { dash, unfit, escapes } = this.#form;
    if (this.#broken && octet === DASH) return dash;
    // Alone it would begin the escape that comes in place of the next octet.
    if (escapes && octet === EQUALS && next !== undefined && isUnfit(next)) return unfit(octet);
    return isUnfit(octet) ? unfit(octet) : undefined;
  }

  #count(octet: number, width: number): void {
    this.#broken = false;
    this.#sinceEquals = octet === EQUALS ? 1 : this.#sinceEquals + 1;
    this.#column = octet === LF ? 0 : this.#column + width;
  }
}

function isUnfit(octet: number): boolean {
  return octet > 0x7e || octet === 0;
}
