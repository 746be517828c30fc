/** Mistakes that would make memory or the event loop depend on the queue or on who has been here, and where they show. */

import { type Fault } from '../suite.ts';

/** With connections; with queues that are few and long; with queues that are many and short. */
export type ShownBy = 'idle' | 'deep' | 'wide';

interface ShownFault extends Fault {
  readonly shownBy: ShownBy;
}

export const FAULTS: readonly ShownFault[] = [
  {
    name: 'the queue is read ahead without regard to the budget of memory',
    shownBy: 'deep',
    plants: [
      {
        file: 'queue/intake.js',
        find: 'while (window.octets + this.#reserved + octets > memory)',
        replace: 'while (memory < 0)',
      },
      {
        file: 'queue/intake.js',
        find: 'return Math.min(Math.max(window * 8, LEAST_PAGE), MOST_PAGE);',
        replace: 'return 1000;',
      },
    ],
  },
  {
    name: 'the agenda is read at once with the head of each queue',
    shownBy: 'wide',
    plants: [
      {
        file: 'spool/lmdb/lmdb-spool.js',
        find: 'const behind = after === undefined ? undefined : agendaSuffix(after.dueAt, after.queue);',
        replace: `const behind = after === undefined ? undefined : agendaSuffix(after.dueAt, after.queue);
        this.heads ??= new Map(store.keys(under('agenda/'), 1e9).map((key) => {
            const { partition: own, queue } = parseAgendaKey(key);
            const head = store.first(under(\`due/\${own}/\${queue}/\`));
            return [key, [judgeRow(store, key), head && this.#read(entryKey(entryOf(head)), decodeEntry)]];
        }));`,
      },
    ],
  },
  {
    name: 'each connection leaves a listener behind',
    shownBy: 'idle',
    plants: [
      {
        file: 'receive/listener.js',
        find: 'this.#accepted += 1;',
        replace: "this.#accepted += 1; process.on('exit', () => socket.destroy());",
      },
    ],
  },
  {
    name: 'a table remembers each connection',
    shownBy: 'idle',
    plants: [
      {
        file: 'receive/listener.js',
        find: 'this.#accepted += 1;',
        replace: 'this.#accepted += 1; (this.seen ??= []).push({ socket, at: Date.now() });',
      },
    ],
  },
];
