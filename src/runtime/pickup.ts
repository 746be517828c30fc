/**
 * Looks after the pickup folder: hands its files to workers, a few at a time, and removes those that were taken.
 *
 * Each is taken exactly once. Its message gets an id that follows from the file's name and is kept in the spool until
 * the file is gone for good (the folder is synced); a file whose message is known is only removed. What is no message
 * goes to `bad/` and is told in the log; what cannot be taken now stays and is tried again.
 */

import { type FSWatcher, watch } from 'node:fs';
import { lstat, opendir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { DAY, HOUR, SECOND } from '../lib/time.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Reply } from '../mail/reply.ts';
import { counter } from '../observe/metrics.ts';
import { type Log } from '../ports/log.ts';
import { type Timer, type Timers } from '../ports/timers.ts';
import { type PickupFile, type TakenIn } from '../receive/local-message.ts';
import { isCode, syncFolder } from '../spool/lmdb/files.ts';
import { type Kept, type Page } from '../spool/spool.ts';
import { pickupId, UNFINISHED } from '../wire/sendmail/pickup-name.ts';
import { BoundedLog } from './bounded-log.ts';
import { type PickupFolders } from './pickup-folder.ts';

export interface PickupDeps {
  readonly folders: PickupFolders;
  readonly log: Log;
  readonly timers: Timers;
  /** Of the file system. */
  readonly now: () => number;
  /** A worker takes the file in; rejects when it died over it. */
  readonly takeIn: (file: PickupFile) => Promise<TakenIn>;
  /** Tells the sender of a message that was refused, and set aside as this file. */
  readonly tellRefused: (file: PickupFile, why: Reply) => Promise<TakenIn>;
  readonly isKnown: (id: QueueId) => Promise<boolean>;
  readonly letGo: (ids: readonly QueueId[]) => Promise<void>;
  readonly kept: (after: QueueId | undefined) => Promise<Page<Kept, QueueId>>;
}

/** Files that are under way at once: with so many, each sync of a disk serves several. */
const AT_ONCE = 64;
/** For file systems that do not tell of changes, and for what could not be taken before. */
const SCAN_EVERY = 10 * SECOND;
const SWEEP_EVERY = HOUR;
const UNFINISHED_FOR = DAY;
/** Names that cannot be moved away, so that each is told of once; then they are told of again. */
const MAX_REMEMBERED = 10_000;
const NOT_OURS = 'its name is none that `postrider sendmail` gives';

const NOBODY_WAITS = { files: 0, why: '' };

const picked = counter('postrider_pickup_total', 'Looks at files of the pickup folder, by what came of it.', {
  outcome: ['accepted', 'later', 'refused', 'gone'],
});

interface Done {
  readonly name: string;
  readonly id: QueueId;
}

export class Pickup {
  readonly #deps: PickupDeps;
  /** What users of this machine can bring about. */
  readonly #bounded: BoundedLog;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #stuck = new Set<string>();
  #done: Done[] = [];
  #finishing: Promise<void> = Promise.resolve();
  #scanning: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #timer: Timer | undefined;
  #watcher: FSWatcher | undefined;
  #sweptAt = -Infinity;
  /** Of this look at the folder. */
  #waiting = NOBODY_WAITS;

  constructor(deps: PickupDeps) {
    this.#deps = deps;
    this.#bounded = new BoundedLog(deps.log, deps.now);
  }

  /** First what an earlier run left. */
  async start(): Promise<void> {
    await this.#letGoOrphans();
    this.#watch();
    this.poke();
  }

  /** There may be something new. */
  poke(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#scanning ??= this.#scanAll().finally(() => (this.#scanning = undefined));
  }

  /** Nothing more is handed out; resolves when what is under way has come to an end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#watcher?.close();
    await this.#scanning;
    await Promise.all(this.#underWay.values());
    await this.#finishing;
  }

  #watch(): void {
    try {
      this.#watcher = watch(this.#deps.folders.drop, { persistent: false }, () => this.poke());
      this.#watcher.on('error', () => this.#watcher?.close()); // The timer goes on.
    } catch (error) {
      this.#deps.log.warn('changes of the pickup folder are not told, it is looked at from time to time', {
        error: String(error),
      });
    }
  }

  /** Never rejects. */
  async #scanAll(): Promise<void> {
    this.#timer?.cancel();
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await this.#sweep();
        await this.#scan();
        this.#tellWaiting();
      } catch (error) {
        this.#deps.log.error('the pickup folder cannot be read', { error: String(error) });
      }
    }
    if (!this.#stopped) this.#timer = this.#deps.timers.after(SCAN_EVERY, () => this.poke());
  }

  /** One line for all of them, however many there are. */
  #tellWaiting(): void {
    if (this.#waiting.files > 0) this.#deps.log.info('messages from local users wait to be picked up', this.#waiting);
    this.#waiting = NOBODY_WAITS;
  }

  /** Resolves when what it has handed out has come to an end. */
  async #scan(): Promise<void> {
    for await (const { name } of await opendir(this.#deps.folders.drop)) {
      if (this.#stopped) return;
      if (name.startsWith('.') || this.#underWay.has(name) || this.#stuck.has(name)) continue;
      while (this.#underWay.size >= AT_ONCE) await Promise.race(this.#underWay.values());
      const taking = this.#take(name).finally(() => this.#underWay.delete(name));
      this.#underWay.set(name, taking);
    }
    await Promise.all(this.#underWay.values());
  }

  /** Never rejects. */
  async #take(name: string): Promise<void> {
    const id = pickupId(name);
    try {
      if (id === undefined) return void (await this.#setAside(name, NOT_OURS));
      const taken = await this.#takenIn(name, id);
      if (taken.kind === 'accepted') await this.#finish(name, id);
      if (taken.kind === 'refused') await this.#refused({ name, id }, taken);
      if (taken.kind === 'later') this.#waiting = { files: this.#waiting.files + 1, why: taken.reason };
      picked.add(1, { outcome: taken.kind });
    } catch (error) {
      // A worker that died, or the server is stopping: the next look at the folder finds it again.
      if (!this.#stopped)
        this.#bounded.say('warn', 'a file could not be picked up', { file: name, error: String(error) });
    }
  }

  async #takenIn(name: string, id: QueueId): Promise<TakenIn> {
    if (await this.#deps.isKnown(id)) return { kind: 'accepted' };
    return this.#deps.takeIn({ path: join(this.#deps.folders.drop, name), id });
  }

  /** Files that are over at the same time share one sync of the folder. */
  #finish(name: string, id: QueueId): Promise<void> {
    this.#done.push({ name, id });
    this.#finishing = this.#finishing.then(() => this.#finishDone());
    return this.#finishing;
  }

  async #finishDone(): Promise<void> {
    const done = this.#done.splice(0);
    const { folders, letGo } = this.#deps;
    const removed: QueueId[] = [];
    for (const { name, id } of done) if (await this.#remove(name)) removed.push(id);
    if (removed.length === 0) return;
    // Before it is forgotten that they were taken: a name that comes back with the power would be taken again.
    await syncFolder(folders.drop);
    await letGo(removed);
  }

  async #remove(name: string): Promise<boolean> {
    try {
      await unlink(join(this.#deps.folders.drop, name));
      return true;
    } catch (error) {
      if (isCode(error, 'ENOENT')) return true;
      this.#remember(name);
      this.#bounded.say('error', 'a file that was picked up cannot be removed; it is not taken again', {
        file: name,
        error: String(error),
      });
      return false;
    }
  }

  /** First it is set aside: what is told of twice is worse than what the log alone tells. */
  async #refused({ name, id }: Done, { reason, reply }: Extract<TakenIn, { kind: 'refused' }>): Promise<void> {
    const path = await this.#setAside(name, reason);
    if (path === undefined || reply === undefined) return;
    const told = await this.#deps.tellRefused({ path, id }, reply);
    if (told.kind === 'accepted') return;
    this.#bounded.say('warn', 'the sender of a file that was set aside could not be told', {
      ...{ file: name, why: 'reason' in told ? told.reason : told.kind },
    });
  }

  /** Where it is then; undefined when it could not be moved. */
  async #setAside(name: string, reason: string): Promise<string | undefined> {
    const { folders } = this.#deps;
    try {
      const path = await this.#freeName(name);
      await rename(join(folders.drop, name), path);
      this.#bounded.say('error', 'a file in the pickup folder is no message that can be taken; it was set aside', {
        ...{ file: name, folder: folders.bad, why: reason },
      });
      return path;
    } catch (error) {
      if (isCode(error, 'ENOENT')) return undefined;
      this.#remember(name);
      this.#bounded.say(
        'error',
        'a file in the pickup folder is no message that can be taken, and cannot be set aside',
        {
          ...{ file: name, why: reason, error: String(error) },
        },
      );
      return undefined;
    }
  }

  /** What lies there is never written over. */
  async #freeName(name: string): Promise<string> {
    const path = join(this.#deps.folders.bad, name);
    let free = path;
    for (let n = 1; !(await isGone(free)); n++) free = `${path}.${n}`;
    return free;
  }

  #remember(name: string): void {
    if (this.#stuck.size >= MAX_REMEMBERED) this.#stuck.clear();
    this.#stuck.add(name);
  }

  /** A program that was killed while it wrote had promised nothing to anybody. */
  async #sweep(): Promise<void> {
    const now = this.#deps.now();
    if (now - this.#sweptAt < SWEEP_EVERY) return;
    this.#sweptAt = now;
    const { drop } = this.#deps.folders;
    for await (const { name } of await opendir(drop)) {
      if (!name.startsWith(UNFINISHED)) continue;
      const path = join(drop, name);
      const age = await stat(path).then(
        ({ mtimeMs }) => now - mtimeMs,
        () => 0, // Gone, or finished by now.
      );
      if (age > UNFINISHED_FOR) await unlink(path).catch(() => undefined); // The next sweep tries again.
    }
  }

  /** A crash between the removal of a file and the letting go of its message leaves a message that nobody lets go. */
  async #letGoOrphans(): Promise<void> {
    let after: QueueId | undefined;
    do {
      const page = await this.#deps.kept(after);
      const orphans: QueueId[] = [];
      for (const { message, note } of page.rows) if (await isGone(note)) orphans.push(message);
      if (orphans.length > 0) await this.#deps.letGo(orphans);
      after = page.next;
    } while (after !== undefined);
  }
}

async function isGone(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return false;
  } catch (error) {
    return isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR');
  }
}
