/**
 * Carries events from the spool's outbox to the event log.
 *
 * An event that belongs to a commit is stored in that commit. From there it is appended to the log and
 * fsynced, and only then removed from the outbox, by the next settlement. After a crash it is appended
 * again; readers of the log drop sequence numbers that they have seen.
 */

import { type Duration, type Instant, SECOND } from '../../lib/time.ts';
import { type Log } from '../../ports/log.ts';
import { type Timer, type Timers } from '../../ports/timers.ts';
import { type OutboxRecord, type Spool } from '../../spool/spool.ts';

export interface OutboxWriterDeps {
  readonly spool: Spool;
  /** Resolves when the lines are written and fsynced. Lines of no commit have no sequence number. */
  readonly append: (sequence: number | undefined, lines: string) => Promise<void>;
  readonly timers: Timers;
  readonly log: Log;
  /** Between two writes, for what comes meanwhile to go along: nobody waits for the log. Not given: none. */
  readonly gather?: Duration;
  /** Records the position when nothing else is settled that could carry it. */
  readonly recordPosition: () => Promise<void>;
}

interface DirectLine {
  readonly at: Instant;
  readonly line: string;
}

const PAGE = 100;
/** Lines of no commit that may wait for the disk. */
const MAX_DIRECT = 50_000;
const RETRY_AFTER = 5 * SECOND;
const RECORD_AFTER = SECOND;

export class OutboxWriter {
  readonly #deps: OutboxWriterDeps;
  #logged: number | undefined;
  #recorded: number | undefined;
  #direct: DirectLine[] = [];
  #lost = 0;
  /** Ends by itself. */
  #run: Promise<void> | undefined;
  #closed = false;
  #again = false;
  #recordPlanned = false;
  #gathering: { readonly timer: Timer; readonly end: () => void } | undefined;
  /** The log could not be written: until the timer fires, nothing is tried. */
  #resting = false;

  constructor(deps: OutboxWriterDeps) {
    this.#deps = deps;
  }

  /** Up to which record the log is complete, to be stored with the next settlement. */
  position(): number | undefined {
    this.#recorded = this.#logged;
    return this.#logged;
  }

  /**
   * An event that belongs to no commit. It is written behind what was committed before it and before what was
   * committed after it, so that the log tells of an attempt between the acceptance and the outcome.
   */
  tell(line: string): void {
    if (this.#direct.length < MAX_DIRECT) this.#direct.push({ at: latestOf(line), line: `${line}\n` });
    else this.#lost += 1;
    this.poke();
  }

  /** There may be new records. */
  poke(): void {
    if (this.#closed) return;
    this.#again = true;
    if (!this.#resting) this.#run ??= this.#write(); // Catches all it can meet.
  }

  /** Writes what has come so far and no more; what is in the outbox is written by the next run of the program. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#gathering?.timer.cancel();
    this.#gathering?.end();
    await this.#run;
  }

  async #write(): Promise<void> {
    try {
      while (this.#again) {
        this.#again = false;
        await this.#drain();
        await this.#gather();
      }
      this.#planRecord();
    } catch (error) {
      // The records are safe in the outbox; the log's disk may have room again later.
      this.#deps.log.error('writing the event log failed, trying again', { error: String(error) });
      this.#resting = true;
      this.#deps.timers.after(RETRY_AFTER, () => {
        this.#resting = false;
        this.poke();
      });
    } finally {
      this.#run = undefined;
    }
  }

  async #gather(): Promise<void> {
    const { gather, timers } = this.#deps;
    if (gather === undefined || this.#closed) return;
    await new Promise<void>((resolve) => {
      this.#gathering = { timer: timers.after(gather, resolve), end: resolve };
    });
    this.#gathering = undefined;
  }

  async #drain(): Promise<void> {
    for (;;) {
      const { rows } = await this.#deps.spool.outbox(this.#logged ?? 0, PAGE);
      if (rows.length === 0 && this.#direct.length === 0) return;
      await this.#append(rows);
    }
  }

  /** All at once: appends keep their order, and those of one turn share a write. */
  async #append(rows: readonly OutboxRecord[]): Promise<void> {
    const appends: Promise<void>[] = [];
    for (const { sequence, lines } of rows) {
      appends.push(this.#appendDirect(latestOf(lines)), this.#deps.append(sequence, lines));
    }
    // What was told while this page was read may belong behind commits that are on the next one.
    if (rows.length < PAGE) appends.push(this.#appendDirect(Infinity));
    await Promise.all(appends);
    this.#logged = rows.at(-1)?.sequence ?? this.#logged;
  }

  /** Those told before that time. With a log that cannot be written they are lost: they are in no commit, and must not fill the memory. */
  async #appendDirect(before: Instant): Promise<void> {
    const end = this.#direct.findIndex(({ at }) => at >= before);
    const lines = this.#direct.splice(0, end === -1 ? this.#direct.length : end);
    if (lines.length === 0) return;
    try {
      await this.#deps.append(undefined, lines.map(({ line }) => line).join(''));
    } catch (error) {
      this.#lost += lines.length;
      this.#deps.log.error('events could not be written to the event log', { lost: this.#lost, error: String(error) });
    }
  }

  #planRecord(): void {
    if (this.#recordPlanned || this.#recorded === this.#logged) return;
    this.#recordPlanned = true;
    this.#deps.timers.after(RECORD_AFTER, () => {
      this.#recordPlanned = false;
      if (this.#recorded !== this.#logged) void this.#deps.recordPosition().catch(() => undefined); // Told elsewhere.
    });
  }
}

const AT = /"at":(\d+)/g;

/** The time of the latest event among JSON lines. */
function latestOf(lines: string): Instant {
  let latest = 0;
  for (const [, at] of lines.matchAll(AT)) latest = Math.max(latest, Number(at));
  return latest;
}
