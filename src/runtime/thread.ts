/** A thread as the main thread sees it, and the main thread as a thread sees it. */

import { parentPort, type Transferable, Worker } from 'node:worker_threads';
import { answerAsk, Calls, type Methods, valueOf } from './calls.ts';
import { type Answer, type ControlToThread, type ThreadToControl } from './messages.ts';

export type ThreadName = 'queue-manager' | 'worker' | 'archivist';

export interface ThreadEvents {
  /** Any sign of life. */
  readonly alive: () => void;
  readonly events: (lines: string) => void;
  readonly broken: (reason: string) => void;
  /** The thread ended, by itself or not. `error`: what it threw. */
  readonly gone: (error: Error | undefined) => void;
}

// Sources run as they are, releases are compiled: a thread's script has the ending of this file.
const ENDING = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const HEARTBEAT_MS = 1000;

export class Thread {
  readonly #worker: Worker;
  readonly #calls = new Calls<Answer>();
  readonly #name: ThreadName;
  #error: Error | undefined;
  #ended = false;

  constructor(name: ThreadName, boot: ThreadBoot, events: ThreadEvents) {
    this.#name = name;
    this.#worker = new Worker(new URL(`./${name}-thread.${ENDING}`, import.meta.url), {
      workerData: boot.data,
      transferList: [...boot.transfer],
      name,
    });
    this.#worker.on('message', (message: ThreadToControl) => this.#take(message, events));
    this.#worker.on('error', (error: Error) => (this.#error = error));
    this.#worker.on('messageerror', (error: Error) => (this.#error = error));
    this.#worker.once('exit', () => {
      this.#ended = true;
      this.#calls.abandon(this.#noAnswer());
      events.gone(this.#error);
    });
  }

  /** Rejects when the thread has ended, or ends before it has answered. */
  async ask(method: string, argument?: unknown, transfer: readonly Transferable[] = []): Promise<unknown> {
    if (this.#ended) return valueOf(this.#noAnswer());
    const answer = await this.#calls.ask((call) => {
      this.#worker.postMessage({ kind: 'ask', call, method, argument } satisfies ControlToThread, [...transfer]);
    });
    return valueOf(answer);
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #noAnswer(): Answer {
    return { kind: 'refusal', call: 0, reason: `the ${this.#name} thread ended`, fault: undefined };
  }

  #take(message: ThreadToControl, events: ThreadEvents): void {
    events.alive();
    switch (message.kind) {
      case 'answer':
      case 'refusal':
        return this.#calls.answered(message.call, message);
      case 'alive':
        return undefined;
      case 'events':
        return events.events(message.lines);
      case 'broken':
        return events.broken(message.reason);
    }
  }
}

export interface ThreadBoot {
  readonly data: unknown;
  readonly transfer: readonly Transferable[];
}

/** Inside a thread: answers what the main thread asks, and shows every second that it lives. */
export function serveAsks(methods: Methods): (message: ThreadToControl) => void {
  const port = parentPort;
  if (port === null) throw new Error('this module runs in a thread of its own');
  port.on('message', (message: ControlToThread) => {
    void answerAsk(methods, message).then((answer) => port.postMessage(answer)); // Never rejects.
  });
  setInterval(() => port.postMessage({ kind: 'alive' } satisfies ThreadToControl), HEARTBEAT_MS).unref();
  return (message) => port.postMessage(message);
}
