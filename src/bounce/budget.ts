/**
 * How many DSNs one sender may get in an hour, so that a broken list or a forged sender does not become a
 * flood. What is withheld is told in one summary when the hour is over.
 *
 * State in memory, bounded; it starts anew after a restart, and the event log keeps every fate that was
 * withheld. The time is an argument.
 */

import { type Duration, HOUR, type Instant } from '../lib/time.ts';
import { formatMailbox, type Mailbox } from '../mail/path.ts';

export interface DsnBudgetOptions {
  /** DSNs to one sender in an hour. */
  readonly perHour: number;
  /** Senders remembered at once; beyond that the hour of the oldest ends early. */
  readonly maxSenders: number;
}

export const BUDGET_DEFAULTS: DsnBudgetOptions = { perHour: 100, maxSenders: 10_000 };

/** What a sender was not told one by one. */
export interface Withheld {
  readonly to: Mailbox;
  readonly tenant: string;
  readonly dsns: number;
  readonly recipients: number;
  /** Some of the recipients, for people; not all. */
  readonly examples: readonly string[];
  readonly since: Instant;
}

export interface DsnCandidate {
  /** To whom the DSN would go. */
  readonly to: Mailbox;
  readonly tenant: string;
  readonly recipients: readonly string[];
}

interface SenderHour {
  readonly to: Mailbox;
  readonly tenant: string;
  readonly since: Instant;
  sent: number;
  dsns: number;
  recipients: number;
  examples: string[];
}

const WINDOW: Duration = HOUR;
const MAX_EXAMPLES = 20;

export class DsnBudget {
  readonly #options: DsnBudgetOptions;
  /** Oldest first: an hour is entered when it begins and never moved. */
  readonly #hours = new Map<string, SenderHour>();
  /** Hours that ended with something withheld. */
  readonly #ended: Withheld[] = [];

  constructor(options: DsnBudgetOptions = BUDGET_DEFAULTS) {
    this.#options = options;
  }

  /** Counts a DSN. `withhold`: do not send it, settle its notices; a summary will tell. */
  take(candidate: DsnCandidate, now: Instant): 'send' | 'withhold' {
    const { recipients } = candidate;
    const hour = this.#hourOf(candidate, now);
    if (hour.sent < this.#options.perHour) {
      hour.sent++;
      return 'send';
    }
    hour.dsns++;
    hour.recipients += recipients.length;
    hour.examples = [...hour.examples, ...recipients].slice(0, MAX_EXAMPLES);
    return 'withhold';
  }

  /** Senders whose hour is over and who were not told everything, each once. `all`: at a shutdown. */
  summaries(now: Instant, which: 'over' | 'all' = 'over'): readonly Withheld[] {
    for (const [sender, hour] of this.#hours) {
      if (which === 'over' && !isOver(hour, now)) break;
      this.#end(sender, hour);
    }
    return this.#ended.splice(0);
  }

  /** When `summaries` may next have something; nothing is remembered without it. */
  nextAt(): Instant | undefined {
    if (this.#ended.length > 0) return 0;
    const [oldest] = this.#hours.values();
    return oldest === undefined ? undefined : oldest.since + WINDOW;
  }

  #hourOf({ to, tenant }: DsnCandidate, now: Instant): SenderHour {
    const sender = formatMailbox(to).toLowerCase();
    const known = this.#hours.get(sender);
    if (known !== undefined && !isOver(known, now)) return known;
    if (known !== undefined) this.#end(sender, known);
    this.#makeRoom();
    const hour = { to, tenant, since: now, sent: 0, dsns: 0, recipients: 0, examples: [] };
    this.#hours.set(sender, hour);
    return hour;
  }

  #makeRoom(): void {
    if (this.#hours.size < this.#options.maxSenders) return;
    const [oldest] = this.#hours;
    if (oldest !== undefined) this.#end(oldest[0], oldest[1]);
  }

  #end(sender: string, { to, tenant, since, dsns, recipients, examples }: SenderHour): void {
    this.#hours.delete(sender);
    if (dsns > 0) this.#ended.push({ to, tenant, since, dsns, recipients, examples });
  }
}

/** Also when the clock was set back by more than the hour: then nothing is known of how much has passed. */
function isOver({ since }: SenderHour, now: Instant): boolean {
  return Math.abs(now - since) >= WINDOW;
}
