/**
 * From system calls to what they mean for a disk.
 *
 * Pure. A call on a path that is watched and whose effect is not known here throws: what is not understood must not
 * pass for something that was checked.
 */

import { join, normalize } from 'node:path';
import { type Call, descriptorOf, stringsOf, unhex } from './trace.ts';

interface Moments {
  readonly entered: number;
  /** Infinity: never. */
  readonly left: number;
  readonly at: number;
}

export type Operation = Moments &
  (
    | { readonly kind: 'create'; readonly path: string }
    | { readonly kind: 'mkdir'; readonly path: string }
    | { readonly kind: 'write'; readonly path: string; readonly write: Written }
    | { readonly kind: 'resize'; readonly path: string; readonly octets: number }
    | { readonly kind: 'sync'; readonly path: string }
    | { readonly kind: 'rename'; readonly path: string; readonly to: string }
    | { readonly kind: 'unlink'; readonly path: string }
    /** Octets that went to a client of the SMTP port. */
    | { readonly kind: 'said'; readonly octets: Buffer }
  );

export interface Written {
  readonly octets: Buffer;
  readonly position: number | 'end';
  /** It is durable when it returns (O_DSYNC, O_SYNC). */
  readonly isSynced: boolean;
}

export interface Watched {
  /** Paths below it are watched, and itself. */
  readonly root: string;
  readonly smtpPort: number;
}

interface OpenFile {
  readonly flags: ReadonlySet<string>;
  position: number;
}

/** Files that are shared memory and nothing else; both are made anew by whoever opens the store first. */
const SHARED_MEMORY = /(?:\/lock\.mdb|-shm)$/;
const OPENING = /^(?:openat|open|creat)$/;
const WRITING = /^(?:p?writev?2?|pwrite64)$/;
const SENDING = /^(?:write|writev|sendto|sendmsg)$/;
/** Calls on a watched file that change nothing on the disk; locks and the like are not traced at all. */
const HARMLESS = new Set(['close']);
const SQPOLL = 'IORING_SETUP_SQPOLL';

/** Reads calls in the order in which they were entered. */
export class OperationReader {
  readonly #watched: Watched;
  readonly #ours: string;
  readonly #open = new Map<string, OpenFile>();

  constructor(watched: Watched) {
    this.#watched = watched;
    this.#ours = `TCP:[127.0.0.1:${watched.smtpPort}->`;
  }

  read(call: Call): readonly Operation[] {
    if (call.name === 'io_uring_setup') return refuseRing(call);
    if (call.result !== undefined && call.result < 0) return [];
    const { number, target } = descriptorOf(call.args);
    if (target.startsWith(this.#ours)) return SENDING.test(call.name) ? [said(call)] : [];
    if (OPENING.test(call.name)) return this.#opened(call);
    if (/^(?:mkdir|rmdir|rename|unlink|link|symlink)/.test(call.name)) return this.#named(call);
    if (call.name === 'mmap') return this.#mapped(call);
    if (!this.#isWatched(target) || HARMLESS.has(call.name)) return [];
    return this.#onFile(call, number, target);
  }

  #isWatched(path: string): boolean {
    return path === this.#watched.root || path.startsWith(`${this.#watched.root}/`);
  }

  #opened(call: Call): readonly Operation[] {
    const [path = ''] = pathsOf(call);
    if (!this.#isWatched(path)) return [];
    const flags = new Set(call.args.slice(call.args.lastIndexOf('"') + 1).match(/O_[A-Z]+/g));
    if (call.name === 'creat') for (const flag of ['O_CREAT', 'O_TRUNC']) flags.add(flag);
    if (call.result !== undefined) this.#open.set(`${call.result} ${path}`, { flags, position: 0 });
    return [
      ...(flags.has('O_CREAT') ? [{ ...momentsOf(call), kind: 'create' as const, path }] : []),
      ...(flags.has('O_TRUNC') ? [{ ...momentsOf(call), kind: 'resize' as const, path, octets: 0 }] : []),
    ];
  }

  #named(call: Call): readonly Operation[] {
    const [path = '', to = ''] = pathsOf(call);
    if (![path, to].some((one) => this.#isWatched(one))) return [];
    const moments = momentsOf(call);
    if (/^unlink|^rmdir/.test(call.name)) return [{ ...moments, kind: 'unlink', path }];
    if (call.name.startsWith('mkdir')) return [{ ...moments, kind: 'mkdir', path }];
    if (!call.name.startsWith('rename') || !this.#isWatched(path) || !this.#isWatched(to)) throw notUnderstood(call);
    return [{ ...moments, kind: 'rename', path, to }];
  }

  /** What is written through a map leaves no call to see. */
  #mapped(call: Call): readonly Operation[] {
    const [, path = ''] = /, \d+<([^>]*)>, [^,]*$/.exec(call.args) ?? [];
    const target = descriptorOf(`0<${path}>`).target;
    const isWritable = call.args.includes('PROT_WRITE') && call.args.includes('MAP_SHARED');
    if (isWritable && this.#isWatched(target) && !SHARED_MEMORY.test(target)) throw notUnderstood(call);
    return [];
  }

  #onFile(call: Call, number: number, path: string): readonly Operation[] {
    const moments = momentsOf(call);
    if (WRITING.test(call.name)) return [this.#written(call, number, path)];
    switch (call.name) {
      case 'lseek':
        this.#fileOf(call, number, path).position = call.result ?? 0;
        return [];
      case 'fsync':
      case 'fdatasync':
        return [{ ...moments, kind: 'sync', path }];
      case 'ftruncate':
        return [{ ...moments, kind: 'resize', path, octets: Number(call.args.slice(call.args.lastIndexOf(',') + 1)) }];
      default:
        throw notUnderstood(call);
    }
  }

  #written(call: Call, number: number, path: string): Operation {
    const file = this.#fileOf(call, number, path);
    const all = Buffer.concat(stringsOf(call.args));
    const octets = all.subarray(0, call.result ?? all.length);
    const isSynced = file.flags.has('O_DSYNC') || file.flags.has('O_SYNC');
    return {
      ...momentsOf(call),
      kind: 'write',
      path,
      write: { octets, position: this.#place(call, file, octets), isSynced },
    };
  }

  #place({ name, args }: Call, file: OpenFile, { length }: Buffer): number | 'end' {
    if (file.flags.has('O_APPEND')) return 'end';
    if (!name.startsWith('p')) {
      file.position += length;
      return file.position - length;
    }
    // `pwritev2` has its flags behind the position.
    const numbers = args.slice(args.lastIndexOf(name === 'pwrite64' ? '"' : ']') + 1).split(', ');
    return Number(numbers[2] ?? numbers[1]);
  }

  #fileOf(call: Call, number: number, path: string): OpenFile {
    const file = this.#open.get(`${number} ${path}`);
    if (file === undefined) throw notUnderstood(call);
    return file;
  }
}

const PATH = /(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:\\x[0-9a-f]{2})*)"/g;

/** The paths among the arguments, each relative to the folder before it, if there is one. */
function pathsOf({ args }: Call): readonly string[] {
  return Array.from(args.matchAll(PATH), ([, folder = '', path = '']) => {
    const name = unhex(path).toString();
    return normalize(name.startsWith('/') ? name : join(unhex(folder).toString(), name)).replace(/(?<=.)\/$/, '');
  });
}

/** A ring that the kernel polls takes file operations that no call shows; the others only wait for sockets. */
function refuseRing(call: Call): readonly Operation[] {
  if (call.args.includes(SQPOLL)) throw notUnderstood(call);
  return [];
}

function said(call: Call): Operation {
  return { ...momentsOf(call), kind: 'said', octets: Buffer.concat(stringsOf(call.args)) };
}

function momentsOf({ entered, left, at }: Call): Moments {
  return { entered, left, at };
}

function notUnderstood({ name, args }: Call): Error {
  const readable = args.replaceAll(/(?:\\x[0-9a-f]{2})+/g, (hex) => JSON.stringify(hex.length > 400 ? '…' : text(hex)));
  return new Error(`the trace has a call that is not understood: ${name}(${readable.slice(0, 500)})`);
}

function text(hex: string): string {
  return unhex(hex).toString();
}
