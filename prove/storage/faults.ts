/** Mistakes in how storage that fails is met, each of which this suite must find. */

import { type Fault } from '../suite.ts';

export const STORAGE_FAULTS: readonly Fault[] = [
  {
    name: 'a full disk is taken for success',
    plants: [
      {
        file: 'runtime/queue-manager/intake.js',
        find: "return { kind: 'full' };",
        replace: "return { kind: 'accepted' };",
      },
    ],
  },
  {
    name: 'an outcome that found no room is forgotten',
    plants: [
      {
        file: 'runtime/queue-manager/settler.js',
        find: 'while (!(await this.#tryCommit(settlement)))\n                await this.#pause();',
        replace: 'await this.#tryCommit(settlement);',
      },
    ],
  },
  {
    name: 'the answer does not wait for the commit',
    plants: [
      {
        file: 'runtime/queue-manager/intake.js',
        find: 'const { kind } = await this.#context.spool.accept(messages, EPOCH);',
        replace:
          "const kind = 'committed';\n            void this.#context.spool.accept(messages, EPOCH).catch(() => undefined);",
      },
    ],
  },
  {
    name: 'a failed fsync of a content file is passed over',
    plants: [
      {
        file: 'receive/content-file.js',
        find: 'fsync(this.#descriptor, (error) => (error ? reject(error) : resolve()));',
        replace: 'fsync(this.#descriptor, () => resolve());',
      },
    ],
  },
  {
    name: 'events that could not be logged are forgotten',
    plants: [
      {
        file: 'runtime/queue-manager/outbox-writer.js',
        find: 'this.#deps.append(sequence, lines));',
        replace: 'this.#deps.append(sequence, lines).catch(() => undefined));',
      },
    ],
  },
  {
    name: 'a store that failed is trusted',
    plants: [
      {
        file: 'runtime/queue-manager-thread.js',
        find: 'function broken(error) {',
        replace: 'function broken(error) {\n    return;',
      },
    ],
  },
  {
    name: 'a commit that hangs is waited for without end',
    plants: [
      {
        file: 'spool/lmdb/commit.js',
        find: 'if (this.#seconds < MAX_COMMIT_SECONDS)',
        replace: 'if (this.#seconds >= 0)',
      },
    ],
  },
  {
    name: 'commits are not grouped',
    plants: [
      {
        file: 'spool/lmdb/commit.js',
        find: 'const group = this.#waiting;\n        const arena = this.#arena;\n        this.#waiting = [];',
        replace: 'const group = this.#waiting.splice(0, 1);\n        const arena = this.#arena;',
      },
    ],
  },
];
