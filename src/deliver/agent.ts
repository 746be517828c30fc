/**
 * The one door out: a dispatch goes in, an attempt is made by the transport of its route, a report comes out.
 *
 * Dispatches on one slot run one after the other and share its connection. `deliver` never rejects: what no
 * transport foresaw is logged, destroys the connection, and defers the recipients. A slot's connection that the
 * server closes while nothing is on the slot is told by `onSlotClosed`.
 */

import { assertNever } from '../lib/assert-never.ts';
import { type Outcome } from '../mail/outcome.ts';
import { type AttemptReport, type Dispatch, type SlotId } from '../queue/dispatch.ts';
import { outgoingContent, type OutgoingContent } from './content.ts';
import { discard } from './discard.ts';
import { refuseByRoute } from './fail.ts';
import { deliverByLmtp } from './lmtp.ts';
import { deliverToMaildir } from './maildir.ts';
import { type AgentOptions } from './options.ts';
import { deliverToPipe } from './pipe.ts';
import { ourOutcome, reportOf, sameForAll } from './report.ts';
import { type Attempted, destinationOf, SmtpAttempt } from './smtp/attempt.ts';
import { type SmtpConnection } from './smtp/connection.ts';
import { type Destination } from './smtp/dial.ts';

interface Slot {
  connection: SmtpConnection | undefined;
  /** The last dispatch on it; settled when the slot is idle. */
  last: Promise<unknown>;
  /** Dispatches that have not reported yet. */
  busy: number;
  /** Closed as soon as it is idle. */
  closing: boolean;
  /** Cuts the attempt off that is on it. */
  abort: () => void;
}

const NOTHING_TO_CUT = (): void => {};

export class Agent {
  readonly #options: AgentOptions;
  readonly #slots = new Map<SlotId, Slot>();

  constructor(options: AgentOptions) {
    this.#options = options;
  }

  /** Reads the content until it resolves. */
  deliver(dispatch: Dispatch): Promise<AttemptReport> {
    const slot = this.#slot(dispatch.slot);
    slot.busy += 1;
    const report = slot.last.then(() => this.#run(slot, dispatch));
    slot.last = report;
    return report;
  }

  /** Closes the slot's connection, after the dispatches that are on it. */
  closeSlot(id: SlotId): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    slot.closing = true;
    if (slot.busy === 0) this.#drop(id, slot);
  }

  /** Waits for what is on its way, at most so long, then closes every connection. Whatever is still open is cut off and deferred. */
  async drain(withinMs: number): Promise<void> {
    const running = Promise.all(Array.from(this.#slots.values(), ({ last }) => last));
    await new Promise<void>((resolve) => {
      const timer = this.#options.timers.after(withinMs, resolve);
      void running.then(() => {
        timer.cancel();
        resolve();
      });
    });
    for (const [id, slot] of this.#slots) {
      if (slot.busy === 0) this.#drop(id, slot);
      else slot.abort();
    }
  }

  #slot(id: SlotId): Slot {
    let slot = this.#slots.get(id);
    if (slot === undefined) {
      slot = { connection: undefined, last: Promise.resolve(), busy: 0, closing: false, abort: NOTHING_TO_CUT };
      this.#slots.set(id, slot);
    }
    slot.closing = false;
    return slot;
  }

  async #run(slot: Slot, dispatch: Dispatch): Promise<AttemptReport> {
    const { report, connection } = await this.#attempt(slot, dispatch);
    slot.busy -= 1;
    slot.abort = NOTHING_TO_CUT;
    this.#keep(slot, dispatch.slot, connection);
    if (slot.busy === 0 && (slot.closing || slot.connection === undefined)) this.#drop(dispatch.slot, slot);
    return { ...report, connection: slot.connection === undefined ? 'closed' : 'open' };
  }

  async #attempt(slot: Slot, dispatch: Dispatch): Promise<Attempted> {
    const held = slot.connection;
    try {
      return await this.#transport(dispatch, slot);
    } catch (error) {
      // A bug, or a content file that is gone: it must cost this attempt and nothing else.
      this.#options.log.error('a delivery attempt failed unexpectedly', {
        message: dispatch.message,
        route: dispatch.route.name,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
      held?.destroy('a delivery attempt failed unexpectedly');
      const outcome = ourOutcome('4.3.0', 'the delivery attempt failed here');
      return { report: reportOf(dispatch, sameForAll(dispatch, outcome)), connection: undefined };
    }
  }

  async #transport(dispatch: Dispatch, slot: Slot): Promise<Attempted> {
    const { route } = dispatch;
    const held = slot.connection;
    const content = this.#content(dispatch);
    const local = (outcomes: readonly Outcome[]): Attempted => ({
      report: reportOf(dispatch, outcomes),
      connection: held,
    });
    switch (route.kind) {
      case 'mx':
      case 'smarthost':
      case 'relay':
        return this.#dial(dispatch, slot, destinationOf(route, dispatch));
      case 'lmtp':
        return deliverByLmtp(dispatch, content, held, (some) => this.#dial(some, slot, destinationOf(route, some)));
      case 'maildir':
        return local(await deliverToMaildir({ ...dispatch, route }, content, { ...this.#options, pid: process.pid }));
      case 'pipe':
        return local(await deliverToPipe({ ...dispatch, route }, content, this.#options));
      case 'discard':
        return local(discard(dispatch));
      case 'fail':
        return local(refuseByRoute({ ...dispatch, route }));
      default:
        return assertNever(route);
    }
  }

  #dial(dispatch: Dispatch, slot: Slot, destination: Destination): Promise<Attempted> {
    const attempt = new SmtpAttempt(dispatch, this.#content(dispatch), destination, this.#options);
    slot.abort = () => attempt.abort();
    return attempt.run(slot.connection);
  }

  #content({ message, content }: Dispatch): OutgoingContent {
    return outgoingContent(content, (at, octets) => this.#options.readContent(message, at, octets));
  }

  /** Makes the connection the slot's, and listens for its end. */
  #keep(slot: Slot, id: SlotId, connection: SmtpConnection | undefined): void {
    if (slot.connection !== connection) slot.connection?.end();
    slot.connection = connection;
    if (connection === undefined) return;
    if (connection.closed) {
      slot.connection = undefined;
      return;
    }
    connection.onClosed = (reason) => {
      if (slot.connection !== connection) return;
      slot.connection = undefined;
      if (slot.busy > 0) return; // The report of what runs tells it.
      if (this.#slots.get(id) === slot) this.#slots.delete(id);
      this.#options.onSlotClosed(id, reason);
    };
  }

  #drop(id: SlotId, slot: Slot): void {
    if (this.#slots.get(id) === slot) this.#slots.delete(id);
    const { connection } = slot;
    slot.connection = undefined;
    connection?.end();
  }
}
