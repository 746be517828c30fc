/**
 * What is done to the header section of a message as it comes in: a trace field is prepended, a
 * Return-Path and our own option fields are taken out, and nothing else is touched (RFC 5321 §4.4, §6.4).
 *
 * Option fields (`X-Postrider-Tenant` …, see `mail/message-options.ts`) are obeyed from trusted clients only and removed in
 * any case.
 */

import { HeaderSection } from '../mail/header-section.ts';
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

export interface EditedHeader {
  /** As it will be stored. */
  readonly section: HeaderSection;
  readonly facts: HeaderFacts;
}

const NO_OPTIONS: MessageOptions = {};
// Long enough for any sane subject, short enough for a log line.
const MAX_QUOTED = 200;

/** Reads the header section, and says what is wrong with the options of a trusted client. */
export function editHeader(given: HeaderSection, trusted: 'trusted' | 'untrusted'): EditedHeader | Reply {
  const options = trusted === 'trusted' ? readOptions(given) : NO_OPTIONS;
  if ('code' in options) return options;
  const section = without(given);
  const facts = {
    octets: section.octets,
    hops: given.fields.filter(({ name }) => name === 'received').length,
    messageIdField: quoted(given, 'message-id'),
    subject: quoted(given, 'subject'),
    tlsOptional: quoted(given, 'tls-required').toLowerCase() === 'no',
    options,
  };
  return { section, facts };
}

/** What cannot be read, and what stands twice, is refused: mail must not go another way than its sender wrote. */
function readOptions(section: HeaderSection): MessageOptions | Reply {
  const options: MessageOptions = {};
  const seen = new Set<string>();
  for (const field of section.fields) {
    const option = optionOfField(field.name);
    if (option === undefined) continue;
    const written = fieldOfOption(option);
    if (seen.has(option)) return reply(550, '5.6.0', `${written} stands twice`);
    seen.add(option);
    const read = readOption(option, section.value(field));
    if (!read.ok) return reply(550, '5.6.0', `${written}: ${read.reason}`);
    Object.assign(options, read.value);
  }
  return options;
}

function quoted(section: HeaderSection, name: string): string {
  const field = section.fields.find((each) => each.name === name);
  return field === undefined ? '' : section.value(field).slice(0, MAX_QUOTED);
}

function without(section: HeaderSection): HeaderSection {
  const { octets, fields } = section;
  const removed = fields.filter(({ name }) => name === 'return-path' || optionOfField(name) !== undefined);
  if (removed.length === 0) return section;
  const kept: Buffer[] = [];
  let at = 0;
  for (const { start, end } of removed) {
    kept.push(octets.subarray(at, start));
    at = end;
  }
  kept.push(octets.subarray(at));
  return new HeaderSection(Buffer.concat(kept));
}
