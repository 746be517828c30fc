/** The disk that promises nothing but what POSIX does. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { chanceFrom } from './chance.ts';
import { ALL_KEPT, type Chance, Disk, NOTHING_KEPT, SECTOR, stepsOf } from './disk.ts';
import { type Operation, type Written } from './operations.ts';

type Deed = Omit<Operation, 'entered' | 'left' | 'at'> & {
  readonly path: string;
  readonly write?: Written;
  readonly to?: string;
};

/** One after the other, each over before the next. */
function inTurn(...deeds: readonly (Deed & { readonly octets?: number })[]): readonly Operation[] {
  return deeds.map((deed, i) => ({ ...deed, entered: 2 * i, left: 2 * i + 1, at: i }) as unknown as Operation);
}

function diskAfter(operations: readonly Operation[], steps = Infinity): Disk {
  const disk = new Disk('/r');
  for (const step of stepsOf(operations).slice(0, steps)) disk.step(step);
  return disk;
}

function contents(disk: Disk, chance: Chance): Readonly<Record<string, string>> {
  const { files, folders } = disk.image(chance);
  return Object.fromEntries([
    ...folders.map((path) => [path, '/'] as const),
    ...[...files].map(([path, octets]) => [path, String(octets)] as const),
  ]);
}

const write = (path: string, text: string, position: number | 'end' = 'end', isSynced = false): Deed => ({
  kind: 'write',
  path,
  write: { octets: Buffer.from(text), position, isSynced },
});
const create = (path: string): Deed => ({ kind: 'create', path });
const sync = (path: string): Deed => ({ kind: 'sync', path });

describe('what survives when nothing is kept that was not synced', () => {
  const cases: readonly { name: string; deeds: readonly Deed[]; want: Readonly<Record<string, string>> }[] = [
    { name: 'a file that was written', deeds: [create('/r/a'), write('/r/a', 'x')], want: {} },
    {
      name: 'a file that was synced, its folder not',
      deeds: [create('/r/a'), write('/r/a', 'x'), sync('/r/a')],
      want: {},
    },
    {
      name: 'its folder synced, the file not',
      deeds: [create('/r/a'), write('/r/a', 'x'), sync('/r')],
      want: { '/r/a': '' },
    },
    {
      name: 'both',
      deeds: [create('/r/a'), write('/r/a', 'x'), sync('/r/a'), sync('/r'), write('/r/a', 'y')],
      want: { '/r/a': 'x' },
    },
    {
      name: 'a folder whose own name is not synced',
      deeds: [{ kind: 'mkdir', path: '/r/d' }, create('/r/d/a'), sync('/r/d/a'), sync('/r/d')],
      want: {},
    },
    {
      name: 'a write that is synced by itself',
      deeds: [create('/r/a'), sync('/r'), write('/r/a', 'x'), write('/r/a', 'y', 1, true)],
      want: { '/r/a': '\0y' },
    },
    {
      name: 'a move within a folder',
      deeds: [create('/r/a'), sync('/r'), { kind: 'rename', path: '/r/a', to: '/r/b' }],
      want: { '/r/a': '' },
    },
    {
      name: 'a move to another folder of which only the old one is synced',
      deeds: [
        { kind: 'mkdir', path: '/r/d' },
        create('/r/a'),
        sync('/r'),
        { kind: 'rename', path: '/r/a', to: '/r/d/a' },
        sync('/r'),
      ],
      want: { '/r/d': '/' },
    },
    {
      name: 'of which only the new one is synced',
      deeds: [
        { kind: 'mkdir', path: '/r/d' },
        create('/r/a'),
        sync('/r'),
        { kind: 'rename', path: '/r/a', to: '/r/d/a' },
        sync('/r/d'),
      ],
      want: { '/r/d': '/', '/r/d/a': '', '/r/a': '' },
    },
    {
      name: 'a file that was removed',
      deeds: [create('/r/a'), sync('/r'), { kind: 'unlink', path: '/r/a' }],
      want: { '/r/a': '' },
    },
  ];
  for (const { name, deeds, want } of cases)
    test(name, () => assert.deepEqual(contents(diskAfter(inTurn(...deeds)), NOTHING_KEPT), want));
});

describe('a sync', () => {
  const at = (deed: Deed, entered: number, left: number): Operation =>
    ({ ...deed, entered, left, at: 0 }) as unknown as Operation;
  const named = [at(create('/r/a'), 0, 1), at(sync('/r'), 2, 3)];

  test('does not cover a write that was not over when it began', () => {
    const operations = [...named, at(write('/r/a', 'x'), 4, 7), at(sync('/r/a'), 6, 9)];
    assert.deepEqual(contents(diskAfter(operations), NOTHING_KEPT), { '/r/a': '' });
  });

  test('promises nothing before it has returned', () => {
    const operations = [...named, at(write('/r/a', 'x'), 4, 5), at(sync('/r/a'), 6, 9)];
    assert.deepEqual(contents(diskAfter(operations, 7), NOTHING_KEPT), { '/r/a': '' });
    assert.deepEqual(contents(diskAfter(operations, 8), NOTHING_KEPT), { '/r/a': 'x' });
  });

  test('that never returns promises nothing', () => {
    const operations = [...named, at(write('/r/a', 'x'), 4, 5), at(sync('/r/a'), 6, Infinity)];
    assert.deepEqual(contents(diskAfter(operations), NOTHING_KEPT), { '/r/a': '' });
  });
});

describe('a write that is torn', () => {
  const text = 'a'.repeat(SECTOR) + 'b'.repeat(SECTOR) + 'c'.repeat(10);
  const disk = diskAfter(
    inTurn(create('/r/a'), write('/r/a', '-'.repeat(100)), sync('/r/a'), sync('/r'), write('/r/a', text)),
  );
  const torn = (kept: (sector: number) => boolean, grown: boolean): string =>
    contents(disk, { ...ALL_KEPT, write: () => ({ kept, grown }) })['/r/a'] ?? '';

  test('is torn where sectors of the disk end, not its own', () =>
    assert.equal(
      torn((sector) => sector === 0, false),
      '-'.repeat(100) + 'a'.repeat(SECTOR - 100),
    ));
  test('has zeros where a sector is missing before one that is there', () => {
    const octets = torn((sector) => sector === 2, false);
    assert.equal(octets, `${'-'.repeat(100)}${'\0'.repeat(2 * SECTOR - 100)}${text.slice(2 * SECTOR - 100)}`);
  });
  test('may have grown the file and nothing else', () =>
    assert.equal(
      torn(() => false, true),
      '-'.repeat(100) + '\0'.repeat(text.length),
    ));
});

test('whatever chance leaves lies between the two extremes, and the same seed leaves the same', () => {
  const deeds = [
    create('/r/a'),
    write('/r/a', 'x'.repeat(2000)),
    sync('/r'),
    create('/r/b'),
    write('/r/b', 'y'.repeat(600)),
  ];
  const operations = inTurn(...deeds);
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 0, max: 10 }), (seed, steps) => {
      const disk = diskAfter(operations, steps);
      const [left, most] = [contents(disk, chanceFrom(seed)), contents(disk, ALL_KEPT)];
      for (const path of Object.keys(contents(disk, NOTHING_KEPT))) assert.ok(path in left);
      for (const [path, octets] of Object.entries(left)) {
        assert.ok((most[path]?.length ?? -1) >= octets.length);
        assert.match(octets, path === '/r/a' ? /^[x\0]*$/ : /^[y\0]*$/);
      }
      assert.deepEqual(contents(diskAfter(operations, steps), chanceFrom(seed)), left);
    }),
  );
});

test('a trace that uses what it has not made is refused', () => {
  assert.throws(() => diskAfter(inTurn(write('/r/a', 'x'))), /has not made/);
  assert.throws(() => diskAfter(inTurn(create('/r/d/a'))), /has not made/);
});
