/**
 * New messages on their way from a worker to the queue manager, which answers when they are committed. What a worker
 * keeps of them for their first attempts it keeps from here on.
 */

import { type Submitted } from '../receive/ports.ts';
import { type NewMessage } from '../spool/spool.ts';
import { Calls } from './calls.ts';
import { type KeptMessages } from './kept-messages.ts';
import { type Link } from './link.ts';
import { type QueueManagerToWorker, type WorkerToQueueManager } from './messages.ts';
import { OctetWindow } from './octet-window.ts';

type Answer = Extract<QueueManagerToWorker, { kind: 'submitted' }>;

/** Sixteen messages of the largest content that is not in a file: milliseconds of work for the queue manager. */
const ON_THEIR_WAY = 4 * 1024 * 1024;

export class Submissions {
  readonly #link: Link<WorkerToQueueManager, QueueManagerToWorker>;
  readonly #kept: KeptMessages;
  readonly #calls = new Calls<Answer>();
  readonly #window = new OctetWindow(ON_THEIR_WAY);

  constructor(link: Link<WorkerToQueueManager, QueueManagerToWorker>, kept: KeptMessages) {
    this.#link = link;
    this.#kept = kept;
  }

  async submit(message: NewMessage): Promise<Submitted> {
    const { content } = message;
    const keeps = this.#kept.keep(message);
    // What is kept is copied on its way, and the copy costs less than a transfer does.
    const transfer = content.kind === 'octets' && !keeps ? [content.octets.buffer as ArrayBuffer] : [];
    const { result, kept } = await this.#window.through(content.kind === 'octets' ? content.octets.length : 0, () =>
      this.#calls.ask((call) => this.#link.post({ kind: 'accept', call, message, keeps }, transfer)),
    );
    if (keeps && !kept) this.#kept.forget(message.id);
    return result;
  }

  answered(answer: Answer): void {
    this.#calls.answered(answer.call, answer);
  }
}
