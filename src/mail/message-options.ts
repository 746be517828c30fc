/**
 * What a sender may say of a message beside its envelope: one list of names, for the option header fields of submission
 * (`X-Postrider-Tenant` …) and for whoever hands in a message otherwise.
 */

import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { parseDuration } from '../lib/schema-units.ts';
import { type Duration, type Instant } from '../lib/time.ts';
import { parseDate } from './date.ts';
import { PRIORITY_CLASSES, type PriorityClass } from './priority-class.ts';
import { fitsQueueName } from './queue-name.ts';
import { parseDateTime } from './sending-times.ts';

export interface MessageOptions {
  readonly tenant?: string;
  readonly campaign?: string;
  readonly class?: PriorityClass;
  readonly tags?: readonly string[];
  readonly sendAt?: Instant;
  /** When it is of no use any more: a time, or one that is counted from when it is to go. */
  readonly expires?: { readonly at: Instant } | { readonly after: Duration };
  readonly pool?: string;
  readonly trackingId?: string;
}

export type OptionName = keyof MessageOptions;

type Read = (text: string) => Parsed<MessageOptions>;

/** The field of each option, and how its value is read. */
const OPTIONS: Readonly<Record<OptionName, { readonly field: string; readonly read: Read }>> = {
  tenant: { field: 'X-Postrider-Tenant', read: (text) => queuePart(text, { tenant: text }) },
  campaign: { field: 'X-Postrider-Campaign', read: (text) => queuePart(text, { campaign: text }) },
  class: { field: 'X-Postrider-Class', read: readClass },
  tags: { field: 'X-Postrider-Tags', read: readTags },
  sendAt: { field: 'X-Postrider-Send-At', read: readSendAt },
  expires: { field: 'X-Postrider-Expires', read: readExpires },
  pool: { field: 'X-Postrider-Pool', read: (text) => word(text, { pool: text }) },
  trackingId: { field: 'X-Postrider-Tracking-Id', read: (text) => word(text, { trackingId: text }) },
};

const BY_FIELD: ReadonlyMap<string, OptionName> = new Map(
  Object.entries(OPTIONS).map(([name, { field }]) => [field.toLowerCase(), name as OptionName]),
);

const MAX_TAGS = 10;
const MAX_WORD = 128;

/** `field` in lower case. */
export function optionOfField(field: string): OptionName | undefined {
  return BY_FIELD.get(field);
}

export function fieldOfOption(name: OptionName): string {
  return OPTIONS[name].field;
}

/** The option with that value; the reason says what is wrong with it. An empty value is none. */
export function readOption(name: OptionName, text: string): Parsed<MessageOptions> {
  return text === '' ? parsed({}) : OPTIONS[name].read(text);
}

function queuePart(text: string, options: MessageOptions): Parsed<MessageOptions> {
  return fitsQueueName(text) ? parsed(options) : unparsed('it is longer than 128 octets');
}

function word(text: string, options: MessageOptions): Parsed<MessageOptions> {
  return isWord(text) ? parsed(options) : unparsed('it is not 1 to 128 printable ASCII characters without spaces');
}

function isWord(text: string): boolean {
  return text.length <= MAX_WORD && /^[\x21-\x7e]+$/.test(text);
}

function readClass(text: string): Parsed<MessageOptions> {
  const chosen = PRIORITY_CLASSES.find((name) => name === text);
  return chosen === undefined ? unparsed(`it is none of ${PRIORITY_CLASSES.join(', ')}`) : parsed({ class: chosen });
}

function readTags(text: string): Parsed<MessageOptions> {
  const tags = text.split(',').map((tag) => tag.trim());
  if (tags.length > MAX_TAGS) return unparsed(`it has more than ${MAX_TAGS} tags`);
  if (!tags.every(isWord))
    return unparsed('a tag is not 1 to 128 printable ASCII characters without spaces and commas');
  return parsed({ tags: [...new Set(tags)] });
}

const TIMES = 'a time like 2026-12-24T18:00:00Z or Thu, 24 Dec 2026 18:00:00 +0000';

function readSendAt(text: string): Parsed<MessageOptions> {
  const sendAt = parseDateTime(text) ?? parseDate(text);
  return sendAt === undefined ? unparsed(`it is not ${TIMES}`) : parsed({ sendAt });
}

function readExpires(text: string): Parsed<MessageOptions> {
  const after = parseDuration(text);
  if (after.ok) return after.value > 0 ? parsed({ expires: { after: after.value } }) : unparsed('it is no time at all');
  const at = parseDateTime(text) ?? parseDate(text);
  return at === undefined
    ? unparsed(`it is not a time from then on like 90m or 2h, or ${TIMES}`)
    : parsed({ expires: { at } });
}
