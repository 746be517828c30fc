/**
 * Users that Debian's mail servers insist on, without a line in the machine's /etc/passwd.
 *
 * `libnss_wrapper` shows one process (and what it starts) a user list of its own. Run by root, the servers really
 * turn into these users, whose numbers nobody else has; run by anybody else, `libuid_wrapper` lets them believe
 * that they start as root and turn, while everything happens as the user who runs the tests.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';

import { libraryFolders, packageRoot } from './debs.ts';

/** Far above what `useradd` gives out, below `nobody`. */
const FIRST_ID = 64_100;

export interface ForeignUsers {
  /** For the process that starts the server. */
  readonly env: Readonly<Record<string, string>>;
  /** Number of a user, to own files with; the groups have the same numbers. */
  readonly id: (name: string) => number;
}

export interface Wanted {
  /** Each with a group of the same name. */
  readonly users: readonly string[];
  /** Groups beside those. */
  readonly groups?: readonly string[];
  /** Folders that the server's own libraries are in. */
  readonly libraries: readonly string[];
  /** Where an ordinary user runs the tests, the server believes that it starts as root. */
  readonly pretendRoot?: boolean;
}

export async function foreignUsers(folder: string, wanted: Wanted): Promise<ForeignUsers> {
  const { users: names, groups = [], libraries, pretendRoot = true } = wanted;
  const isRoot = process.getuid?.() === 0;
  const own = process.getuid?.() ?? FIRST_ID;
  const id = (name: string) => (isRoot ? FIRST_ID + names.indexOf(name) : own);
  const passwd = join(folder, 'passwd');
  const group = join(folder, 'group');
  const users = names.map((name) => `${name}:x:${id(name)}:${id(name)}::/:/bin/sh`);
  // Without root all users share a number, and the first name found for it is taken for its owner.
  await writeFile(passwd, ['root:x:0:0::/:/bin/sh', ...users, 'nobody:x:65534:65534::/:/bin/sh', ''].join('\n'));
  const lines = groups.map((name, at) => `${name}:x:${FIRST_ID + 50 + at}:`);
  const ofUsers = names.map((name) => `${name}:x:${id(name)}:`);
  await writeFile(group, ['root:x:0:', ...ofUsers, ...lines, 'nogroup:x:65534:', ''].join('\n'));

  const [wrappers] = libraryFolders(await packageRoot('wrappers'));
  const preload = [join(wrappers!, 'libnss_wrapper.so')];
  const pretends = !isRoot && pretendRoot;
  if (pretends) preload.unshift(join(wrappers!, 'libuid_wrapper.so'));
  return {
    id,
    env: {
      LD_LIBRARY_PATH: libraries.join(':'),
      LD_PRELOAD: preload.join(' '),
      NSS_WRAPPER_PASSWD: passwd,
      NSS_WRAPPER_GROUP: group,
      ...(pretends ? { UID_WRAPPER: '1', UID_WRAPPER_ROOT: '1' } : {}),
    },
  };
}
