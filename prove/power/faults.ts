/** Mistakes with which a power cut loses something. */

import { type Fault } from '../suite.ts';

export const FAULTS: readonly Fault[] = [
  {
    name: 'the store is not synced',
    plants: [
      {
        file: 'spool/lmdb/store.js',
        find: 'overlappingSync: false,',
        replace: 'overlappingSync: false, noSync: true,',
      },
    ],
  },
  {
    name: 'the meta pages of the store are not synced',
    plants: [
      {
        file: 'spool/lmdb/store.js',
        find: 'overlappingSync: false,',
        replace: 'overlappingSync: false, noMetaSync: true,',
      },
    ],
  },
  {
    name: 'content files are not synced',
    plants: [
      {
        file: 'receive/content-file.js',
        find: 'fsync(this.#descriptor, (error) => (error ? reject(error) : resolve()));',
        replace: 'resolve();',
      },
    ],
  },
  {
    name: 'the folder of a content file is not synced',
    plants: [
      {
        file: 'spool/lmdb/content-files.js',
        find: 'const syncs = [folder, dirname(path),',
        replace: 'const syncs = [dirname(path),',
      },
    ],
  },
  {
    name: 'the name of a new folder for content files is not synced',
    plants: [
      {
        file: 'spool/lmdb/content-files.js',
        find: '...(durable.has(folder) ? [] : [this.#root])',
        replace: '',
      },
    ],
  },
  {
    name: '250 is said before the commit',
    plants: [
      {
        file: 'runtime/queue-manager/intake.js',
        find: 'const result = await this.#accept(arrivals);',
        replace: `for (const { answer } of arrivals) answer({ kind: 'accepted' }, true);
        const result = await this.#accept(arrivals);`,
      },
      { file: 'runtime/queue-manager/intake.js', find: 'answer(result, kept && keeper !== undefined);', replace: '' },
    ],
  },
  {
    name: 'events leave the outbox before the log is synced',
    plants: [{ file: 'events/event-log.js', find: 'await segment.file.sync();', replace: '' }],
  },
  {
    name: 'the folder of a new segment is not synced',
    plants: [{ file: 'events/segments.js', find: 'await syncFolder(join(path,', replace: 'void (join(path,' }],
  },
  {
    name: 'content is unlinked before the commit that ends its message',
    plants: [
      {
        file: 'spool/lmdb/commit.js',
        find: 'if (plan.writes.keys.length > 0)',
        replace: 'onCommitted(plan);\nif (plan.writes.keys.length > 0)',
      },
    ],
  },
  {
    name: 'mail in a mailbox is not synced',
    plants: [{ file: 'deliver/maildir.js', find: 'await file.sync();', replace: '' }],
  },
];
