/** System calls and what they mean for a disk. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Operation, OperationReader } from './operations.ts';
import { hexed, parseTrace } from './trace.ts';

const ROOT = '/r';

function read(...calls: readonly string[]): readonly Operation[] {
  const reader = new OperationReader({ root: ROOT, smtpPort: 25 });
  const trace = calls.map((call, i) => `1 ${i}.0 ${call}`).join('\n');
  return parseTrace(trace, () => true).flatMap((call) => reader.read(call));
}

function words(operations: readonly Operation[]): readonly string[] {
  return operations.map((operation) => {
    const { kind } = operation;
    if (kind === 'said') return `said ${operation.octets}`;
    if (kind === 'write') {
      const { octets, position, isSynced } = operation.write;
      return `write ${operation.path} ${octets} at ${position}${isSynced ? ' synced' : ''}`;
    }
    if (kind === 'rename') return `rename ${operation.path} ${operation.to}`;
    return `${kind} ${operation.path}${kind === 'resize' ? ` ${operation.octets}` : ''}`;
  });
}

const h = (text: string): string => `"${hexed(text)}"`;
const fd = (number: number, path: string): string => `${number}<${hexed(path)}>`;
const open = (path: string, flags: string, number = 3): string =>
  `openat(AT_FDCWD<${hexed('/')}>, ${h(path)}, ${flags}, 0600) = ${fd(number, path)}`;

describe('what calls mean', () => {
  const cases: readonly { name: string; calls: readonly string[]; want: readonly string[] }[] = [
    { name: 'a file is made', calls: [open('/r/a', 'O_RDWR|O_CREAT')], want: ['create /r/a'] },
    { name: 'and emptied', calls: [open('/r/a', 'O_CREAT|O_TRUNC')], want: ['create /r/a', 'resize /r/a 0'] },
    { name: 'reading is nothing', calls: [open('/r/a', 'O_RDONLY')], want: [] },
    { name: 'another folder is nothing', calls: [open('/rr/a', 'O_RDWR|O_CREAT')], want: [] },
    {
      name: 'what failed is nothing',
      calls: [`mkdir(${h('/r/a')}, 0700) = -1 EEXIST (File exists)`],
      want: [],
    },
    {
      name: 'writes follow each other, as far as they went',
      calls: [
        open('/r/a', 'O_WRONLY|O_CREAT'),
        `write(${fd(3, '/r/a')}, ${h('abc')}, 3) = 2`,
        `writev(${fd(3, '/r/a')}, [{iov_base=${h('c')}, iov_len=1}, {iov_base=${h('d')}, iov_len=1}], 2) = 2`,
      ],
      want: ['create /r/a', 'write /r/a ab at 0', 'write /r/a cd at 2'],
    },
    {
      name: 'a place that was sought',
      calls: [
        open('/r/a', 'O_RDWR'),
        `lseek(${fd(3, '/r/a')}, 4096, SEEK_SET) = 4096`,
        `writev(${fd(3, '/r/a')}, [{iov_base=${h('c')}, iov_len=1}], 1) = 1`,
      ],
      want: ['write /r/a c at 4096'],
    },
    {
      name: 'a place of its own',
      calls: [
        open('/r/a', 'O_RDWR'),
        `pwrite64(${fd(3, '/r/a')}, ${h('c')}, 1, 512) = 1`,
        `pwritev(${fd(3, '/r/a')}, [{iov_base=${h('c')}, iov_len=1}], 1, 77) = 1`,
      ],
      want: ['write /r/a c at 512', 'write /r/a c at 77'],
    },
    {
      name: 'the end of the file',
      calls: [open('/r/a', 'O_WRONLY|O_APPEND'), `write(${fd(3, '/r/a')}, ${h('c')}, 1) = 1`],
      want: ['write /r/a c at end'],
    },
    {
      name: 'writes that are synced',
      calls: [open('/r/a', 'O_WRONLY|O_DSYNC'), `pwrite64(${fd(3, '/r/a')}, ${h('c')}, 1, 0) = 1`],
      want: ['write /r/a c at 0 synced'],
    },
    {
      name: 'syncs of files and folders, and sizes',
      calls: [`fsync(${fd(5, '/r')}) = 0`, `fdatasync(${fd(5, '/r/a')}) = 0`, `ftruncate(${fd(5, '/r/a')}, 8272) = 0`],
      want: ['sync /r', 'sync /r/a', 'resize /r/a 8272'],
    },
    {
      name: 'names',
      calls: [
        `mkdir(${h('/r/b/')}, 0700) = 0`,
        `rename(${h('/r/a')}, ${h('/r/b/a')}) = 0`,
        `unlinkat(${fd(5, '/r/b')}, ${h('a')}, 0) = 0`,
        `rmdir(${h('/r/b')}) = 0`,
      ],
      want: ['mkdir /r/b', 'rename /r/a /r/b/a', 'unlink /r/b/a', 'unlink /r/b'],
    },
    {
      name: 'what is said to clients of ours, and to nobody else',
      calls: [
        `write(9<TCP:[127.0.0.1:25->127.0.0.1:4000]>, ${h('250 ok')}, 6) = 6`,
        `write(9<TCP:[127.0.0.1:4000->127.0.0.1:26]>, ${h('DATA')}, 4) = 4`,
      ],
      want: ['said 250 ok'],
    },
  ];
  for (const { name, calls, want } of cases) test(name, () => assert.deepEqual(words(read(...calls)), want));
});

describe('what is refused, since it would go unseen', () => {
  const cases = [
    `mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, ${fd(3, '/r/data.mdb')}, 0) = 0x7f`,
    `io_uring_setup(64, {flags=IORING_SETUP_SQPOLL}) = 5`,
    `fallocate(${fd(3, '/r/a')}, 0, 0, 100) = 0`,
    `copy_file_range(${fd(3, '/r/a')}, NULL, ${fd(4, '/r/b')}, NULL, 9, 0) = 9`,
    `link(${h('/r/a')}, ${h('/r/b')}) = 0`,
    `rename(${h('/x/a')}, ${h('/r/b')}) = 0`,
    `write(${fd(3, '/r/never-opened')}, ${h('c')}, 1) = 1`,
  ];
  for (const call of cases) test(call.slice(0, 30), () => assert.throws(() => read(call), /not understood/));

  test('but not shared memory, maps to read, and rings for sockets', () => {
    const calls = [
      `mmap(NULL, 8272, PROT_READ|PROT_WRITE, MAP_SHARED, ${fd(3, '/r/lock.mdb')}, 0) = 0x7f`,
      `mmap(NULL, 8272, PROT_READ, MAP_SHARED, ${fd(3, '/r/data.mdb')}, 0) = 0x7f`,
      `io_uring_setup(64, {flags=0}) = 5`,
    ];
    assert.deepEqual(read(...calls), []);
  });
});
