/** Octets that leave one by one, once in a while, on any number of sockets with one timer. */

import { type Socket } from 'node:net';

interface Waiting {
  readonly octets: Buffer;
  at: number;
}

export class Trickle {
  readonly #waiting = new Map<Socket, Waiting>();
  readonly #timer: NodeJS.Timeout;
  /** Octets sent so far, on all sockets. */
  sent = 0;

  /** An octet on each socket every so many milliseconds. */
  constructor(every: number) {
    this.#timer = setInterval(() => this.#tick(), every);
    this.#timer.unref();
  }

  /** Behind what waits for this socket already. */
  send(socket: Socket, text: string): void {
    const waiting = this.#waiting.get(socket);
    const before = waiting?.octets.subarray(waiting.at) ?? Buffer.alloc(0);
    this.#waiting.set(socket, { octets: Buffer.concat([before, Buffer.from(text, 'latin1')]), at: 0 });
  }

  forget(socket: Socket): void {
    this.#waiting.delete(socket);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#waiting.clear();
  }

  #tick(): void {
    for (const [socket, waiting] of this.#waiting) {
      if (!socket.writable || waiting.at === waiting.octets.length) this.#waiting.delete(socket);
      else {
        socket.write(waiting.octets.subarray(waiting.at, (waiting.at += 1)));
        this.sent += 1;
      }
    }
  }
}
