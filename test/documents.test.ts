/**
 * What the documents say that can be checked: links lead somewhere, named files are there, configurations are valid, and
 * commands exist.
 */

import assert from 'node:assert/strict';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { describe, test } from 'node:test';

import { buildProgram, type Wiring } from '../src/cli/program.ts';
import { type Terminal } from '../src/cli/terminal.ts';
import { loadConfig } from '../src/config/load.ts';

const DOCUMENTS = [...globSync('*.md'), ...globSync('docs/**/*.md')].map((path) => path.replaceAll('\\', '/'));
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
      const links = [...prose(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!.split('#')[0]!);
      const broken = links
        .filter((link) => link !== '' && !/^[a-z]+:/.test(link))
        .filter((link) => !existsSync(normalize(join(dirname(path), link))));
      assert.deepEqual(broken, []);
    });
  }
});

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

describe('configurations that are shown are valid', () => {
  const shown = DOCUMENTS.flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/```ts\n([^`]*?defineConfig[^`]*?)```/g)].map(
      ([, text], i) => [`${path}, number ${i + 1}`, text!] as const,
    ),
  );
  test('some are', () => assert.ok(shown.length >= 2));
  for (const [name, text] of shown) {
    test(name, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'postrider-documents-'));
      try {
        const file = join(folder, 'postrider.config.ts');
        writeFileSync(file, text);
        const loaded = await loadConfig(file, 1);
        assert.deepEqual(loaded.ok ? [] : loaded.problems, []);
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

test('commands that are named exist', () => {
  // Nothing is run, so nothing is asked of them.
  const { program } = buildProgram({ out: () => {}, err: () => {} } as unknown as Terminal, {} as Wiring);
  const known = new Map(program.commands.map((command) => [command.name(), command.commands.map((sub) => sub.name())]));
  const named = ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md'].flatMap((path) => [
    ...readFileSync(path, 'utf8').matchAll(/(?:npx |`)postrider ([a-z][a-z-]*)(?:`?[ ]`?([a-z-]+)\b)?/g),
  ]);
  assert.ok(named.length > 10);
  for (const [text, command, sub] of named) {
    const subs = known.get(command!);
    assert.ok(subs !== undefined, `${text}: there is no such command`);
    if (subs.length > 0 && sub !== undefined) assert.ok(subs.includes(sub), `${text}: there is no such command`);
  }
});

/** Without blocks of code. */
function prose(path: string): string {
  return readFileSync(path, 'utf8').replaceAll(/^```[^\n]*\n[\s\S]*?^```/gm, '');
}
