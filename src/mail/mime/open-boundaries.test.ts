import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import fc from 'fast-check';
import { type Delimiting, OpenBoundaries } from './open-boundaries.ts';
import { MimeWalk } from './walk.ts';

/** RFC 2046 §5.1.1, read level by level. */
function compared(boundaries: readonly string[], line: Buffer, within: number): Delimiting | undefined {
  for (let level = Math.min(boundaries.length, within) - 1; level >= 0; level -= 1) {
    const delimiter = Buffer.from(`--${boundaries[level]}`);
    if (!line.subarray(0, delimiter.length).equals(delimiter)) continue;
    const rest = line.toString('latin1', delimiter.length).replace(/[ \t]*\r?\n?$/, '');
    if (rest === '') return { level, how: 'opens' };
    if (rest === '--') return { level, how: 'closes' };
  }
  return undefined;
}

// Some the beginning of another, with dashes at the end, with white space, not ASCII.
const boundary = fc
  .string({ unit: fc.constantFrom('b', '-', '--', ' ', '\t', 'ü', '=', '\r'), minLength: 1, maxLength: 5 })
  .filter((text) => text.trimEnd() === text && text !== '');
const change = fc.oneof({ weight: 3, arbitrary: boundary }, fc.constant(undefined));

test('every line is found as if it were compared with each boundary (property)', () => {
  const rest = fc.constantFrom('', '--', '-', '-- ', ' ', ' \t', 'b', '\r', ' --', '----', '\r ');
  const end = fc.constantFrom('\r\n', '\n', '\r', '');
  const within = fc.oneof(fc.constant(Infinity), fc.nat({ max: 10 }));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), fc.nat(), rest, end, within, boundary, (...given) => {
      const [changes, which, behind, lineEnd, limit, other] = given;
      const open = new OpenBoundaries();
      const stack: string[] = [];
      for (const each of changes) {
        const last = each === undefined ? stack.pop() : undefined;
        if (last !== undefined) open.close(last);
        if (each === undefined) continue;
        open.open(each, stack.length);
        stack.push(each);
      }
      for (const begins of [stack[which % (stack.length || 1)] ?? other, other]) {
        const line = Buffer.from(`--${begins}${behind}${lineEnd}`);
        assert.deepEqual(open.find(line, limit), compared(stack, line, limit));
      }
    }),
    { numRuns: 5000 },
  );
});

test('what a line costs does not grow with the depth', () => {
  const lines = `${'--x\r\n'.repeat(1000)}--b0${' '.repeat(900)}x\r\n`;
  const costOf = (depth: number, boundaryOf: (level: number) => string): number => {
    const walk = new MimeWalk(() => undefined);
    for (let level = 0; level < depth; level += 1) {
      const type = `Content-Type: multipart/mixed; boundary=${boundaryOf(level)}\r\n\r\n`;
      walk.push(Buffer.from(`${type}--${boundaryOf(level)}\r\n`));
    }
    walk.push(Buffer.from('\r\n'));
    const spies = (['compare', 'equals', 'toString', 'subarray'] as const).map((name) =>
      mock.method(Buffer.prototype, name),
    );
    spies.push(mock.method(Map.prototype, 'get') as never);
    walk.push(Buffer.from(lines));
    const calls = spies.reduce((sum, spy) => sum + spy.mock.callCount(), 0);
    for (const spy of spies) spy.mock.restore();
    return calls;
  };
  assert.equal(costOf(97, (level) => `b${level}`), costOf(2, (level) => `b${level}`)); // prettier-ignore
  assert.equal(costOf(97, () => 'b0'), costOf(2, () => 'b0')); // prettier-ignore
});
