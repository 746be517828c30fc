import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { killedIn } from './commit-kill.ts';

const END = '77 1700000000.300000 +++ killed by SIGKILL +++\n';
const EPOCH = 1_700_000_000_000;

describe('the last call of a trace', () => {
  const traces: readonly [name: string, line: string, point: string][] = [
    ['a page', '77 1700000000.250000 pwrite64(22, "\\2"..., 4096, 8192) = ?', 'commit: between its pages'],
    [
      'pages',
      '77 1700000000.250000 writev(22, [{iov_base="\\3"..., iov_len=4096}], 2) = ?',
      'commit: between its pages',
    ],
    ['the sync', '77 1700000000.250000 fdatasync(22 <unfinished ...>', 'commit: before its sync'],
    [
      'the page that makes it a commit',
      '77 1700000000.250000 pwrite64(23, "\\0"..., 128, 4136) = ?',
      'commit: before its last page',
    ],
  ];
  for (const [name, line, point] of traces)
    test(name, () => {
      const before = '78 1700000000.100000 fdatasync(22) = 0\n';
      const killed = killedIn(`${before}${line}\n${END}`, EPOCH);
      assert.equal(killed?.point, point);
      assert.equal(Math.round(killed.at), 250);
    });

  test('is nothing when the process lives', () => assert.equal(killedIn('77 1.0 fdatasync(22) = 0\n', 0), undefined));
});
