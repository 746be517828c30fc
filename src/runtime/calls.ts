/** Asking another thread and waiting for its one answer. */

import { type Ask, type Answer, type CallId } from './messages.ts';

/** Open questions by number. */
export class Calls<Result> {
  readonly #open = new Map<CallId, (result: Result) => void>();
  #last = 0;

  /** `send` gets the number that the answer has to carry. */
  ask(send: (call: CallId) => void): Promise<Result> {
    const call = (this.#last += 1);
    return new Promise((resolve) => {
      this.#open.set(call, resolve);
      send(call);
    });
  }

  /** An answer that nobody waits for any more is dropped. */
  answered(call: CallId, result: Result): void {
    const resolve = this.#open.get(call);
    this.#open.delete(call);
    resolve?.(result);
  }

  /** The other side is gone. */
  abandon(result: Result): void {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const resolve of open) resolve(result);
  }
}

/** What a thread can be asked, by name. A method that throws answers with a refusal. */
export type Methods = Readonly<Record<string, (argument: never) => unknown>>;

export async function answerAsk(methods: Methods, { call, method, argument }: Ask): Promise<Answer> {
  const run = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (run === undefined) return { kind: 'refusal', call, reason: `this thread cannot ${method}` };
  try {
    return { kind: 'answer', call, value: await run(argument as never) };
  } catch (error) {
    return { kind: 'refusal', call, reason: error instanceof Error ? error.message : String(error) };
  }
}
