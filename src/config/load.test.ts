import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { formatProblem } from '../lib/schema-reading.ts';
import { type Config } from './config.ts';
import { findConfigFile, loadConfig } from './load.ts';

let folder = '';
let versions = 0;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'postrider-config-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): string {
  const place = mkdtempSync(join(folder, 'c-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(place, name)), { recursive: true });
    writeFileSync(join(place, name), text);
  }
  return place;
}

async function load(file: string): Promise<Config> {
  const loaded = await loadConfig(file, (versions += 1));
  if (!loaded.ok) assert.fail(loaded.problems.map(formatProblem).join('\n'));
  return loaded.config;
}

async function problems(files: Readonly<Record<string, string>>, name = 'postrider.config.ts'): Promise<string[]> {
  const place = write(files);
  const loaded = await loadConfig(join(place, name), (versions += 1));
  assert.ok(!loaded.ok, 'it was loaded');
  return loaded.problems.map((problem) => formatProblem(problem).replaceAll(`${place}/`, ''));
}

describe('a configuration is loaded', () => {
  const IMPORT = "import { defineConfig } from 'postrider';\n";
  test('from TypeScript, in a folder without packages', async () => {
    const place = write({
      'postrider.config.ts': `${IMPORT}const hostname: string = 'a.test';\nexport default defineConfig({ hostname });`,
    });
    assert.equal((await load(join(place, 'postrider.config.ts'))).hostname, 'a.test');
  });
  for (const name of ['postrider.config.mts', 'postrider.config.mjs', 'postrider.config.js'])
    test(`from ${name}`, async () => {
      const place = write({ [name]: `${IMPORT}export default defineConfig({ hostname: 'b.test' });` });
      assert.equal((await load(join(place, name))).hostname, 'b.test');
    });
  test('from a package that says it is CommonJS', async () => {
    const place = write({
      'package.json': '{ "type": "commonjs" }',
      'postrider.config.ts': `${IMPORT}export default defineConfig({ hostname: 'c.test' });`,
    });
    assert.equal((await load(join(place, 'postrider.config.ts'))).hostname, 'c.test');
  });
  test('with folders relative to its own', async () => {
    const place = write({ 'postrider.config.ts': "export default { hostname: 'a.test', spool: { folder: 'mail' } };" });
    const config = await load(join(place, 'postrider.config.ts'));
    assert.equal(config.spool.folder, join(place, 'mail'));
    assert.equal(config.events.folder, join(place, 'mail', 'events'));
  });
  test('in another thread', async () => {
    const place = write({ 'postrider.config.ts': `${IMPORT}export default defineConfig({ hostname: 'd.test' });` });
    const script = `import { parentPort } from 'node:worker_threads';
      const { loadConfig } = await import(${JSON.stringify(new URL('load.ts', import.meta.url).href)});
      const loaded = await loadConfig(${JSON.stringify(join(place, 'postrider.config.ts'))}, 1);
      parentPort.postMessage(loaded.ok ? loaded.config.hostname : loaded.problems);`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`));
    const message = await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
    assert.equal(message, 'd.test');
  });
});

describe('a reload', () => {
  test('reads the file and everything it imports anew', async () => {
    const files = (name: string): Record<string, string> => ({
      'postrider.config.ts': "import { name } from './lib/name.ts';\nexport default { hostname: name };",
      'lib/name.ts': "export { name } from './deeper.mjs';",
      'lib/deeper.mjs': `export const name = '${name}.test';`,
    });
    const place = write(files('one'));
    const file = join(place, 'postrider.config.ts');
    assert.equal((await load(file)).hostname, 'one.test');
    writeFileSync(join(place, 'lib/deeper.mjs'), files('two')['lib/deeper.mjs']!);
    assert.equal((await load(file)).hostname, 'two.test');
  });
  test('keeps packages as they are', async () => {
    const place = write({
      'postrider.config.ts': "import { count } from 'counter';\nexport default { hostname: `n${count()}.test` };",
      'node_modules/counter/package.json': '{ "name": "counter", "type": "module", "exports": "./index.js" }',
      'node_modules/counter/index.js': 'let n = 0;\nexport const count = () => (n += 1);',
    });
    assert.equal((await load(join(place, 'postrider.config.ts'))).hostname, 'n1.test');
    assert.equal((await load(join(place, 'postrider.config.ts'))).hostname, 'n2.test');
  });
});

describe('what is wrong with a file is said with its place', () => {
  const cases: readonly { name: string; files: Record<string, string>; file?: string; want: RegExp }[] = [
    {
      name: 'TypeScript syntax',
      files: { 'postrider.config.ts': 'export default {\n  hostname: ;\n};' },
      want: /^postrider\.config\.ts:2: SyntaxError: Expression expected; mend the syntax there$/,
    },
    {
      name: 'JavaScript syntax',
      files: { 'postrider.config.mjs': 'export default {\n\n  hostname: ;\n};' },
      file: 'postrider.config.mjs',
      want: /^postrider\.config\.mjs:3: SyntaxError: Unexpected token ';'; mend the syntax there$/,
    },
    {
      name: 'syntax in an imported file',
      files: { 'postrider.config.ts': "import './a.ts';\nexport default {};", 'a.ts': 'const a = 1;\nconst b = ;' },
      want: /^a\.ts:2: SyntaxError: Expression expected/,
    },
    {
      name: 'TypeScript that cannot be stripped',
      files: { 'postrider.config.ts': 'enum A { B }\nexport default {};' },
      want: /^postrider\.config\.ts:1: SyntaxError: TypeScript enum is not supported/,
    },
    {
      name: 'an error thrown',
      files: { 'postrider.config.ts': "const secret = process.env.X;\n\nthrow new Error('no secret');" },
      want: /^postrider\.config\.ts:3: no secret; mend what fails there$/,
    },
    {
      name: 'something else thrown',
      files: { 'postrider.config.ts': "throw 'words';" },
      want: /^postrider\.config\.ts: error: words; mend what fails there$/,
    },
    {
      name: 'a file that is not there',
      files: { 'postrider.config.ts': "import './absent.ts';" },
      want: /Cannot find module '.*absent\.ts' imported from postrider\.config\.ts/,
    },
    {
      name: 'no default export',
      files: { 'postrider.config.ts': 'export const hostname = 1;' },
      want: /^postrider\.config\.ts: it exports nothing by default; write `export default defineConfig/,
    },
    {
      name: 'a wrong option',
      files: {
        'postrider.config.ts': "export default { hostname: 'a.test', listeners: [{ name: 'a', port: 'smtp' }] };",
      },
      want: /^listeners\[0\]\.port: "smtp" is not a number from 0 to 65535; write 25$/,
    },
  ];
  for (const { name, files, file, want } of cases)
    test(name, async () => {
      const [first, ...more] = await problems(files, file);
      assert.match(first!, want);
      assert.deepEqual(more, []);
    });

  test('a promise of a configuration is awaited', async () => {
    const place = write({ 'postrider.config.ts': "export default Promise.resolve({ hostname: 'a.test' });" });
    const loaded = await loadConfig(join(place, 'postrider.config.ts'), (versions += 1));
    assert.ok(loaded.ok);
    assert.equal(loaded.config.hostname, 'a.test');
  });

  test('no file', async () => {
    const loaded = await loadConfig(join(folder, 'nowhere.ts'), 1);
    assert.ok(!loaded.ok);
    assert.match(formatProblem(loaded.problems[0]!), /there is no such file; make one with `postrider init`$/);
  });

  test('a top-level await that hangs', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const place = write({ 'postrider.config.ts': 'await new Promise(() => {});\nexport default {};' });
    const loading = loadConfig(join(place, 'postrider.config.ts'), (versions += 1));
    t.mock.timers.tick(10_000);
    const loaded = await loading;
    assert.ok(!loaded.ok);
    assert.match(formatProblem(loaded.problems[0]!), /not loaded after 10 seconds; see what it awaits/);
  });
});

test('the file is found by its names, in their order', () => {
  const place = write({ 'postrider.config.mjs': '', 'postrider.config.ts': '' });
  assert.equal(findConfigFile(place), join(place, 'postrider.config.ts'));
  assert.equal(findConfigFile(join(folder, 'nowhere')), undefined);
});
