/**
 * A disk that promises as little as POSIX lets it.
 *
 * What was written to a file is durable when an fsync that began after the write had ended has returned, or when the
 * write itself returned on an O_DSYNC descriptor. Before that each sector of 512 octets may be there or not, and the
 * file may have grown or not; a sector that is missing below the end of the file is zeros. A name (made, moved,
 * removed) is durable when an fsync of its folder has returned; a file's own fsync does not help its name. A move
 * between two folders is a name in each of them, and either may be lost; within one folder it is one change.
 */

import { basename, dirname } from 'node:path';
import { type Operation, type Written } from './operations.ts';

export const SECTOR = 512;

/** Decides what a power cut leaves of what was not durable. Asked in the same order for the same disk. */
export interface Chance {
  /** Whether a change of names happened. */
  name(): boolean;
  /** Which sectors of a write are there, out of so many; and whether the file has grown even where they are not. */
  write(sectors: number): { readonly kept: (sector: number) => boolean; readonly grown: boolean };
  resize(): boolean;
}

export const NOTHING_KEPT: Chance = {
  name: () => false,
  write: () => ({ kept: () => false, grown: false }),
  resize: () => false,
};
export const ALL_KEPT: Chance = {
  name: () => true,
  write: () => ({ kept: () => true, grown: true }),
  resize: () => true,
};

interface Pending {
  readonly left: number;
}

interface PendingWrite extends Pending {
  readonly kind: 'write';
  readonly octets: Buffer;
  readonly position: number;
}

interface PendingResize extends Pending {
  readonly kind: 'resize';
  readonly octets: number;
}

interface PendingNames extends Pending {
  readonly changes: readonly (readonly [name: string, node: Inode | undefined])[];
}

interface File {
  readonly kind: 'file';
  durable: Buffer;
  size: number;
  pending: (PendingWrite | PendingResize)[];
}

interface Folder {
  readonly kind: 'folder';
  readonly durable: Map<string, Inode>;
  readonly names: Map<string, Inode>;
  pending: PendingNames[];
}

type Inode = File | Folder;

/** What is found after a power cut: octets of files by path, below the root; folders by their path alone. */
export interface Image {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly folders: readonly string[];
}

/** Something that happens at one moment: an operation begins, or what it makes durable is durable. */
export interface Step {
  readonly at: number;
  readonly moment: number;
  readonly operation: Operation;
  readonly phase: 'entered' | 'left';
}

/** All moments of the operations in order. An operation that never returned is never left. */
export function stepsOf(operations: readonly Operation[]): readonly Step[] {
  const steps: Step[] = [];
  for (const operation of operations) {
    const { entered, left, at } = operation;
    steps.push({ at, moment: entered, operation, phase: 'entered' });
    if (left !== Infinity) steps.push({ at, moment: left, operation, phase: 'left' });
  }
  steps.sort((a, b) => a.moment - b.moment);
  // A line of the trace has the time at which it was entered; nothing is earlier than what stands before it.
  let latest = 0;
  return steps.map((step) => ({ ...step, at: (latest = Math.max(latest, step.at)) }));
}

export class Disk {
  readonly #root: string;
  readonly #tree = newFolder();
  /** What a sync that is under way will have made durable. */
  readonly #covered = new Map<Operation, { readonly node: Inode; readonly pending: ReadonlySet<Pending> }>();

  /** `root` is a folder that is there and durable. */
  constructor(root: string) {
    this.#root = root;
  }

  step({ operation, phase, moment }: Step): void {
    if (phase === 'left') return this.#left(operation);
    const { left, path } = operation as Operation & { readonly path: string };
    switch (operation.kind) {
      case 'create':
        return this.#make(path, left, newFile);
      case 'mkdir':
        return this.#make(path, left, newFolder);
      case 'write':
        return this.#write(path, left, operation);
      case 'resize':
        return this.#resize(path, left, operation.octets);
      case 'unlink':
        return change(this.#folderOf(path), left, [[basename(path), undefined]]);
      case 'rename':
        return this.#rename(path, operation.to, left);
      case 'sync':
        return this.#sync(operation, path, moment);
      case 'said':
        return undefined;
    }
  }

  /** How many changes are not durable. */
  get pending(): number {
    let count = 0;
    for (const node of nodesOf(this.#tree)) count += node.pending.length;
    return count;
  }

  /** What a cut at this moment leaves. `paths` begin with the root. */
  image(chance: Chance): Image {
    const files = new Map<string, Buffer>();
    const folders: string[] = [];
    const contents = new Map<File, Buffer>();
    const visit = (folder: Folder, path: string): void => {
      for (const [name, node] of namesLeft(folder, chance)) {
        const below = `${path}/${name}`;
        if (node.kind === 'folder') {
          folders.push(below);
          visit(node, below);
        } else {
          const octets = contents.get(node) ?? contentLeft(node, chance);
          contents.set(node, octets);
          files.set(below, octets);
        }
      }
    };
    visit(this.#tree, this.#root);
    return { files, folders };
  }

  #make(path: string, left: number, make: () => Inode): void {
    const folder = this.#folderOf(path);
    if (!folder.names.has(basename(path))) change(folder, left, [[basename(path), make()]]);
  }

  #write(path: string, left: number, operation: Operation & { readonly write: Written }): void {
    const file = this.#fileAt(path);
    const { octets, position: place, isSynced } = operation.write;
    const position = place === 'end' ? file.size : place;
    const written: PendingWrite = { kind: 'write', left, octets, position };
    file.pending.push(written);
    file.size = Math.max(file.size, position + octets.length);
    if (isSynced) this.#covered.set(operation, { node: file, pending: new Set([written]) });
  }

  #resize(path: string, left: number, octets: number): void {
    const file = this.#fileAt(path);
    if (file.size === octets) return;
    file.pending.push({ kind: 'resize', left, octets });
    file.size = octets;
  }

  #rename(from: string, to: string, left: number): void {
    const [source, target] = [this.#folderOf(from), this.#folderOf(to)];
    const moved: Inode = this.#at(from);
    if (source === target) {
      return change(source, left, [
        [basename(from), undefined],
        [basename(to), moved],
      ]);
    }
    change(target, left, [[basename(to), moved]]);
    change(source, left, [[basename(from), undefined]]);
  }

  #sync(operation: Operation, path: string, moment: number): void {
    const node = path === this.#root ? this.#tree : this.#at(path);
    const before = (node.pending as readonly Pending[]).filter(({ left }) => left < moment);
    this.#covered.set(operation, { node, pending: new Set(before) });
  }

  #left(operation: Operation): void {
    const covered = this.#covered.get(operation);
    if (covered === undefined) return;
    this.#covered.delete(operation);
    const { node, pending } = covered;
    if (node.kind === 'folder') {
      for (const names of node.pending) if (pending.has(names)) apply(node.durable, names);
      node.pending = node.pending.filter((names) => !pending.has(names));
    } else {
      for (const one of node.pending) if (pending.has(one)) node.durable = applied(node.durable, one);
      node.pending = node.pending.filter((one) => !pending.has(one));
    }
  }

  #at(path: string): Inode {
    const node = this.#folderOf(path).names.get(basename(path));
    if (node === undefined) throw new Error(`the trace uses ${path}, which it has not made`);
    return node;
  }

  #fileAt(path: string): File {
    const node = this.#at(path);
    if (node.kind !== 'file') throw new Error(`the trace writes to ${path}, which is no file`);
    return node;
  }

  #folderOf(path: string): Folder {
    const parent = dirname(path);
    const node = parent === this.#root ? this.#tree : this.#at(parent);
    if (node.kind !== 'folder') throw new Error(`${parent} is no folder`);
    return node;
  }
}

function newFile(): File {
  return { kind: 'file', durable: Buffer.alloc(0), size: 0, pending: [] };
}

function newFolder(): Folder {
  return { kind: 'folder', durable: new Map(), names: new Map(), pending: [] };
}

function change(folder: Folder, left: number, changes: PendingNames['changes']): void {
  const names = { left, changes };
  folder.pending.push(names);
  apply(folder.names, names);
}

function apply(names: Map<string, Inode>, { changes }: PendingNames): void {
  for (const [name, node] of changes) {
    if (node === undefined) names.delete(name);
    else names.set(name, node);
  }
}

function namesLeft(folder: Folder, chance: Chance): Map<string, Inode> {
  const names = new Map(folder.durable);
  for (const pending of folder.pending) if (chance.name()) apply(names, pending);
  return names;
}

function applied(octets: Buffer, one: PendingWrite | PendingResize): Buffer {
  if (one.kind === 'resize') return resized(octets, one.octets);
  const whole = resized(octets, Math.max(octets.length, one.position + one.octets.length));
  one.octets.copy(whole, one.position);
  return whole;
}

/** Always a copy: an image may still hold the one before. */
function resized(octets: Buffer, size: number): Buffer {
  const copy = Buffer.alloc(size);
  octets.copy(copy, 0, 0, Math.min(size, octets.length));
  return copy;
}

function contentLeft({ durable, pending }: File, chance: Chance): Buffer {
  let octets = durable;
  for (const one of pending) {
    if (one.kind === 'resize') octets = chance.resize() ? resized(octets, one.octets) : octets;
    else octets = partlyWritten(octets, one, chance);
  }
  return octets;
}

/** Sectors lie on the disk, so the first and the last of a write may be shared with what stood there before. */
function partlyWritten(before: Buffer, { octets, position }: PendingWrite, chance: Chance): Buffer {
  const first = Math.floor(position / SECTOR);
  const end = position + octets.length;
  const sectors = Math.ceil(end / SECTOR) - first;
  const { kept, grown } = chance.write(sectors);
  const pieces: (readonly [from: number, to: number])[] = [];
  for (let sector = 0; sector < sectors; sector += 1) {
    const from = Math.max(position, (first + sector) * SECTOR);
    const to = Math.min(end, (first + sector + 1) * SECTOR);
    if (kept(sector)) pieces.push([from, to]);
  }
  const last = grown ? end : (pieces.at(-1)?.[1] ?? 0);
  const after = resized(before, Math.max(before.length, last));
  for (const [from, to] of pieces) octets.copy(after, from, from - position, to - position);
  return after;
}

function* nodesOf(folder: Folder): Iterable<Inode> {
  yield folder;
  for (const node of folder.names.values()) {
    if (node.kind === 'folder') yield* nodesOf(node);
    else yield node;
  }
}
