/**
 * A file being written into the pickup folder.
 *
 * It has a name of its own until it is whole and on disk, and only then the one by which the server takes it. When
 * `finish` returns the message survives a crash: the file is synced, then renamed, then synced again with its folder.
 * Whoever may not list the folder may not sync it either; then the file alone is synced once more, by which the usual
 * file systems of Linux (ext4, XFS, Btrfs) write down its new name.
 */

import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type QueueId } from '../../mail/queue-id.ts';
import { encodeHead, firstLine, type PickupEnvelope } from '../../wire/sendmail/pickup-file.ts';
import { pickupId, pickupName, UNFINISHED } from '../../wire/sendmail/pickup-name.ts';
import { failureOf } from './failure.ts';

/** For its owner, and for the group of the folder: that is how the server reads it. */
const MODE = 0o640;
const DOING = 'the message could not be handed in';
/** Where the folder is not as it should be. */
const HINTS = {
  EACCES: 'pickup.folder in the configuration names a folder for all users',
  ENOENT: 'no Postrider has been started with this spool or pickup folder',
};

export interface DropOptions {
  /** Where files are put. */
  readonly folder: string;
  readonly now: number;
  /** 16 octets. */
  readonly secret: Buffer;
}

export class DropFile {
  readonly id: QueueId;
  readonly #folder: string;
  readonly #name: string;
  readonly #descriptor: number;
  #octets = 0;
  #open = true;

  /** Throws a `SendmailFailure`, as all of it does. */
  constructor({ folder, now, secret }: DropOptions, envelope: PickupEnvelope) {
    this.#folder = folder;
    this.#name = pickupName(now, secret);
    const id = pickupId(this.#name);
    if (id === undefined) throw new Error(`${this.#name} is no name of a pickup file`);
    this.id = id;
    this.#descriptor = orFail(() => openSync(this.#unfinished, 'wx', MODE), HINTS);
    this.#orAbandon(() => {
      // Whatever the user's umask took away.
      fchmodSync(this.#descriptor, MODE);
      this.#writeAll(encodeHead(envelope, 0));
    });
  }

  write(octets: Buffer): void {
    this.#orAbandon(() => this.#writeAll(octets));
    this.#octets += octets.length;
  }

  finish(): void {
    this.#orAbandon(() => {
      writeSync(this.#descriptor, firstLine(this.#octets), 0, undefined, 0);
      fsyncSync(this.#descriptor);
      renameSync(this.#unfinished, join(this.#folder, this.#name));
    });
    // From here on the server may have taken it: what fails now is told, and the message may come all the same.
    orFail(() => this.#syncName());
    this.#close();
  }

  /** It was never there. */
  abandon(): void {
    this.#close();
    try {
      unlinkSync(this.#unfinished);
    } catch {
      // The server removes what nobody finished.
    }
  }

  get #unfinished(): string {
    return join(this.#folder, `${UNFINISHED}${this.#name}`);
  }

  #writeAll(octets: Buffer): void {
    for (let at = 0; at < octets.length;) at += writeSync(this.#descriptor, octets, at);
  }

  #syncName(): void {
    let folder: number | undefined;
    try {
      folder = openSync(this.#folder, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
      return fsyncSync(this.#descriptor);
    }
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  }

  #orAbandon(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.abandon();
      throw failureOf(error, DOING);
    }
  }

  #close(): void {
    if (this.#open) closeSync(this.#descriptor);
    this.#open = false;
  }
}

function orFail<T>(step: () => T, hints?: Readonly<Record<string, string>>): T {
  try {
    return step();
  } catch (error) {
    throw failureOf(error, DOING, hints);
  }
}
