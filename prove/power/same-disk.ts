/** Whether a replay gives the folder that is really there. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Image } from './disk.ts';

/** The configuration is not the product's; the others are shared memory and sockets. */
const LEFT_OUT = /\/(?:lock\.mdb|control\.sock|[^/]*-shm|postrider\.config\.mjs)$/;

/** In words, one for each file that differs. */
export function differences({ files }: Image, root: string): readonly string[] {
  const there = new Map(filesIn(root));
  const replayed = new Map([...files].filter(([path]) => !LEFT_OUT.test(path)));
  const missing = [...there.keys()].filter((path) => !replayed.has(path));
  const surplus = [...replayed.keys()].filter((path) => !there.has(path));
  const changed = [...replayed].filter(([path, octets]) => there.get(path)?.equals(octets) === false);
  return [
    ...missing.map((path) => `${path} was made unseen`),
    ...surplus.map((path) => `${path} is gone`),
    ...changed.map(([path]) => `${path} has other octets`),
  ];
}

function* filesIn(folder: string): Iterable<readonly [string, Buffer]> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (LEFT_OUT.test(path)) continue;
    const stat = statSync(path);
    if (stat.isDirectory()) yield* filesIn(path);
    else if (stat.isFile()) yield [path, readFileSync(path)];
  }
}
