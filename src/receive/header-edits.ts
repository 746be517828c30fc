/**
 * What is done to the header section of a message as it comes in: a trace field is prepended, a
 * Return-Path and our own option fields are taken out, and nothing else is touched (RFC 5321 §4.4, §6.4).
 *
 * Option fields (`X-Postrider-Tenant` …) are obeyed from trusted clients only and removed in any case.
 */

import { type HeaderField, fieldValue, headerFields } from '../mail/header.ts';
import { PRIORITY_CLASSES, type PriorityClass } from '../mail/priority-class.ts';
import { fitsQueueName } from '../mail/queue-name.ts';
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

export interface MessageOptions {
  readonly tenant: string;
  readonly campaign: string;
  readonly class: PriorityClass | undefined;
}

const NO_OPTIONS: MessageOptions = { tenant: '', campaign: '', class: undefined };
const REMOVED = new Set(['return-path', 'x-postrider-tenant', 'x-postrider-campaign', 'x-postrider-class']);
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

function readOptions(section: Buffer, fields: readonly HeaderField[]): MessageOptions | Reply {
  const tenant = quoted(section, fields, 'x-postrider-tenant');
  const campaign = quoted(section, fields, 'x-postrider-campaign');
  const className = quoted(section, fields, 'x-postrider-class');
  if (!fitsQueueName(tenant)) return reply(550, '5.6.0', 'X-Postrider-Tenant is longer than 128 octets');
  if (!fitsQueueName(campaign)) return reply(550, '5.6.0', 'X-Postrider-Campaign is longer than 128 octets');
  const chosen = PRIORITY_CLASSES.find((name) => name === className);
  if (className !== '' && chosen === undefined)
    return reply(550, '5.6.0', `X-Postrider-Class is none of ${PRIORITY_CLASSES.join(', ')}`);
  return { tenant, campaign, class: chosen };
}

function quoted(section: Buffer, fields: readonly HeaderField[], name: string): string {
  const field = fields.find((each) => each.name === name);
  return field === undefined ? '' : fieldValue(section, field).slice(0, MAX_QUOTED);
}

function without(section: Buffer, fields: readonly HeaderField[]): Buffer {
  const removed = fields.filter(({ name }) => REMOVED.has(name));
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
