/**
 * The listeners of one worker, and their change at a reload.
 *
 * One that stays at its address goes on listening, with new settings for the connections to come; new ones are
 * opened before anything is closed, so that a reload which cannot be done leaves everything as it was.
 */

import { type Duration } from '../lib/time.ts';
import { replyText } from '../mail/reply.ts';
import { type RejectedEvent } from '../events/event.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Timers } from '../ports/timers.ts';
import { type ServerContext, serverContext } from '../receive/certificate-choice.ts';
import { type ConnectionCounts } from '../receive/limits.ts';
import { Listener, type ListenerOptions, type RejectedConnection } from '../receive/listener.ts';
import { Deadlines } from '../receive/timeouts.ts';
import { type Receiver } from '../receive/transaction.ts';
import { type ListeningAddress } from './threads.ts';
import { pairsOf } from './boot.ts';
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

/** What a reload will do with a listener that stays. */
interface Change {
  readonly open: Open;
  readonly settings: ListenerSettings;
  readonly options: ListenerOptions;
}

interface Prepared {
  readonly opened: readonly Open[];
  readonly changes: readonly Change[];
}

const NOTHING: Prepared = { opened: [], changes: [] };
// Sessions of a listener that a reload has closed may end their transactions within this.
const SESSIONS_AFTER_RELOAD: Duration = 5 * 60_000;

export class ListenerSet {
  readonly #deps: ListenerSetDeps;
  readonly #deadlines: Deadlines;
  #open: readonly Open[] = [];
  #prepared: Prepared = NOTHING;
  /** Closed by a reload, with sessions that have not ended yet. */
  readonly #leaving = new Set<Listener>();

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
    const opened: Open[] = [];
    const changes: Change[] = [];
    try {
      for (const settings of wanted) {
        const open = this.#open.find((each) => sameAddress(each.settings, settings));
        if (open === undefined) opened.push(await this.#openOne(settings));
        else if (open.settings.key !== settings.key)
          changes.push({ open, settings, options: this.#optionsOf(settings) });
      }
      this.#prepared = { opened, changes };
    } catch (error) {
      for (const { listener } of opened) void listener.drain(0); // Never rejects.
      throw error;
    }
  }

  swap(wanted: readonly ListenerSettings[]): void {
    const { opened, changes } = this.#prepared;
    this.#prepared = NOTHING;
    const changed = changes.map(({ open, settings, options }) => {
      open.listener.reconfigure(options);
      return { ...open, settings, address: { ...open.address, name: settings.name } };
    });
    const replaced = new Set(changes.map(({ open }) => open));
    const kept = this.#open.filter((open) => !replaced.has(open) && wanted.some((one) => isSame(open.settings, one)));
    const closed = this.#open.filter((open) => !replaced.has(open) && !kept.includes(open));
    this.#open = [...kept, ...changed, ...opened];
    for (const { listener } of closed) void this.#leave(listener); // Never rejects.
  }

  /** The same addresses with other settings, such as new certificates, and nothing else that is new. */
  async change(wanted: readonly ListenerSettings[]): Promise<void> {
    await this.prepare(wanted);
    this.swap(wanted);
  }

  abandon(): void {
    for (const { listener } of this.#prepared.opened) void listener.drain(0); // Never rejects.
    this.#prepared = NOTHING;
  }

  async drain(within: Duration): Promise<void> {
    const listeners = [...this.#open.map(({ listener }) => listener), ...this.#leaving];
    await Promise.all(listeners.map((listener) => listener.drain(within)));
  }

  async #leave(listener: Listener): Promise<void> {
    this.#leaving.add(listener);
    await listener.drain(SESSIONS_AFTER_RELOAD);
    this.#leaving.delete(listener);
  }

  async #openOne(settings: ListenerSettings): Promise<Open> {
    const listener = new Listener(this.#optionsOf(settings));
    try {
      const { address, port } = await listener.open();
      return { settings, listener, address: { name: settings.name, address, port } };
    } catch (error) {
      throw listenProblem(`listener ${settings.name}`, settings, error);
    }
  }

  #optionsOf(settings: ListenerSettings): ListenerOptions {
    const { clock, timers, log, counts, reusePort, makeReceiver, tell } = this.#deps;
    const context = contextOf(settings);
    const { name, host, port, implicitTls, machine, maxConnections, timeouts } = settings;
    return {
      ...{ name, host, port, implicitTls, machine, maxConnections, timeouts, makeReceiver },
      ...{ clock, timers, log, counts, reusePort, deadlines: this.#deadlines },
      proxyNetworks: settings.proxyFrom,
      maxConnectionsPerAddress: settings.maxConnectionsPerClient,
      ...(context !== undefined && { secureContext: () => context }),
      onRejected: (rejected) => tell(rejectedEvent(rejected, clock.now())),
    };
  }
}

/** By value: a reload compiles everything anew, also what has not changed. */
function isSame(a: ListenerSettings, b: ListenerSettings): boolean {
  return a.key === b.key;
}

/** Ports that the system chose have only their names to tell them apart. */
function sameAddress(a: ListenerSettings, b: ListenerSettings): boolean {
  return a.host === b.host && a.port === b.port && (a.port !== 0 || a.name === b.name);
}

function contextOf({ certificates, tls, asksClients }: ListenerSettings): ServerContext | undefined {
  if (certificates === undefined) return undefined;
  const { clientCa } = certificates;
  return serverContext(pairsOf(certificates), { parameters: tls, clientCa: asksClients ? clientCa : undefined });
}

function rejectedEvent({ client, why, reply }: RejectedConnection, at: number): RejectedEvent {
  return {
    ...{ kind: 'rejected', at, stage: 'connect', clientAddress: client.address, clientName: '' },
    ...{ listener: client.listener, user: undefined, sender: undefined, recipient: undefined },
    reply: reply === undefined ? `postrider: ${why}` : replyText(reply),
  };
}
