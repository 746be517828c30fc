/** Asking another thread and waiting for its one answer. */

import { errorText } from '../lib/error-text.ts';
import { Refusal } from '../api/contract.ts';
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
  if (run === undefined) return refusal(call, new Error(`this thread cannot ${method}`));
  try {
    return { kind: 'answer', call, value: await run(argument as never) };
  } catch (error) {
    return refusal(call, error);
  }
}

function refusal(call: CallId, error: unknown): Answer {
  const fault = error instanceof Refusal ? error.kind : undefined;
  return { kind: 'refusal', call, reason: errorText(error), fault };
}

/** The value of an answer; throws what the other thread refused with. */
export function valueOf(answer: Answer): unknown {
  if (answer.kind === 'answer') return answer.value;
  throw answer.fault === undefined ? new Error(answer.reason) : new Refusal(answer.fault, answer.reason);
}
