/**
 * SMTP replies: what a server says, and what a client heard.
 *
 * A reply is a value. It is built once and never edited. `code` and `status`
 * decide what happens next; `lines` are for people and are never matched on,
 * except by the text rules of response classification.
 *
 * RFC 5321 §4.2 (replies), RFC 2034 and RFC 3463 (enhanced status codes).
 */

/** `class.subject.detail`, for example `5.1.1`. */
export type EnhancedStatus = `${2 | 4 | 5}.${number}.${number}`;

export interface Reply {
  readonly code: number;
  /** Absent in greetings and in EHLO replies, where RFC 2034 §4 forbids it. */
  readonly status: EnhancedStatus | undefined;
  readonly lines: readonly [string, ...string[]];
}

export type ReplyClass = 'completed' | 'intermediate' | 'transient' | 'permanent';

export function reply(code: number, status: EnhancedStatus | undefined, ...lines: [string, ...string[]]): Reply {
  return { code, status, lines };
}

export function classOf({ code }: Reply): ReplyClass {
  if (code < 300) return 'completed';
  if (code < 400) return 'intermediate';
  return code < 500 ? 'transient' : 'permanent';
}

/** The reply as octets to send; every line but the last carries the `-` of a continued reply. */
export function formatReply({ code, status, lines }: Reply): string {
  const prefix = status === undefined ? '' : `${status} `;
  const last = lines.length - 1;
  // Nearly all have one line.
  if (last === 0) return `${code} ${prefix}${lines[0]}\r\n`;
  return lines.map((line, i) => `${code}${i < last ? '-' : ' '}${prefix}${line}\r\n`).join('');
}

/** The reply on one line, as events and DSNs quote it. */
export function replyText({ code, status, lines }: Reply): string {
  return `${code} ${status === undefined ? '' : `${status} `}${lines.join(' ')}`;
}

/** A permanent refusal as a temporary one: the same words, and the client comes back. Anything else stays as it is. */
export function temporary(given: Reply): Reply {
  const { code, status, lines } = given;
  if (code < 500) return given;
  // 550, 551 and 552 have a counterpart; the others have none.
  const softer = code <= 552 && code >= 550 ? code - 100 : 450;
  return { code: softer, status: status === undefined ? undefined : (`4${status.slice(1)}` as EnhancedStatus), lines };
}
