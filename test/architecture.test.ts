/** The dependency rules of ARCHITECTURE.md, as tables that fail the build. */

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

/** A part may import the parts named here, and itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  mail: ['lib'],
  ports: ['lib'],
  wire: ['lib', 'mail'],
  queue: ['lib', 'mail'],
  mailauth: ['lib', 'mail'],
  tlspolicy: ['lib', 'mail', 'ports'],
  policy: ['mail'],
  https: ['lib', 'ports', 'tlspolicy'],
  acme: ['lib', 'mail', 'ports', 'wire', 'https'],
  oauth: ['lib', 'ports', 'https'],
  observe: ['lib', 'ports'],
  events: ['lib', 'mail', 'ports', 'observe'],
  dns: ['lib', 'ports', 'wire'],
  spool: ['lib', 'mail', 'ports'],
  // Records that others publish are checked with the parsers that the server reads strangers' with.
  directory: ['lib', 'mail', 'ports', 'tlspolicy'],
  receive: ['lib', 'mail', 'ports', 'wire', 'policy', 'mailauth', 'spool', 'directory', 'events'],
  deliver: ['lib', 'mail', 'ports', 'wire', 'https', 'queue', 'tlspolicy', 'observe'],
  bounce: ['lib', 'mail', 'events'],
  reports: ['lib', 'mail', 'ports', 'tlspolicy'],
  api: ['lib', 'mail', 'ports', 'queue', 'directory', 'events', 'observe'],
  sandbox: ['lib', 'mail', 'ports', 'wire'],
  // Of events only how they are read: the command line shows them.
  cli: ['lib', 'mail', 'ports', 'wire', 'directory', 'events', 'api', 'config', 'runtime', 'sandbox'],
  config: ['lib', 'mail'],
};

/** Parts in which nothing may touch the world: no I/O, no clock, no chance. */
const PURE = new Set(['lib', 'mail', 'ports', 'wire', 'queue', 'mailauth']);
// `domainToASCII` of node:url and a digest of node:crypto are functions of their arguments.
const IMPURE =
  /\bfrom 'node:(?!buffer|url'|crypto')|\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bset(?:Timeout|Interval|Immediate)\(|\bprocess\.|\brandomBytes\b|\brandomUUID\b/;

/** Real time and timers exist in `runtime/` only; and in a client's command line, and where a person's file is loaded. */
const KEEPS_TIME = new Set(['runtime', 'cli', 'sandbox', 'config']);
const REAL_TIME = /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bset(?:Timeout|Interval)\(/;

const BACKENDS = ['spool/lmdb/', 'spool/memory/', 'directory/sqlite/'];

/** `part other`: what is imported somewhere. */
const used = new Set<string>();

const sources = globSync('src/**/*.ts').filter((path) => !/\.(test|contract|bench)\.ts$/.test(path));

for (const path of sources) {
  const part = path.split('/')[1]!;
  if (part.endsWith('.ts')) continue; // src/main.ts and src/index.ts join what is below them.
  const text = readFileSync(path, 'utf8');
  const imports = [...text.matchAll(/\b(?:from|import\(?|URL\() ?'(\.[^']+)'/g)].map(([, target]) =>
    join(dirname(path), target!),
  );

  for (const target of imports) used.add(`${part} ${target.split('/')[1]}`);

  test(`${path} imports only what ${part} may`, () => {
    if (part === 'runtime') return;
    for (const target of imports) {
      const imported = target.split('/')[1]!;
      const allowed = imported === part || MAY_IMPORT[part]?.includes(imported) || mayImportOptions(part, target);
      assert.ok(allowed, `${path} imports ${target}`);
    }
  });
  if (part !== 'runtime' && part !== 'spool' && part !== 'directory')
    test(`${path} names no backend`, () => {
      for (const target of imports)
        assert.ok(!BACKENDS.some((backend) => target.includes(backend)), `${path} imports ${target}`);
    });
  if (PURE.has(part)) test(`${path} is pure`, () => assert.doesNotMatch(text, IMPURE));
  if (!KEEPS_TIME.has(part)) test(`${path} reads no clock`, () => assert.doesNotMatch(text, REAL_TIME));
}

test('every part is in the table', () => {
  const parts = new Set(sources.map((path) => path.split('/')[1]!).filter((part) => !part.endsWith('.ts')));
  parts.delete('runtime');
  assert.deepEqual(
    [...parts].filter((part) => MAY_IMPORT[part] === undefined),
    [],
  );
});

test('no part is allowed what it does not use', () => {
  const unused = Object.entries(MAY_IMPORT).flatMap(([part, allowed]) =>
    allowed.filter((other) => !used.has(`${part} ${other}`)).map((other) => `${part} imports no ${other}`),
  );
  assert.deepEqual(unused, []);
});

/** `config/` may read the options that a part declares, and nothing else of it. */
function mayImportOptions(part: string, target: string): boolean {
  return part === 'config' && /^src\/[a-z]+\/config\.ts$/.test(target);
}
