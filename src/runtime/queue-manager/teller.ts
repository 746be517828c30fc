/**
 * Makes DSNs of the notices in the spool.
 *
 * Notices wait on disk, so a crash tells nothing twice and forgets nothing: one settlement stores the DSN
 * and deletes the notices it tells of. A pass reads all messages that have notices, a page at a time, and
 * there is at most one pass a second; between passes nothing is kept but the time of the next one.
 */

import { type DsnBudget } from '../../bounce/budget.ts';
import { composeDsn, type DsnInput, type DsnMessage, withholdDsn } from '../../bounce/compose.ts';
import { composeSummary } from '../../bounce/summary.ts';
import { dueForDsn } from '../../bounce/when.ts';
import { SECOND } from '../../lib/time.ts';
import { type Entry } from '../../mail/entry.ts';
import { type Recipient } from '../../mail/envelope.ts';
import { type Notice } from '../../mail/notice.ts';
import { formatMailbox } from '../../mail/path.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import { type Timer } from '../../ports/timers.ts';
import { type NewMessage, type Settlement, type StoredMessage } from '../../spool/spool.ts';
import { readForReturn } from './returned-content.ts';
import { type QueueManagerContext } from './ports.ts';

export interface TellerDeps extends QueueManagerContext {
  readonly budget: DsnBudget;
  readonly nextId: () => QueueId;
  /** The DSN is committed: its entries may go. */
  readonly accepted: (entries: readonly Entry[]) => void;
}

type Notices = readonly [Notice, ...Notice[]];

interface Report {
  readonly message: DsnMessage;
  readonly recipient: Recipient;
}

const PAGE = 100;
const BETWEEN_PASSES = SECOND;

export class Teller {
  readonly #deps: TellerDeps;
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #passing = false;
  #again = false;

  constructor(deps: TellerDeps) {
    this.#deps = deps;
  }

  /** There may be notices. */
  poke(): void {
    if (this.#passing) this.#again = true;
    else this.#wakeAt(this.#deps.clock.now() + (this.#timerAt === Infinity ? 0 : BETWEEN_PASSES));
  }

  /** The clock was moved, perhaps past the time that is waited for. */
  clockMoved(): void {
    if (this.#timerAt === Infinity) return;
    this.#timerAt = Infinity;
    this.#wakeAt(this.#deps.clock.now());
  }

  #wakeAt(at: number): void {
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#deps.timers.after(at - this.#deps.clock.now(), () => void this.#pass());
  }

  async #pass(): Promise<void> {
    this.#timerAt = Infinity;
    this.#passing = true;
    this.#again = false;
    try {
      const next = await this.#tellAll();
      if (this.#again) this.#wakeAt(this.#deps.clock.now() + BETWEEN_PASSES);
      else if (next !== undefined) this.#wakeAt(next);
    } catch (error) {
      this.#deps.broken(error);
    } finally {
      this.#passing = false;
    }
  }

  /** Tells what is due; returns when the next of the others is. */
  async #tellAll(): Promise<number | undefined> {
    let next: number | undefined;
    let after: QueueId | undefined;
    do {
      const page = await this.#deps.spool.notices(after, PAGE);
      // Side by side, so that the DSNs of a page share a commit.
      for (const at of await Promise.all(page.rows.map((notices) => this.#tellOne(notices)))) next = earlier(next, at);
      after = page.next;
    } while (after !== undefined);
    return earlier(next, await this.#summarize());
  }

  async #tellOne(notices: Notices): Promise<number | undefined> {
    const { spool, clock } = this.#deps;
    const [{ message: id }] = notices;
    const open = await spool.entriesOf(id);
    const due = dueForDsn(notices, open.length, clock.now());
    if (due.kind === 'at') return due.at;
    const message = await spool.message(id);
    if (message === undefined) await this.#forget(notices);
    else await this.#tell(message, notices);
    return undefined;
  }

  async #tell(message: StoredMessage, notices: Notices): Promise<void> {
    const { clock, settings, spool, nextId } = this.#deps;
    const { hostname, postmaster, dsn } = settings();
    const content = await readForReturn(spool, message, dsn.maxReturnedOctets);
    const input: DsnInput = {
      ...{ id: nextId(), now: clock.now(), reportingMta: hostname, postmaster, notices, options: dsn, content },
      about: message,
    };
    const addresses = notices.map(({ recipient }) => formatMailbox(recipient.forwardPath));
    await this.#settle(input, addresses);
  }

  async #settle(input: DsnInput, addresses: readonly string[]): Promise<void> {
    const { settler } = this.#deps;
    const { about } = input;
    const result = composeDsn(input);
    const told = [{ message: about.id, recipients: result.told }];
    if (result.kind === 'nothing') return settler.settle({ told, events: result.events });
    const candidate = { to: result.recipient.forwardPath, tenant: about.envelope.tenant, recipients: addresses };
    if (this.#deps.budget.take(candidate, this.#deps.clock.now()) === 'withhold')
      return settler.settle({ told, events: withholdDsn(input).events });
    return this.#add(result, told);
  }

  /** Stores a report and the end of the notices it tells of, in one commit. */
  async #add({ message, recipient }: Report, told: Settlement['told']): Promise<void> {
    const complete = this.#withEntries(message, recipient);
    await this.#deps.settler.settle({ told, add: [complete] });
    this.#deps.accepted(complete.entries);
  }

  /** What senders over their budget were not told one by one. */
  async #summarize(): Promise<number | undefined> {
    const { budget, clock, nextId, settings } = this.#deps;
    for (const withheld of budget.summaries(clock.now())) {
      const input = { id: nextId(), now: clock.now(), reportingMta: settings().hostname, withheld };
      await this.#add(composeSummary(input), []);
    }
    return budget.nextAt();
  }

  #withEntries(message: DsnMessage, recipient: Recipient): NewMessage {
    const planned = { ...message, octets: message.content.octets.length };
    return { ...message, entries: this.#deps.settings().entriesOf(planned, [{ ...recipient, index: 0 }]) };
  }

  /** A message that is gone leaves nobody to tell. */
  #forget(notices: Notices): Promise<void> {
    const [{ message }] = notices;
    this.#deps.log.error('notices without a message were dropped', { queueId: message, notices: notices.length });
    return this.#deps.settler.settle({ told: [{ message, recipients: notices.map((n) => n.recipientIndex) }] });
  }
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}
