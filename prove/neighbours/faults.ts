/** Mistakes that this suite must find, each with the case that shows it. */

import { type Fault, type Plant } from '../suite.ts';

const WORK = 'const until = performance.now() + 400; while (performance.now() < until);';

interface ShownFault extends Fault {
  /** Name of the case. */
  readonly shownBy: string;
}

const one = (name: string, shownBy: string, ...plants: readonly Plant[]): ShownFault => ({ name, shownBy, plants });

const SHOWN: readonly ShownFault[] = [
  one(
    'replies-pile-up',
    'bad clients',
    {
      file: 'receive/smtp-session.js',
      find: 'this.#yielding || this.#socket.writableNeedDrain;',
      replace: 'this.#yielding;',
    },
    {
      file: 'receive/smtp-session.js',
      find: '!this.#yielding || this.#socket.writableNeedDrain',
      replace: '!this.#yielding',
    },
  ),
  one('all-commands-at-once', 'bad clients', {
    file: 'receive/smtp-session.js',
    find: 'const COMMANDS_AT_ONCE = 32;',
    replace: 'const COMMANDS_AT_ONCE = Infinity;',
  }),
  one(
    'replies-without-limit',
    'bad next hops',
    {
      file: 'wire/smtp/reply-reader.js',
      find: 'const MAX_LINE_OCTETS = 2048;',
      replace: 'const MAX_LINE_OCTETS = 2 ** 40;',
    },
    { file: 'wire/smtp/reply-reader.js', find: 'const MAX_LINES = 100;', replace: 'const MAX_LINES = 2 ** 40;' },
  ),
  one(
    'budget-not-counted',
    'clients stalled at 255 KiB',
    { file: 'receive/message-sink.js', find: 'this.#options.budget.take(octets)', replace: 'true' },
    { file: 'receive/message-sink.js', find: 'this.#taken += octets;', replace: '' },
  ),
  one('whole-contents-for-slow-receivers', 'receivers of one octet a second', {
    file: 'runtime/queue-manager/handed-content.js',
    find: '+ octets <= this.#limit',
    replace: '+ octets < Infinity',
  }),
  one('slow-receivers-take-every-connection', 'more slow receivers than connections', {
    file: 'queue/slots.js',
    find: 'const QUICK_SHARE = 1 / 4;',
    replace: 'const QUICK_SHARE = 0;',
  }),
  one('work-for-a-message', 'bad DNS', {
    file: 'receive/message-sink.js',
    find: 'async finish() {',
    replace: `async finish() { globalThis.finished = (globalThis.finished ?? 0) + 1; if (globalThis.finished % 50 === 0) { ${WORK} }`,
  }),
  one('work-for-a-bad-reply', 'bad next hops', {
    file: 'wire/smtp/client.js',
    find: '#lostFor(cause, text) {',
    replace: `#lostFor(cause, text) { ${WORK}`,
  }),
  one('silence-has-no-end', 'bad next hops', {
    file: 'deliver/smtp/connection.js',
    find: 'this.#deadline.set(wait === undefined ? undefined : this.#timeoutFor(wait));',
    replace: 'this.#deadline.set(undefined);',
  }),
  one('look-ups-have-no-end', 'bad DNS', {
    file: 'dns/exchange.js',
    find: 'timers.after(timeoutMs, ',
    replace: 'timers.after(timeoutMs * 1000, ',
  }),
  one('a-bad-reply-kills', 'bad next hops', {
    file: 'wire/smtp/reply-reader.js',
    find: '#spoil(reason) {',
    replace: `#spoil(reason) { queueMicrotask(() => { throw new Error('planted'); });`,
  }),
];

export const FAULTS: readonly Fault[] = SHOWN;

/** All cases, or the one in which a planted fault shows. */
export function casesFor<C extends { readonly name: string }>(
  cases: readonly C[],
  fault: Fault | undefined,
): readonly C[] {
  if (fault === undefined) return cases;
  const shownBy = SHOWN.find(({ name }) => name === fault.name)?.shownBy;
  return cases.filter(({ name }) => name === shownBy);
}
