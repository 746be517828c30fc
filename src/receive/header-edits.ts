/**
 * What is done to the header section of a message as it comes in: a trace field is prepended, a
 * Return-Path and our own option fields are taken out, and nothing else is touched (RFC 5321 §4.4, §6.4).
 *
 * Option fields (`X-Postrider-Tenant` …, see `mail/message-options.ts`) are obeyed from trusted clients only and removed in
 * any case.
 */

import { type HeaderField, fieldValue, headerFields } from '../mail/header.ts';
import { fieldOfOption, type MessageOptions, optionOfField, readOption } from '../mail/message-options.ts';
import { type Reply, reply } from '../mail/reply.ts';

export interface HeaderFacts {
  /** The header section as it will be stored, without the trace field. */
  readonly octets: Buffer;
  readonly hops: number;
  readonly messageIdField: string;
  readonly subject: string;
  /** `TLS-Required: No` (RFC 8689 §3). */
  readonly tlsOptional: boolean;
  readonly options: MessageOptions;
}

const NO_OPTIONS: MessageOptions = {};
// Long enough for any sane subject, short enough for a log line.
const MAX_QUOTED = 200;

/** Reads the header section, and says what is wrong with the options of a trusted client. */
export function editHeader(section: Buffer, trusted: 'trusted' | 'untrusted'): HeaderFacts | Reply {
  const fields = headerFields(section);
  const options = trusted === 'trusted' ? readOptions(section, fields) : NO_OPTIONS;
  if ('code' in options) return options;
  return {
    octets: without(section, fields),
    hops: fields.filter(({ name }) => name === 'received').length,
    messageIdField: quoted(section, fields, 'message-id'),
    subject: quoted(section, fields, 'subject'),
    tlsOptional: quoted(section, fields, 'tls-required').toLowerCase() === 'no',
    options,
  };
}

/** What cannot be read, and what stands twice, is refused: mail must not go another way than its sender wrote. */
function readOptions(section: Buffer, fields: readonly HeaderField[]): MessageOptions | Reply {
  const options: MessageOptions = {};
  const seen = new Set<string>();
  for (const field of fields) {
    const option = optionOfField(field.name);
    if (option === undefined) continue;
    const written = fieldOfOption(option);
    if (seen.has(option)) return reply(550, '5.6.0', `${written} stands twice`);
    seen.add(option);
    const read = readOption(option, fieldValue(section, field));
    if (!read.ok) return reply(550, '5.6.0', `${written}: ${read.reason}`);
    Object.assign(options, read.value);
  }
  return options;
}

function quoted(section: Buffer, fields: readonly HeaderField[], name: string): string {
  const field = fields.find((each) => each.name === name);
  return field === undefined ? '' : fieldValue(section, field).slice(0, MAX_QUOTED);
}

function without(section: Buffer, fields: readonly HeaderField[]): Buffer {
  const removed = fields.filter(({ name }) => name === 'return-path' || optionOfField(name) !== undefined);
  if (removed.length === 0) return section;
  const kept: Buffer[] = [];
  let at = 0;
  for (const { start, end } of removed) {
    kept.push(section.subarray(at, start));
    at = end;
  }
  kept.push(section.subarray(at));
  return Buffer.concat(kept);
}
