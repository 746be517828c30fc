/** Traces as strace writes them, read back. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { descriptorOf, hexed, parseTrace, stringsOf } from './trace.ts';

const all = (): boolean => true;

describe('a trace', () => {
  test('a call on one line is entered and left there', () => {
    const [call] = parseTrace('12 1.5 fsync(3<\\x2f\\x61>) = 0', all);
    assert.deepEqual(call, { name: 'fsync', args: '3<\\x2f\\x61>', result: 0, entered: 0, left: 1, at: 1500 });
  });

  test('a call that others interrupt is left where it is resumed', () => {
    const trace = [
      '12 1.0 fdatasync(3<\\x2f\\x61> <unfinished ...>',
      '13 1.1 write(4<\\x2f\\x62>, "\\x41", 1) = 1',
      '12 1.2 <... fdatasync resumed>)       = 0',
    ].join('\n');
    const calls = parseTrace(trace, all);
    assert.deepEqual(
      calls.map(({ name, entered, left, result }) => [name, entered, left, result]),
      [
        ['fdatasync', 0, 5, 0],
        ['write', 2, 3, 1],
      ],
    );
  });

  test('arguments that come with the end are part of the call', () => {
    const trace =
      '12 1.0 io_uring_setup(256, {flags=0 <unfinished ...>\n12 1.1 <... io_uring_setup resumed>, cq=1}) = 5';
    assert.equal(parseTrace(trace, all)[0]?.args, '256, {flags=0, cq=1}');
  });

  test('a call whose process was killed is never left', () => {
    for (const end of ['', '\n12 1.2 <... write resumed>) = ?', '\n12 1.2 +++ killed by SIGKILL +++']) {
      const [call] = parseTrace(`12 1.0 write(3<\\x2f\\x61>, "\\x41", 1 <unfinished ...>${end}`, all);
      assert.deepEqual([call?.left, call?.result], [Infinity, undefined]);
    }
  });

  test('what is not wanted is left out, its end too; signals and ends of processes are no calls', () => {
    const trace = [
      '12 1.0 openat(AT_FDCWD<\\x2f>, "\\x61", O_RDONLY <unfinished ...>',
      '12 1.1 <... openat resumed>) = 3',
      '12 1.2 --- SIGTERM {si_signo=SIGTERM} ---',
      '12 1.3 +++ exited with 0 +++',
    ].join('\n');
    assert.deepEqual(
      parseTrace(trace, (text) => !text.startsWith('openat')),
      [],
    );
  });

  test('a second trace goes on counting', () =>
    assert.equal(parseTrace('12 1.5 fsync(3<\\x2f>) = 0', all, 100)[0]?.entered, 100));
});

describe('arguments', () => {
  const cases = [
    { args: `29<${hexed('/a/data.mdb')}>, "\\x41"`, want: { number: 29, target: '/a/data.mdb' } },
    { args: `AT_FDCWD<${hexed('/a')}>, "\\x41"`, want: { number: -100, target: '/a' } },
    { args: `38<${hexed('/a-shm')}>(deleted)`, want: { number: 38, target: '/a-shm' } },
    {
      args: '46<TCP:[127.0.0.1:25->127.0.0.1:4000]>, "\\x41"',
      want: { number: 46, target: 'TCP:[127.0.0.1:25->127.0.0.1:4000]' },
    },
    { args: '-1, 5', want: { number: -1, target: '' } },
    { args: '"\\x41"', want: { number: -1, target: '' } },
  ];
  for (const { args, want } of cases)
    test(`the descriptor of ${args}`, () => assert.deepEqual(descriptorOf(args), want));

  test('strings are octets', () =>
    assert.deepEqual(stringsOf('3, [{iov_base="\\x00\\xff", iov_len=2}, {iov_base="", iov_len=0}], 2'), [
      Buffer.from([0, 255]),
      Buffer.alloc(0),
    ]));

  test('a string that was cut short is refused', () =>
    assert.throws(() => stringsOf('3, "\\x41"..., 900'), /cut a string/));
});
