/** Mistakes that the suite must find, each with the attacks that find it. */

import { type Fault } from '../suite.ts';
import { type Attack, times } from './attacks.ts';

interface KillFault extends Fault {
  readonly attacks: readonly Attack[];
}

const at = (count: number, point: string): readonly Attack[] => times(count, { kind: 'point', point });

const SETTLE = 'this.#deps.settler.settle({ told, add: [complete] });';

const FAULTS: readonly KillFault[] = [
  {
    name: '250 before the commit',
    plants: [
      {
        file: 'runtime/queue-manager/intake.js',
        find: 'const result = await this.#accept(arrivals);',
        replace: `for (const { answer } of arrivals) answer({ kind: 'accepted' }, true);
        arrivals = arrivals.map((arrival) => ({ ...arrival, answer: () => undefined }));
        const result = await this.#accept(arrivals);`,
      },
    ],
    attacks: at(4, 'commit:before'),
  },
  {
    name: 'notices removed before their report is stored',
    plants: [
      {
        file: 'runtime/queue-manager/teller.js',
        find: `await ${SETTLE}`,
        replace: `await this.#deps.settler.settle({ told, add: [] }); await ${SETTLE}`,
      },
    ],
    attacks: at(5, 'commit:of-report'),
  },
  {
    name: 'content file unlinked before the commit',
    plants: [
      {
        file: 'spool/lmdb/commit.js',
        find: 'if (plan.writes.keys.length > 0)',
        replace:
          'for (const { message, file } of plan.files) await this.#options.unlink(message, file);\n if (plan.writes.keys.length > 0)',
      },
      {
        file: 'spool/lmdb/open.js',
        find: 'onBroken,\n        onCommitted',
        replace: 'onBroken,\n        unlink: (message, file) => files.end(message, file),\n        onCommitted',
      },
    ],
    attacks: at(6, 'commit:before-unlink'),
  },
  {
    name: 'retry dialled before it is recorded',
    plants: [
      {
        file: 'runtime/queue-manager/attempts.js',
        find: 'await settler.settle({ put: [recorded] });',
        replace: 'if (recorded === undefined) { await settler.settle({ put: [recorded] }); }',
      },
    ],
    attacks: times(6, { kind: 'instant' }),
  },
  {
    name: 'outbox emptied before the log is written',
    plants: [
      {
        file: 'runtime/queue-manager/outbox-writer.js',
        find: 'const appends = [];',
        replace: 'this.#logged = rows.at(-1)?.sequence ?? this.#logged; await this.#gather(); const appends = [];',
      },
    ],
    attacks: at(15, 'outbox:read'),
  },
  {
    name: 'a second server is let in',
    plants: [
      {
        file: 'runtime/spool-lock.js',
        find: 'if (server === undefined)\n        return undefined;',
        replace: '',
      },
      {
        file: 'runtime/spool-lock.js',
        find: 'server.close();\n        return undefined;',
        replace: "await process.getBuiltinModule('node:fs/promises').unlink(controlSocket(folder));",
      },
      { file: 'runtime/spool-lock.js', find: 'void server.close()', replace: 'void server?.close()' },
    ],
    attacks: times(1, { kind: 'second server' }),
  },
  {
    name: 'removal waits for company',
    plants: [
      {
        file: 'runtime/queue-manager/settler.js',
        find: 'setImmediate(() => this.#commitAll(this.#gathered.splice(0)));',
        replace: 'setTimeout(() => this.#commitAll(this.#gathered.splice(0)), 150);',
      },
    ],
    attacks: times(5, { kind: 'instant' }),
  },
];

export const KILL_FAULTS: readonly Fault[] = FAULTS;

export function attacksFor(fault: Fault | undefined): readonly Attack[] {
  return FAULTS.find(({ name }) => name === fault?.name)?.attacks ?? [];
}
