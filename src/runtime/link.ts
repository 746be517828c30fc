/**
 * Messages between threads, batched per turn of the event loop.
 *
 * What has come is taken a slice in each turn: a thousand dispatches or requests in one batch would keep everything
 * else that the thread has to do waiting for half a second.
 *
 * A hop costs the same for one message as for a hundred, so a link gathers what is posted during a turn
 * and sends it as one array. The in-process form delivers in the same way, on the next turn and in order,
 * so that tests see what threads see (but nothing is cloned: nobody may change what he
 * has posted).
 */

import { type MessagePort, type Transferable } from 'node:worker_threads';

export interface Link<Out, In> {
  /** `transfer`: buffers that the receiver owns from now on. */
  post(message: Out, transfer?: readonly ArrayBuffer[]): void;
  /** One handler; messages that came before it was set are kept for it. */
  onMessage(handler: (message: In) => void): void;
  close(): void;
}

type Batch = readonly unknown[];

/** In a turn, whichever is reached first: messages, and milliseconds. Of most kinds many more would be no burden. */
const TAKEN_AT_ONCE = 64;
const TURN = 10;

export class PortLink<Out, In> implements Link<Out, In> {
  readonly #port: MessagePort;
  #batch: Out[] = [];
  #transfer: Transferable[] = [];

  constructor(port: MessagePort) {
    this.#port = port;
  }

  post(message: Out, transfer?: readonly ArrayBuffer[]): void {
    if (this.#batch.length === 0) setImmediate(() => this.#flush());
    this.#batch.push(message);
    if (transfer !== undefined) this.#transfer.push(...transfer);
  }

  onMessage(handler: (message: In) => void): void {
    let waiting: In[] = [];
    const take = (most: number, until: number): void => {
      const some = waiting.slice(0, most);
      let taken = 0;
      try {
        for (const message of some) {
          taken += 1;
          handler(message);
          if (performance.now() >= until) break;
        }
      } finally {
        waiting = waiting.slice(taken);
      }
    };
    const turn = (): void => {
      take(TAKEN_AT_ONCE, performance.now() + TURN);
      if (waiting.length > 0) setImmediate(turn);
    };
    this.#port.on('message', (batch: readonly In[]) => {
      const alone = waiting.length === 0;
      waiting.push(...batch);
      if (alone) turn();
    });
    // What a thread had said before its end counts before its end does.
    this.#port.on('close', () => take(Infinity, Infinity));
  }

  close(): void {
    this.#flush();
    this.#port.close();
  }

  #flush(): void {
    const batch: Batch = this.#batch;
    if (batch.length === 0) return;
    const transfer = this.#transfer;
    this.#batch = [];
    this.#transfer = [];
    this.#port.postMessage(batch, transfer);
  }
}

/** Two ends in one thread. */
export function linkPair<A, B>(): readonly [Link<A, B>, Link<B, A>] {
  const left = new LocalLink<A, B>();
  const right = new LocalLink<B, A>();
  left.peer = right;
  right.peer = left;
  return [left, right];
}

class LocalLink<Out, In> implements Link<Out, In> {
  peer: LocalLink<In, Out> | undefined;
  #batch: Out[] = [];
  #waiting: In[] = [];
  #handler: ((message: In) => void) | undefined;

  post(message: Out): void {
    if (this.#batch.length === 0) setImmediate(() => this.#flush());
    this.#batch.push(message);
  }

  onMessage(handler: (message: In) => void): void {
    this.#handler = handler;
    this.take(this.#waiting.splice(0));
  }

  take(batch: readonly In[]): void {
    if (this.#handler === undefined) this.#waiting.push(...batch);
    else for (const message of batch) this.#handler(message);
  }

  close(): void {
    this.peer = undefined;
  }

  #flush(): void {
    const batch = this.#batch;
    this.#batch = [];
    this.peer?.take(batch);
  }
}
