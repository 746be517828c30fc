/**
 * What the documents say that can be checked: links lead somewhere, named files are there, configurations are valid, and
 * commands and their options exist.
 */

import assert from 'node:assert/strict';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { describe, test } from 'node:test';
import { type Command } from 'commander';
import { buildProgram, type Wiring } from '../src/cli/program.ts';
import { type Terminal } from '../src/cli/terminal.ts';
import { loadConfig } from '../src/config/load.ts';
import { formatProblem } from '../src/lib/schema-reading.ts';

const DOCUMENTS = ['*.md', 'docs/**/*.md', 'bench/results/*.md']
  .flatMap((pattern) => globSync(pattern))
  .map((path) => path.replaceAll('\\', '/'));
/** Written by people; the pages of the reference are made from the sources. */
const WRITTEN = DOCUMENTS.filter((path) => !path.startsWith('docs/reference/'));
const SOURCES = globSync('{src,test,scripts,bench,prove,bin}/**/*.{ts,js}').map((path) => path.replaceAll('\\', '/'));

test('there are documents', () => {
  for (const name of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'docs/rfc.md'])
    assert.ok(DOCUMENTS.includes(name), name);
});

describe('links lead somewhere', () => {
  for (const path of DOCUMENTS) {
    test(path, () => {
      const links = [...prose(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
      assert.deepEqual(
        links.filter((link) => !/^[a-z]+:/.test(link) && !leadsSomewhere(path, link)),
        [],
      );
    });
  }
});

/** To a file or a folder that is there, and in it to a heading. */
function leadsSomewhere(path: string, link: string): boolean {
  const [file = '', anchor] = link.split('#');
  const target = file === '' ? path : normalize(join(dirname(path), file));
  return existsSync(target) && (anchor === undefined || anchorsOf(target).includes(anchor));
}

/** As GitHub makes them of headings. */
function anchorsOf(path: string): readonly string[] {
  const headings = [...prose(path).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
  return headings.map((heading, i) => {
    const before = headings.slice(0, i).filter((other) => other === heading).length;
    return before === 0 ? heading : `${heading}-${before}`;
  });
}

describe('files that are named are there', () => {
  for (const path of WRITTEN) {
    test(path, () => {
      const names = [...prose(path).matchAll(/`([\w./-]+\.(?:contract\.|test\.)?ts)`/g)].map(([, name]) => name!);
      assert.deepEqual(
        names.filter((name) => !NAMED_FREELY.has(name) && !isSource(name)),
        [],
      );
    });
  }
});

/** Names that documents use without meaning a file of ours. */
const NAMED_FREELY = new Set(['postrider.config.ts', 'utils.ts']);

function isSource(name: string): boolean {
  return SOURCES.some((source) => source === name || source.endsWith(`/${name}`));
}

// What is shown takes the password from there, and an empty one is refused.
process.env['SMARTHOST_PASSWORD'] = 'secret';

describe('configurations that are shown are valid', () => {
  const shown = DOCUMENTS.flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/^```ts\n([^]*?)^```$/gm)]
      .map(([, text]) => text!)
      .filter((text) => text.includes('defineConfig'))
      .map((text, i) => [`${path}, number ${i + 1}`, text] as const),
  );
  test('some are', () => {
    assert.ok(shown.filter(([name]) => name.startsWith('docs/guide/configuration.md')).length >= 8);
    assert.ok(shown.some(([name]) => name.startsWith('README.md')));
  });
  for (const [name, text] of shown) {
    test(name, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'postrider-documents-'));
      try {
        const file = join(folder, 'postrider.config.ts');
        writeFileSync(file, text);
        const loaded = await loadConfig(file, 1);
        assert.deepEqual(loaded.ok ? [] : loaded.problems.map(formatProblem), []);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
});

test('npm scripts that are named exist', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly scripts: Record<string, string> };
  const named = DOCUMENTS.flatMap((path) => [
    ...readFileSync(path, 'utf8').matchAll(/npm (?:run ([\w:-]+)|(start|test))/g),
  ]);
  const missing = named.map(([, script, short]) => script ?? short!).filter((script) => scripts[script] === undefined);
  assert.ok(named.length > 3);
  assert.deepEqual([...new Set(missing)], []);
});

describe('commands that are named exist, and so do their options', () => {
  // Nothing is run, so nothing is asked of them.
  const { program } = buildProgram({ out: () => {}, err: () => {} } as unknown as Terminal, {} as Wiring);
  const optionsOf = (command: Command): readonly string[] =>
    [...command.options.map(({ long }) => long ?? ''), '--help'].concat(
      command.parent ? optionsOf(command.parent) : [],
    );
  const everyCommand = (command: Command): readonly Command[] => [command, ...command.commands.flatMap(everyCommand)];
  const anyOption = new Set(everyCommand(program).flatMap(optionsOf));

  /** What is wrong with the words behind `postrider`. */
  const faultIn = (words: readonly string[]): string | undefined => {
    const [command, rest] = commandIn(program, words);
    if (typeof command === 'string') return command;
    if (READ_ELSEWHERE.has(command.name())) return undefined;
    const options = rest.filter((word) => word.startsWith('--')).map((word) => /^--[a-z-]*/.exec(word)![0]);
    const unknown = options.find((option) => !optionsOf(command).includes(option));
    return unknown && `${command.name()} knows no ${unknown}`;
  };

  let named = 0;
  for (const path of WRITTEN)
    test(path, () => {
      const lines = commandLines(path);
      named += lines.length;
      const faults = lines.map((line) => [line, faultIn(line.split(/\s+/))] as const);
      assert.deepEqual(
        faults.filter(([, fault]) => fault !== undefined),
        [],
      );
      if (!path.startsWith('docs/guide/')) return;
      const alone = [...prose(path).matchAll(/`(--[a-z-]+)/g)].map(([, option]) => option!);
      assert.deepEqual(
        alone.filter((option) => !anyOption.has(option) && !OF_OTHERS.has(option)),
        [],
      );
    });
  test('some are', () => assert.ok(named > 100, String(named)));
});

/** Their options are those that other programs know, and commander reads none of them. */
const READ_ELSEWHERE = new Set(['sendmail', 'mailq', 'newaliases']);
/** Options of other programs that the guide names. */
const OF_OTHERS = new Set(['--sendmail-cmd']);

/** The command that the words name, and the words behind it; or why there is none. */
function commandIn(program: Command, words: readonly string[]): readonly [Command | string, readonly string[]] {
  const [first = '', value, ...others] = words;
  if (first === '--spool' || first === '--config') return commandIn(program, value === undefined ? [] : others);
  const command = program.commands.find((each) => each.name() === first);
  if (command === undefined) return [`there is no command ${first}`, []];
  const [second = ''] = words.slice(1);
  const sub = command.commands.find((each) => each.name() === second);
  if (sub !== undefined) return [sub, words.slice(2)];
  if (command.commands.length > 0 && /^[a-z]/.test(second)) return [`there is no ${first} ${second}`, []];
  // Without a word it is the first of them that is meant.
  return [command.commands[0] ?? command, words.slice(1)];
}

/** What stands behind `postrider` in blocks of shell commands and in code within text, without comments. */
function commandLines(path: string): readonly string[] {
  const text = readFileSync(path, 'utf8');
  const blocks = [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block]) => block!.split('\n'));
  const inBlocks = blocks.flatMap((line) => /^(?:npx )?postrider ([^#|]*)/.exec(line)?.[1] ?? []);
  const spans = [...prose(path).matchAll(/`(?:npx )?postrider ([^`]+)`((?: `[a-z-]+`)*)/g)];
  // `postrider queue` `list` `show`: each is one of the first.
  const inText = spans.flatMap(([, words, more]) => [
    words!,
    ...[...more!.matchAll(/`([a-z-]+)`/g)].map(([, sub]) => `${words} ${sub}`),
  ]);
  return [...inBlocks, ...inText].map((line) => line.trim()).filter((line) => line !== '');
}

/** Without blocks of code. */
function prose(path: string): string {
  return readFileSync(path, 'utf8').replaceAll(/^```[^\n]*\n[\s\S]*?^```/gm, '');
}
