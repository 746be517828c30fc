/** The messages that the simulated receivers took, in memory and bounded by number and octets: the oldest go first. */

import { Lru } from '../lib/lru.ts';
import { type Instant } from '../lib/time.ts';
import { decodeWords } from '../mail/encoded-word.ts';
import { fieldValue, headerEnd, headerFields } from '../mail/header.ts';

/** What is told of a message; the names are those of the API. */
export interface ReceivedMessage {
  readonly id: string;
  readonly recipients: readonly string[];
  /** `<>` for the null reverse-path, else without angle brackets. */
  readonly reversePath: string;
  readonly subject: string;
  readonly receivedAt: Instant;
  readonly octets: number;
  /** Which of the simulated servers. */
  readonly server: string;
}

interface Kept extends ReceivedMessage {
  readonly content: Buffer;
}

export interface Query {
  readonly recipient?: string;
  readonly limit?: number;
}

const MAX_OCTETS = 64 * 1024 * 1024;
/** What a message weighs beside its content. */
const FACTS_WEIGHT = 1024;
const MAX_HEADER = 64 * 1024;
const MAX_SUBJECT = 200;
const DEFAULT_LIMIT = 100;

export class ReceivedMail {
  readonly #messages: Lru<string, Kept>;
  readonly #maxMessages: number;
  #last = 0;

  constructor(maxMessages: number, maxOctets: number = MAX_OCTETS) {
    this.#maxMessages = maxMessages;
    this.#messages = new Lru(maxOctets, ({ content, recipients }) => content.length + FACTS_WEIGHT * recipients.length);
  }

  /** Takes the content over. */
  keep(message: Omit<ReceivedMessage, 'id' | 'subject' | 'octets'>, content: Buffer): ReceivedMessage {
    this.#last += 1;
    const facts = { ...message, id: String(this.#last), subject: subjectOf(content), octets: content.length };
    while (this.#messages.size >= this.#maxMessages && this.#dropOldest());
    this.#messages.set(facts.id, { ...facts, content });
    return facts;
  }

  /** Newest first. */
  list({ recipient, limit = DEFAULT_LIMIT }: Query): readonly ReceivedMessage[] {
    const wanted = recipient?.toLowerCase();
    const found: ReceivedMessage[] = [];
    for (const [, { content: _, ...facts }] of [...this.#messages.entries()].reverse()) {
      if (found.length >= limit) break;
      if (wanted === undefined || facts.recipients.some((each) => each.toLowerCase() === wanted)) found.push(facts);
    }
    return found;
  }

  /** The content as it came, without the dots of its transport. */
  raw(id: string): Buffer | undefined {
    // `get` would make it the last to go.
    for (const [key, { content }] of this.#messages.entries()) if (key === id) return content;
    return undefined;
  }

  #dropOldest(): boolean {
    const [oldest] = this.#messages.entries().next().value ?? [];
    return oldest !== undefined && this.#messages.delete(oldest);
  }
}

/** The decoded subject, shortened; empty where there is none. */
export function subjectOf(content: Buffer): string {
  const end = headerEnd(content.subarray(0, MAX_HEADER));
  const section = content.subarray(0, end === -1 ? MAX_HEADER : end);
  const field = headerFields(section).find(({ name }) => name === 'subject');
  if (field === undefined) return '';
  const subject = decodeWords(fieldValue(section, field)).trim().toWellFormed();
  return subject.length <= MAX_SUBJECT ? subject : `${subject.slice(0, MAX_SUBJECT - 1).toWellFormed()}…`;
}
