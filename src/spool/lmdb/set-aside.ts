/**
 * Records that cannot be read are copied as they are into `corrupt/`, and only then taken out of the store: never
 * deleted, never a crash. One file a record, named by its key, with the octets of its value.
 */

import { join } from 'node:path';
import { type Log } from '../../ports/log.ts';
import { isCode, syncFolder, writeSynced } from './files.ts';
import { type Store } from './store.ts';

// A file name has at most 255 octets on the usual file systems.
const MAX_NAME = 200;

export interface SetAside {
  /** Begins to set a record aside; asks for the same key in the meantime change nothing. */
  (key: string, why: unknown): void;
}

export interface SetAsideOptions {
  readonly store: Store;
  readonly folder: string;
  readonly log: Log;
  readonly drop: (key: string, seen: Buffer) => Promise<unknown>;
}

export function setAsideInto({ store, folder, log, drop }: SetAsideOptions): SetAside {
  const underWay = new Set<string>();
  const move = async (key: string, why: unknown): Promise<void> => {
    const octets = store.get(key);
    if (octets === undefined) return;
    const name = encodeURIComponent(key).slice(0, MAX_NAME);
    await writeNew(join(folder, name), octets);
    await syncFolder(folder);
    await drop(key, octets);
    log.error('a record of the spool cannot be read and was set aside', { record: key, file: name, why: String(why) });
  };
  return (key, why) => {
    if (underWay.has(key)) return;
    underWay.add(key);
    const done = (): boolean => underWay.delete(key);
    const failed = (error: unknown): void => {
      done();
      log.error('a record of the spool cannot be read and could not be set aside', { record: key, why: String(error) });
    };
    // Nobody waits for it: readers go on without the record.
    void move(key, why).then(done, failed);
  };
}

/** A file of that name from before, cut short by a crash or not, is kept beside it. */
async function writeNew(path: string, octets: Uint8Array): Promise<void> {
  for (let n = 0; ; n++) {
    try {
      return await writeSynced(n === 0 ? path : `${path}.${n}`, octets);
    } catch (error) {
      if (!isCode(error, 'EEXIST') || n === 1000) throw error;
    }
  }
}
