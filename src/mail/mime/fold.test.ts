import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ContentEditor } from './edits.ts';
import { foldingEdits } from './fold.ts';

/** So many of its octets were looked at one by one. */
function counted(section: Buffer): { readonly section: Buffer; readonly reads: () => number } {
  let reads = 0;
  const watched = new Proxy(section, {
    get(target, key) {
      if (typeof key === 'string' && /^-?\d+$/.test(key)) reads += 1;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { section: watched, reads: () => reads };
}

function readsOf(text: string): number {
  const { section, reads } = counted(Buffer.from(text));
  foldingEdits(section);
  return reads();
}

function folded(text: string): string | undefined {
  const section = Buffer.from(text);
  const edits = foldingEdits(section);
  if (edits === undefined) return undefined;
  const editor = new ContentEditor(edits);
  return Buffer.concat([...editor.push(section), ...editor.end()]).toString();
}

describe('work is linear in the section', () => {
  const shapes: Readonly<Record<string, (size: number) => string>> = {
    'many words, and as much white space behind them': (size) => `X: ${'a '.repeat(size / 4)}${' '.repeat(size / 2)}`,
    'white space between words': (size) => `X: ${`a${' '.repeat(900)}`.repeat(size / 901)}`,
    'short words before long ones': (size) => `X: ${`a ${'b'.repeat(990)} `.repeat(size / 993)}`,
    'colons': (size) => `X: ${'a: '.repeat(size / 3)}`,
    'nothing but white space': (size) => `X: ${' '.repeat(size)}`,
    'a line that cannot be folded before many that can': (size) =>
      `X: ${'a'.repeat(2000)}\r\n${`X: ${'a '.repeat(1000)}\r\n`.repeat(size / 2005)}`,
  }; // prettier-ignore
  for (const [name, shape] of Object.entries(shapes))
    test(name, () => {
      for (const size of [30_000, 120_000]) {
        const reads = readsOf(shape(size));
        assert.ok(reads <= 8 * size, `${reads} reads of ${size} octets`);
      }
    });
});

test('folds stand before white space alone, and make no line that is too long or blank (property)', () => {
  const unit = fc.constantFrom(' ', '\t', ':', 'a', 'b'.repeat(70), 'c'.repeat(400), ' '.repeat(80));
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 60 }), (units) => {
      const text = `X:${units.join('')}\r\n`;
      const after = folded(text);
      if (after === undefined) return;
      assert.equal(after.replaceAll(/\r\n(?=[ \t])/g, ''), text);
      const all = after.split('\r\n');
      if (text.length <= 1000) assert.equal(after, text);
      else assert.ok(all.every((line) => line.length <= 998));
      if (after !== text) assert.ok(all.slice(0, -1).every((line) => line.trim() !== ''));
    }),
    { numRuns: 500 },
  );
});
