/** What the main thread hands to a new thread. Plain values, shared memory and ports: all of it can be cloned. */

import { type MessagePort } from 'node:worker_threads';
import { namesOf, type NamedPair } from '../receive/certificate-choice.ts';
import { type ConfigSource } from './config-source.ts';

export interface Boot {
  readonly config: ConfigSource;
  /** How far the clock has been moved; shared by all threads. */
  readonly clockOffset: SharedArrayBuffer;
  /** Somebody reads the events as they come, as the sandbox's console does. */
  readonly eventsWatched: boolean;
}

export interface WorkerBoot extends Boot {
  readonly id: number;
  /** Counts of connections by client, shared by all workers. */
  readonly counts: SharedArrayBuffer;
  /** Failed logins, likewise. */
  readonly failures: SharedArrayBuffer;
  readonly known: SharedArrayBuffer;
  readonly reusePort: boolean;
  /** To the queue manager. */
  readonly port: MessagePort;
  readonly incoming: string;
  readonly certificates: Certificates;
}

/** PEM texts; the main thread reads or makes them. */
export interface Certificates {
  /** For clients that ask for no name, or for none that is known; `''` where no listener speaks TLS. */
  readonly certificate: string;
  readonly key: string;
  /** Chosen by the name that a client asks for. */
  readonly named?: readonly NamedPair[];
  /** PEM of the authorities whose certificates clients may show. */
  readonly clientCa?: string;
}

/** A worker that has joined, as the queue manager hears of it. */
export interface Joining {
  readonly id: number;
  readonly port: MessagePort;
  readonly capacity: number;
}

/** The usual one first. */
export function pairsOf({ certificate, key, named = [] }: Certificates): [NamedPair, ...NamedPair[]] {
  return [{ certificate, key, names: namesOf(certificate) }, ...named];
}
