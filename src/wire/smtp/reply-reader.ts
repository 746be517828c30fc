/**
 * Cuts a stream of octets into SMTP replies (RFC 5321 §4.2), as a client reads them.
 *
 * Everything is bounded: a line, the lines of a reply, and with them the octets kept. LF alone ends a line
 * too: servers in the field send it, and a reply read too early or too late can hurt only the transaction
 * that the server itself spoils. What is not a reply gives `bad`, once and for ever.
 *
 * Text is made harmless here, before it can reach an outcome, a log or a bounce: control characters,
 * and with them every line end, become spaces.
 */

import { type EnhancedStatus, type Reply } from '../../mail/reply.ts';

export type Read =
  { readonly kind: 'reply'; readonly reply: Reply } | { readonly kind: 'bad'; readonly reason: string };

const LF = 0x0a;
const NOTHING = Buffer.alloc(0);

// RFC 5321 §4.5.3.1.5 says 512 with the CRLF; some servers write longer explanations.
const MAX_LINE_OCTETS = 2048;
const MAX_LINES = 100;

// A code alone is a reply too (RFC 5321 §4.2: the text is optional in what a client must take).
const LINE = /^([2-5][0-9]{2})(?:([ -])(.*))?$/s;
const STATUS = /^([245])\.([0-9]{1,3})\.([0-9]{1,3})(?: |$)/;
const UNSAFE = /[\p{Cc}\u2028\u2029]+/gu;

export class ReplyReader {
  #octets: Buffer = NOTHING;
  #code: number | undefined;
  #lines: string[] = [];
  #bad: Read | undefined;

  /** Keeps the chunk until it is read: the caller must not write to it again. */
  push(chunk: Buffer): void {
    this.#octets = this.#octets.length === 0 ? chunk : Buffer.concat([this.#octets, chunk]);
  }

  /** Octets have come that belong to no reply given out yet. */
  get pending(): boolean {
    return this.#octets.length > 0 || this.#lines.length > 0;
  }

  /** The next whole reply, or nothing until more octets are pushed. */
  next(): Read | undefined {
    while (this.#bad === undefined) {
      const line = this.#line();
      if (line === undefined) break;
      const last = this.#take(line);
      if (last !== undefined) return { kind: 'reply', reply: this.#reply(last) };
    }
    return this.#bad;
  }

  #line(): string | undefined {
    const lf = this.#octets.subarray(0, MAX_LINE_OCTETS).indexOf(LF);
    if (lf === -1) {
      if (this.#octets.length >= MAX_LINE_OCTETS) this.#spoil('a reply line is too long');
      return undefined;
    }
    const line = this.#octets.toString('utf8', 0, lf);
    this.#octets = lf + 1 === this.#octets.length ? NOTHING : this.#octets.subarray(lf + 1);
    return line.endsWith('\r') ? line.slice(0, -1) : line;
  }

  /** Takes a line of a reply; the code when it was the last one. */
  #take(line: string): number | undefined {
    const [, digits, separator, text] = LINE.exec(line) ?? [];
    if (digits === undefined) return this.#spoil('what the server sent is not an SMTP reply');
    const code = Number(digits);
    if (this.#code !== undefined && this.#code !== code)
      return this.#spoil('the lines of a reply differ in their code');
    if (this.#lines.length === MAX_LINES) return this.#spoil('a reply has too many lines');
    this.#code = code;
    this.#lines.push((text ?? '').replaceAll(UNSAFE, ' '));
    return separator === '-' ? undefined : code;
  }

  #reply(code: number): Reply {
    const status = statusOf(code, this.#lines[0] ?? '');
    const [first, ...rest] =
      status === undefined ? this.#lines : this.#lines.map((line) => withoutStatus(line, status));
    this.#lines = [];
    this.#code = undefined;
    return { code, status, lines: [(first ?? '').trim(), ...rest] };
  }

  #spoil(reason: string): undefined {
    this.#bad = { kind: 'bad', reason };
    this.#octets = NOTHING;
    this.#lines = [];
    return undefined;
  }
}

/** The enhanced status, unless it contradicts the code: then the code alone counts (RFC 2034 §4). */
function statusOf(code: number, line: string): EnhancedStatus | undefined {
  const [, statusClass, subject, detail] = STATUS.exec(line) ?? [];
  if (statusClass === undefined || Number(statusClass) !== Math.floor(code / 100)) return undefined;
  return `${statusClass}.${Number(subject)}.${Number(detail)}` as EnhancedStatus;
}

/** RFC 2034 §4: every line of a reply carries the status; some servers repeat it and some do not. */
function withoutStatus(line: string, status: EnhancedStatus): string {
  return line.startsWith(status) ? line.slice(status.length).trimStart() : line.replace(STATUS, '');
}
