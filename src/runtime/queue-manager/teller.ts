/**
 * Makes DSNs of the notices in the spool.
 *
 * Notices wait on disk, so a crash tells nothing twice and forgets nothing: one settlement stores the DSN
 * and deletes the notices it tells of. A pass reads all messages that have notices, a page at a time, and
 * there is at most one pass a second. Between passes only the time of the next one is kept, and which messages, up to a
 * bound, have entries open still: the next pass comes when those are over. A message beyond the bound waits its minute.
 */

import { type DsnBudget } from '../../bounce/budget.ts';
import { composeDsn, type DsnInput, type DsnMessage, type DsnResult, withholdDsn } from '../../bounce/compose.ts';
import { composeSummary } from '../../bounce/summary.ts';
import { dueForDsn } from '../../bounce/when.ts';
import { HOUR, type Instant, SECOND } from '../../lib/time.ts';
import { type Entry } from '../../mail/entry.ts';
import { type Recipient } from '../../mail/envelope.ts';
import { type Notice } from '../../mail/notice.ts';
import { formatMailbox } from '../../mail/path.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import { type Timer } from '../../ports/timers.ts';
import { type NewMessage, type Settlement, type StoredMessage } from '../../spool/spool.ts';
import { countReport } from './flow-metrics.ts';
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
/** A pass over very many notices is followed by a longer rest, so that telling leaves time for mail. */
const REST_FACTOR = 4;
// After a report that could not be made; what it would tell is kept.
const TRY_AGAIN = HOUR;
const MAX_REMEMBERED = 1000;

export class Teller {
  readonly #deps: TellerDeps;
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #passing = false;
  #again = false;
  #rest = BETWEEN_PASSES;
  #closed = false;
  #pass = Promise.resolve();
  /** Messages with notices of which something is open. */
  readonly #waiting = new Set<QueueId>();
  /** Messages of which no report can be made, and when that is tried again. */
  readonly #failed = new Map<QueueId, Instant>();

  constructor(deps: TellerDeps) {
    this.#deps = deps;
  }

  /** There may be notices. */
  poke(): void {
    if (this.#passing) this.#again = true;
    else this.#wakeAt(this.#deps.clock.now() + (this.#timerAt === Infinity ? 0 : this.#rest));
  }

  /** Something of the message is over; that may have been the last that was open. */
  over(message: QueueId): void {
    if (this.#waiting.delete(message)) this.poke();
  }

  /** The clock was moved, perhaps past the time that is waited for. */
  clockMoved(): void {
    if (this.#timerAt === Infinity) return;
    this.#timerAt = Infinity;
    this.#wakeAt(this.#deps.clock.now());
  }

  /** Begins nothing more. What was withheld from senders is told now, since nobody would remember it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#pass;
    await this.#summarize('all');
  }

  #wakeAt(at: number): void {
    if (at >= this.#timerAt || this.#closed) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#deps.timers.after(at - this.#deps.clock.now(), () => {
      this.#pass = this.#runPass();
    });
  }

  /** Never rejects. */
  async #runPass(): Promise<void> {
    const { clock, broken } = this.#deps;
    const startedAt = clock.monotonic();
    this.#timerAt = Infinity;
    this.#passing = true;
    this.#again = false;
    try {
      const next = await this.#tellAll();
      this.#rest = Math.max(BETWEEN_PASSES, (clock.monotonic() - startedAt) * REST_FACTOR);
      this.#passing = false;
      if (this.#again) this.#wakeAt(clock.now() + this.#rest);
      else if (next !== undefined) this.#wakeAt(next);
    } catch (error) {
      broken(error);
    } finally {
      this.#passing = false;
    }
  }

  /** Tells what is due; returns when the next of the others is. */
  async #tellAll(): Promise<number | undefined> {
    let next: number | undefined;
    let after: QueueId | undefined;
    this.#waiting.clear();
    do {
      const page = await this.#deps.spool.notices(after, PAGE);
      // Side by side, so that the DSNs of a page share a commit.
      for (const at of await Promise.all(page.rows.map((notices) => this.#tellOne(notices)))) next = earlier(next, at);
      after = page.next;
    } while (after !== undefined && !this.#closed);
    return earlier(next, await this.#summarize('over'));
  }

  async #tellOne(notices: Notices): Promise<number | undefined> {
    const { spool, clock } = this.#deps;
    const [{ message: id }] = notices;
    const open = await spool.entriesOf(id);
    const due = dueForDsn(notices, open.length, clock.now());
    if (due.kind === 'at') {
      if (this.#waiting.size < MAX_REMEMBERED) this.#waiting.add(id);
      return due.at;
    }
    const failedUntil = this.#failed.get(id);
    if (failedUntil !== undefined && failedUntil > clock.now()) return failedUntil;
    const message = await spool.message(id);
    if (message !== undefined) return this.#tell(message, notices);
    await this.#forget(notices);
    return undefined;
  }

  /** When to come back to these notices, if that is known. */
  async #tell(message: StoredMessage, notices: Notices): Promise<number | undefined> {
    const { clock, log, settings, spool, nextId } = this.#deps;
    const { hostname, postmaster, dsn } = settings();
    const content = await readForReturn(spool, message, { maxOctets: dsn.maxReturnedOctets, log });
    const input: DsnInput = {
      ...{ id: nextId(), now: clock.now(), reportingMta: hostname, postmaster, notices, options: dsn, content },
      about: message,
    };
    const result = this.#compose(input);
    if (result === undefined) return this.#failed.get(message.id);
    if (!(await this.#settle(input, result))) return this.#failed.get(message.id);
    // One report tells of so many recipients and no more: the others get one of their own.
    if (result.told.length < notices.length) this.#again = true;
    return undefined;
  }

  /** Undefined: a bug, which must cost this report a delay and nobody else anything. */
  #compose(input: DsnInput): DsnResult | undefined {
    const { log } = this.#deps;
    const { id } = input.about;
    try {
      const result = composeDsn(input);
      this.#failed.delete(id);
      return result;
    } catch (error) {
      log.error('a delivery report could not be made, and will be tried again', { queueId: id, error: String(error) });
      this.#tryAgainLater(id);
      return undefined;
    }
  }

  /** False: not now. */
  async #settle(input: DsnInput, result: DsnResult): Promise<boolean> {
    const { settler } = this.#deps;
    const { about } = input;
    const told = [{ message: about.id, recipients: result.told }];
    if (result.kind === 'nothing') {
      await settler.settle({ told, events: result.events });
      return true;
    }
    const recipients = input.notices.map(({ recipient }) => formatMailbox(recipient.forwardPath));
    const candidate = { to: result.recipient.forwardPath, tenant: about.envelope.tenant, recipients };
    if (this.#deps.budget.take(candidate, this.#deps.clock.now()) === 'withhold') {
      countReport('withheld');
      await settler.settle({ told, events: withholdDsn(input).events });
      return true;
    }
    const message = await this.#signed(result.message);
    if (message === undefined) {
      this.#tryAgainLater(about.id);
      return false;
    }
    countReport('made');
    await this.#add({ ...result, message }, told);
    return true;
  }

  /** By the keys of the domain in its From field, if there are any. Undefined: they cannot be used now. */
  async #signed(message: DsnMessage): Promise<DsnMessage | undefined> {
    const { clock, log, settings } = this.#deps;
    const { signer } = settings();
    if (signer === undefined) return message;
    try {
      const octets = await signer.sign(Buffer.from(message.content.octets), clock.now());
      return { ...message, content: { kind: 'octets', octets } };
    } catch (error) {
      log.error('a delivery report could not be signed', { queueId: message.id, error: String(error) });
      return undefined;
    }
  }

  #tryAgainLater(id: QueueId): void {
    if (this.#failed.size >= MAX_REMEMBERED) this.#failed.clear();
    this.#failed.set(id, this.#deps.clock.now() + TRY_AGAIN);
  }

  /** Stores a report and the end of the notices it tells of, in one commit. */
  async #add({ message, recipient }: Report, told: Settlement['told']): Promise<void> {
    const complete = this.#withEntries(message, recipient);
    await this.#deps.settler.settle({ told, add: [complete] });
    this.#deps.accepted(complete.entries);
  }

  /** What senders over their budget were not told one by one. */
  async #summarize(which: 'over' | 'all'): Promise<number | undefined> {
    const { budget, clock, nextId, settings } = this.#deps;
    for (const withheld of budget.summaries(clock.now(), which)) {
      const input = { id: nextId(), now: clock.now(), reportingMta: settings().hostname, withheld };
      countReport('summary');
      const summary = composeSummary(input);
      // What it tells is kept nowhere else, so it goes unsigned sooner than never.
      await this.#add({ ...summary, message: (await this.#signed(summary.message)) ?? summary.message }, []);
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
