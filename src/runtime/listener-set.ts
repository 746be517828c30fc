/**
 * The listeners of one worker, and their change at a reload.
 *
 * A listener whose settings stay is left alone; new ones, and changed ones where a port can be shared, are
 * opened before anything is closed, so that a reload which cannot be done leaves everything as it was.
 */

import { createSecureContext, type SecureContext } from 'node:tls';
import { type Duration } from '../lib/time.ts';
import { replyText } from '../mail/reply.ts';
import { type RejectedEvent } from '../events/event.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Timers } from '../ports/timers.ts';
import { type ConnectionCounts } from '../receive/limits.ts';
import { Listener, type RejectedConnection } from '../receive/listener.ts';
import { Deadlines } from '../receive/timeouts.ts';
import { type Receiver } from '../receive/transaction.ts';
import { type ListeningAddress } from './threads.ts';
import { listenProblem } from './port-check.ts';
import { type ListenerSettings } from './settings.ts';

export interface ListenerSetDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly counts: ConnectionCounts;
  readonly reusePort: boolean;
  readonly makeReceiver: () => Receiver;
  readonly tell: (event: RejectedEvent) => void;
}

interface Open {
  readonly settings: ListenerSettings;
  readonly listener: Listener;
  readonly address: ListeningAddress;
}

// Sessions of a listener that a reload has closed may end their transactions within this.
const DRAIN_AFTER_RELOAD: Duration = 5 * 60_000;

export class ListenerSet {
  readonly #deps: ListenerSetDeps;
  readonly #deadlines: Deadlines;
  #open: readonly Open[] = [];
  #prepared: readonly Open[] = [];

  constructor(deps: ListenerSetDeps) {
    this.#deps = deps;
    this.#deadlines = new Deadlines(deps.timers, deps.clock);
  }

  get addresses(): readonly ListeningAddress[] {
    return this.#open.map(({ address }) => address);
  }

  get sessions(): number {
    return this.#open.reduce((sum, { listener }) => sum + listener.figures().connections, 0);
  }

  /** Rejects with the name of the listener that cannot be opened; the others are closed again. */
  async open(wanted: readonly ListenerSettings[]): Promise<void> {
    await this.prepare(wanted);
    this.swap(wanted);
  }

  async prepare(wanted: readonly ListenerSettings[]): Promise<void> {
    const missing = wanted.filter((settings) => !this.#open.some((open) => sameSettings(open.settings, settings)));
    const opened: Open[] = [];
    try {
      for (const settings of missing) opened.push(await this.#openOne(settings));
      this.#prepared = opened;
    } catch (error) {
      for (const { listener } of opened) void listener.drain(0); // Never rejects.
      throw error;
    }
  }

  swap(wanted: readonly ListenerSettings[]): void {
    const kept = this.#open.filter((open) => wanted.some((settings) => sameSettings(open.settings, settings)));
    const closed = this.#open.filter((open) => !kept.includes(open));
    this.#open = [...kept, ...this.#prepared];
    this.#prepared = [];
    for (const { listener } of closed) void listener.drain(DRAIN_AFTER_RELOAD); // Never rejects.
  }

  abandon(): void {
    for (const { listener } of this.#prepared) void listener.drain(0); // Never rejects.
    this.#prepared = [];
  }

  async drain(within: Duration): Promise<void> {
    await Promise.all(this.#open.map(({ listener }) => listener.drain(within)));
  }

  async #openOne(settings: ListenerSettings): Promise<Open> {
    const listener = this.#makeListener(settings);
    try {
      const { address, port } = await listener.open();
      return { settings, listener, address: { name: settings.name, address, port } };
    } catch (error) {
      throw listenProblem(`listener ${settings.name}`, settings, error);
    }
  }

  #makeListener(settings: ListenerSettings): Listener {
    const { clock, timers, log, counts, reusePort, makeReceiver, tell } = this.#deps;
    const context = contextOf(settings);
    const { name, host, port, implicitTls, machine, maxConnections, timeouts } = settings;
    return new Listener({
      ...{ name, host, port, implicitTls, machine, maxConnections, timeouts, makeReceiver },
      ...{ clock, timers, log, counts, reusePort, deadlines: this.#deadlines },
      proxyNetworks: settings.proxyFrom,
      maxConnectionsPerAddress: settings.maxConnectionsPerClient,
      ...(context !== undefined && { secureContext: () => context }),
      onRejected: (rejected) => tell(rejectedEvent(rejected, clock.now())),
    });
  }
}

/** By value: a reload compiles everything anew, also what has not changed. */
function sameSettings(a: ListenerSettings, b: ListenerSettings): boolean {
  return a.key === b.key;
}

function contextOf({ certificates, minTls }: ListenerSettings): SecureContext | undefined {
  if (certificates === undefined) return undefined;
  return createSecureContext({ cert: certificates.certificate, key: certificates.key, minVersion: minTls });
}

function rejectedEvent({ client, why, reply }: RejectedConnection, at: number): RejectedEvent {
  return {
    ...{ kind: 'rejected', at, stage: 'connect', clientAddress: client.address, clientName: '' },
    ...{ listener: client.listener, sender: undefined, recipient: undefined },
    reply: reply === undefined ? `postrider: ${why}` : replyText(reply),
  };
}
