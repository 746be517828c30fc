/**
 * House style where lint has no rule for it: the longest function and file of each part, and what no file of the
 * repository may hold.
 *
 * Lint holds everybody to the limits; here each part is held to what it has reached. `test/style-limits.json` records
 * it, rounded up. Growing past it on purpose: `RECORD_STYLE=1 node --test test/style.test.ts`, and say why in the commit.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { describe, test } from 'node:test';

interface Longest {
  function: number;
  file: number;
}
type Limits = Record<string, Longest>;
interface Found {
  readonly lines: number;
  readonly where: string;
}

const LIMITS = 'test/style-limits.json';
/** For a part that is not recorded yet. */
const UNRECORDED: Longest = { function: 40, file: 300 };
/** Nobody is asked to stay below these. */
const SHORT: Longest = { function: 25, file: 100 };
const ROUNDING: Longest = { function: 5, file: 50 };
/** What lint allows. */
const MOST: Longest = { function: 60, file: 400 };
const KINDS = ['function', 'file'] as const;

const found = measure();
const recorded = JSON.parse(readFileSync(LIMITS, 'utf8')) as Limits;
if (process.env['RECORD_STYLE'] !== undefined) record();

describe('no part grows past what it has reached', () => {
  for (const [part, longest] of found) {
    const summary = KINDS.map((kind) => `${kind} ${longest[kind].lines} (${longest[kind].where})`).join(', ');
    test(`${part}: ${summary}`, () => {
      for (const kind of KINDS) {
        const limit = recorded[part]?.[kind] ?? UNRECORDED[kind];
        const { lines, where } = longest[kind];
        assert.ok(lines <= limit, `${where}: a ${kind} of ${lines} lines; ${part} has none longer than ${limit}`);
      }
    });
  }

  test('the record names no part that is gone', () => {
    assert.deepEqual(
      Object.keys(recorded).filter((part) => !found.has(part)),
      [],
    );
  });
});

/** Counted by lint, as it counts for its limits: without empty lines and comments. */
function measure(): ReadonlyMap<string, Record<keyof Longest, Found>> {
  const longest = new Map<string, Record<keyof Longest, Found>>();
  for (const { message, filename, labels } of diagnostics()) {
    const [, what, lines] = /^(File|The function).* \((\d+)\)/.exec(message) ?? [];
    if (lines === undefined) continue;
    const part = filename.split('/')[1]!;
    const kind = what === 'File' ? 'file' : 'function';
    const where = kind === 'file' ? filename : `${filename}:${labels[0]?.span.line}`;
    const known = longest.get(part) ?? { function: { lines: 0, where: '' }, file: { lines: 0, where: '' } };
    if (Number(lines) > known[kind].lines) known[kind] = { lines: Number(lines), where };
    longest.set(part, known);
  }
  return new Map([...longest].toSorted(([a], [b]) => a.localeCompare(b)));
}

interface Diagnostic {
  readonly message: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

function diagnostics(): readonly Diagnostic[] {
  const folder = mkdtempSync(join(tmpdir(), 'postrider-style-'));
  try {
    const rule = ['error', { max: 1, skipBlankLines: true, skipComments: true }];
    const rules = { 'max-lines': rule, 'max-lines-per-function': rule };
    const config = join(folder, 'oxlint.json');
    writeFileSync(config, JSON.stringify({ categories: { correctness: 'off' }, rules }));
    const unread = ['test', 'contract'].flatMap((kind) => ['--ignore-pattern', `**/*.${kind}.ts`]);
    const argv = ['node_modules/oxlint/bin/oxlint', '-c', config, '-f', 'json', ...unread, 'src'];
    const { stdout } = spawnSync(process.execPath, argv, { encoding: 'utf8', maxBuffer: 1 << 26 });
    return (JSON.parse(stdout) as { readonly diagnostics: readonly Diagnostic[] }).diagnostics;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function record(): void {
  const rounded = (kind: keyof Longest, lines: number): number =>
    Math.min(MOST[kind], Math.ceil(Math.max(lines, SHORT[kind]) / ROUNDING[kind]) * ROUNDING[kind]);
  for (const part of Object.keys(recorded)) delete recorded[part];
  for (const [part, longest] of found)
    recorded[part] = {
      function: rounded('function', longest.function.lines),
      file: rounded('file', longest.file.lines),
    };
  const rows = Object.entries(recorded).map(
    ([part, { function: lines, file }]) => `  "${part}": { "function": ${lines}, "file": ${file} }`,
  );
  writeFileSync(LIMITS, `{\n${rows.join(',\n')}\n}\n`);
}

describe('the repository', () => {
  const texts = repositoryTexts();

  test('is seen at all', () => {
    for (const path of ['package.json', 'src/lib/time.ts', 'test/style.test.ts', '.ci/run'])
      assert.ok(texts.has(path), `${path} is not among ${texts.size} files`);
  });

  // Each pattern is written so that it does not match itself.
  const rules: readonly { name: string; pattern: RegExp; where?: RegExp; hint: string }[] = [
    {
      name: 'names no package registry',
      pattern: /registry\.[a-z]+(?:js|mirror)?\.(?:org|com)|[n]pmmirror|[a]rtifactory|[v]erdaccio/i,
      hint: 'installations choose their registry themselves',
    },
    {
      name: 'names no path of one machine',
      pattern: /(?<![\w.~}])\/(?:work|Users|home\/[a-z]+)\/[\w.]/,
      where: /^(?!test\/(?:dialogue|golden|corpus)\/)/,
      hint: 'make the path from import.meta.dirname, or take it from the environment',
    },
    {
      name: 'leaves nothing to do in comments',
      pattern: /\b[T]ODO\b|\b[F]IXME\b/,
      where: /\.(?:ts|js|md|sh)$|run$/,
      hint: 'an issue, or "left out" in the header',
    },
    {
      name: 'runs every test',
      pattern: /\b(?:test|it|describe|suite)\.[o]nly\(|\bonly: true/,
      where: /\.(?:test|contract)\.ts$/,
      hint: 'it keeps the others of the file from running',
    },
    {
      name: 'writes to the console in the command line only',
      pattern: /\bconsole\.\w+\(/,
      where: /^src\/(?!cli\/).*(?<!\.test)\.ts$/,
      hint: 'free text is for operators, through ports/log.ts; what happens to mail is an event',
    },
    {
      name: 'has no files of leftovers',
      pattern: /^/,
      where: /(?:^|\/)(?:utils?|helpers?|common|types|misc)\.ts$/,
      hint: 'name the file by what it exports',
    },
  ];
  for (const { name, pattern, where, hint } of rules) {
    test(name, () => {
      const breaches = [...texts]
        .filter(([path]) => where === undefined || where.test(path))
        .flatMap(([path, text]) => {
          const at = text.search(pattern);
          return at === -1 ? [] : [`${path}:${text.slice(0, at).split('\n').length}`];
        });
      assert.deepEqual(breaches, [], hint);
    });
  }

  // The runner takes the tests it knows for all there are: when they end during such an await, `after` is run, and what
  // it ends is missed by the tests that come later.
  test('waits for nothing between the tests of a file that has an end of its own', () => {
    const breaches = [...texts]
      .filter(([path, text]) => path.endsWith('.test.ts') && /^after\(/m.test(text))
      .flatMap(([path, text]) => {
        const lines = text.split('\n');
        const first = lines.findIndex((line) => /^(?:describe|test|for) ?\(/.test(line));
        const late = lines.findIndex(
          (line, at) => at > first && /^\S.*\bawait\b/.test(line) && !/\basync\b/.test(line),
        );
        return first === -1 || late === -1 ? [] : [`${path}:${late + 1}`];
      });
    assert.deepEqual(breaches, []);
  });

  test('locks versions without saying where they came from', () => {
    const lock = JSON.parse(texts.get('package-lock.json')!) as { packages: Record<string, { resolved?: string }> };
    const packages = Object.entries(lock.packages);
    assert.ok(packages.length > 10);
    assert.deepEqual(
      packages.filter(([, { resolved }]) => resolved !== undefined).map(([name]) => name),
      [],
    );
  });

  test('says at the head of each source what it is', () => {
    const headless = [...texts]
      .filter(([path]) => /^src\/.*\.ts$/.test(path) && !path.endsWith('.test.ts'))
      .filter(([, text]) => !/^(?:#!.*\n)?\/\*\*/.test(text))
      .map(([path]) => path);
    assert.deepEqual(headless, []);
  });
});

/** All text files that are ours. */
function repositoryTexts(): ReadonlyMap<string, string> {
  const trees = ['src', 'test', 'scripts', 'bin', 'bench', 'docs', 'packaging', '.ci'];
  const paths = [...globSync(trees.map((tree) => `${tree}/**/*`)), ...globSync('*'), ...globSync('.*rc.json')];
  const texts = new Map<string, string>();
  for (const path of paths.map((path) => path.replaceAll('\\', '/'))) {
    if (!statSync(path).isFile() || /\.(?:mdb|zst|png|sqlite|log)$/.test(path)) continue;
    texts.set(path, readFileSync(path, 'utf8'));
  }
  return texts;
}
