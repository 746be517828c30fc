import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, before, describe, test } from 'node:test';

const SCRIPT = join(import.meta.dirname, '../../bin/postrider.js');
const OLD = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.1.0'})`;
const PRETEND_OLD = ['--import', OLD];

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'postrider-start-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

interface Tree {
  readonly root: string;
  readonly script: string;
}

/** A package with this start script and a program that says what it is. */
function tree(files: Readonly<Record<string, string>>, place = 'p'): Tree {
  const root = join(mkdtempSync(join(folder, 't-')), place);
  mkdirSync(join(root, 'bin'), { recursive: true });
  cpSync(SCRIPT, join(root, 'bin/postrider.js'));
  for (const [name, text] of Object.entries({ 'package.json': '{ "type": "module" }', ...files })) {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), text, { mode: 0o755 });
  }
  return { root, script: join(root, 'bin/postrider.js') };
}

function start(script: string, ...execArguments: readonly string[]) {
  const { POSTRIDER_NODE: _, ...env } = process.env;
  return spawnSync(process.execPath, [...execArguments, script, 'a', 'b'], { encoding: 'utf8', env });
}

const SOURCE = { 'src/main.ts': 'console.log(`source ${process.argv.slice(2) satisfies string[]}`);' };
const BUILT = { 'dist/main.js': 'console.log(`built ${process.argv.slice(2)}`);' };

describe('what runs', () => {
  test('in a source tree the sources', () => {
    assert.equal(start(tree({ ...SOURCE, ...BUILT }).script).stdout, 'source a,b\n');
  });
  test('below node_modules what was compiled', () => {
    assert.equal(start(tree({ ...SOURCE, ...BUILT }, 'node_modules/postrider').script).stdout, 'built a,b\n');
  });
  test('nothing, and it says what to do', () => {
    const { status, stderr } = start(tree({}).script);
    assert.equal(status, 1);
    assert.match(stderr, /not built here .* Run: npm run build/);
  });
});

describe('by another name', () => {
  for (const name of ['sendmail', 'mailq', 'newaliases']) {
    test(`a link called ${name} is that command`, () => {
      const { script, root } = tree(SOURCE);
      symlinkSync(script, join(root, name));
      assert.equal(start(join(root, name)).stdout, `source ${name},a,b\n`);
    });
    test(`bin/${name}.js is that command, and so in another Node`, () => {
      const other = { 'node_modules/node/bin/node': '#!/bin/sh\nshift 2; echo "$@"\n' };
      const { script, root } = tree({ ...SOURCE, ...other });
      cpSync(join(SCRIPT, '..', `${name}.js`), join(root, 'bin', `${name}.js`));
      assert.equal(start(join(root, 'bin', `${name}.js`)).stdout, `source ${name},a,b\n`);
      assert.equal(start(join(root, 'bin', `${name}.js`), ...PRETEND_OLD).stdout, `${script} ${name} a b\n`);
    });
  }
  test('any other name changes nothing', () => {
    const { script, root } = tree(SOURCE);
    symlinkSync(script, join(root, 'sendmail2'));
    assert.equal(start(join(root, 'sendmail2')).stdout, 'source a,b\n');
  });
});

describe('on a Node that is too old', () => {
  const newer = (text: string) => ({ 'node_modules/node/bin/node': `#!/bin/sh\n${text}\n` });
  test('it says what to do', () => {
    const { status, stderr } = start(tree(SOURCE).script, ...PRETEND_OLD);
    assert.equal(status, 1);
    assert.match(stderr, /needs Node\.js 24 or newer, and this is v\d+/);
  });
  test('the one from the packages runs it, with its arguments and exit code', () => {
    const { script } = tree({ ...SOURCE, ...newer('shift 2; echo "$@"; exit 7') });
    const { status, stdout } = start(script, ...PRETEND_OLD);
    assert.deepEqual([status, stdout], [7, `${script} a b\n`]);
  });
  test('one beside an installed package does too', () => {
    const { script, root } = tree(SOURCE, 'node_modules/postrider');
    mkdirSync(join(root, '../node/bin'), { recursive: true });
    writeFileSync(join(root, '../node/bin/node'), '#!/bin/sh\nexit 9\n', { mode: 0o755 });
    assert.equal(start(script, ...PRETEND_OLD).status, 9);
  });
  test('one that is too old as well is tried once', () => {
    const { script } = tree({ ...SOURCE, ...newer(`exec "${process.execPath}" "$@"`) });
    const { status, stderr } = start(script, ...PRETEND_OLD);
    assert.equal(status, 1);
    assert.match(stderr, /needs Node\.js 24/);
  });
  test('signals reach it', { timeout: 20_000 }, async () => {
    const { script } = tree({ ...SOURCE, ...newer(`trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done`) });
    const { POSTRIDER_NODE: _, ...env } = process.env;
    const child = spawn(process.execPath, [...PRETEND_OLD, script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number | null];
    assert.equal(code, 5);
  });
});

test('the real one answers', () => {
  const { status, stdout } = spawnSync(process.execPath, [SCRIPT, '--version'], { encoding: 'utf8' });
  assert.equal(status, 0);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});
