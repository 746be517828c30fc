/** The sockets that a server has open: whoever keeps one must not keep the server from its end. */

/** As `node:net` has it. */
export interface OpenSocket {
  once(event: 'close', ended: () => void): unknown;
  destroy(): unknown;
}

export class OpenSockets {
  readonly #open = new Set<OpenSocket>();

  /** Until it is closed, by whomever. */
  add(socket: OpenSocket): void {
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
  }

  destroy(): void {
    for (const socket of this.#open) socket.destroy();
  }
}
