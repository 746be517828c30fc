/**
 * Answers by name and type until their time is over, in bounded memory.
 *
 * An answer comes out with the seconds that are left to it. Time is the monotonic clock's: the wall clock's jumps
 * neither keep nor end anything.
 */

import { Lru } from '../lib/lru.ts';
import { SECOND } from '../lib/time.ts';
import { type Clock } from '../ports/clock.ts';
import { type DnsAnswer, type DnsRecords, type DnsType } from '../ports/resolver.ts';

export type AnyAnswer = DnsAnswer<DnsRecords[DnsType]>;

interface Kept {
  readonly answer: AnyAnswer;
  /** Monotonic. */
  readonly until: number;
}

/** What an answer that could not be had is kept for: long enough for a burst not to ask again each time. */
const TEMPORARY_MS = 5 * SECOND;
// Estimates of what an entry and a record cost in memory, besides their text.
const ENTRY_OCTETS = 300;
const RECORD_OCTETS = 80;

export class AnswerCache {
  readonly #clock: Clock;
  readonly #kept: Lru<string, Kept>;

  constructor(clock: Clock, maxOctets: number) {
    this.#clock = clock;
    this.#kept = new Lru<string, Kept>(maxOctets, ({ answer }, key) => 2 * key.length + octetsOf(answer));
  }

  get(key: string): AnyAnswer | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    const left = kept.until - this.#clock.monotonic();
    if (left <= 0) {
      this.#kept.delete(key);
      return undefined;
    }
    return kept.answer.kind === 'temporary' ? kept.answer : { ...kept.answer, ttl: Math.floor(left / SECOND) };
  }

  set(key: string, answer: AnyAnswer): void {
    const lifetime = answer.kind === 'temporary' ? TEMPORARY_MS : answer.ttl * SECOND;
    if (lifetime > 0) this.#kept.set(key, { answer, until: this.#clock.monotonic() + lifetime });
    else this.#kept.delete(key);
  }

  clear(): void {
    this.#kept.clear();
  }
}

function octetsOf(answer: AnyAnswer): number {
  if (answer.kind !== 'found') return ENTRY_OCTETS;
  return answer.records.reduce((sum, record) => sum + RECORD_OCTETS + textOctets(record), ENTRY_OCTETS);
}

function textOctets(record: DnsRecords[DnsType]): number {
  if (typeof record === 'string') return 2 * record.length;
  return 'exchange' in record ? 2 * record.exchange.length : record.data.length;
}
