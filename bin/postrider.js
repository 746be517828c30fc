#!/usr/bin/env node
/**
 * Starts Postrider on a Node.js that is new enough.
 *
 * Plain JavaScript that an old Node.js can read: where this one is too old, the `node` package's binary is used if it
 * is installed, and else it says what to do. In a source tree the sources run as they are; an installed package runs
 * what was compiled, since Node.js strips no types below node_modules.
 */

import { spawn } from 'child_process';
import { existsSync } from 'fs';
import { constants } from 'os';
import { basename, dirname, join, sep } from 'path';
import { fileURLToPath, pathToFileURL } from 'url';

const NEEDED = 24;
const script = fileURLToPath(import.meta.url);
const root = dirname(dirname(script));

function program() {
  const source = join(root, 'src', 'main.ts');
  const inPackages = root.split(sep).indexOf('node_modules') !== -1;
  return !inPackages && existsSync(source) ? source : join(root, 'dist', 'main.js');
}

function newerNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  const places = [join(root, 'node_modules'), dirname(root)];
  return places.map((place) => join(place, 'node', 'bin', name)).find((place) => existsSync(place));
}

/** A link of one of these names is that command: /usr/sbin/sendmail -> bin/postrider.js. */
const NAMES = ['sendmail', 'mailq', 'newaliases'];

function takeName() {
  const name = basename(process.argv[1] || '').replace(/\.js$/, '');
  if (NAMES.indexOf(name) !== -1) process.argv.splice(1, 1, script, name);
}

/** The same command in another Node.js; signals, messages and the exit code are passed through. */
function runIn(node) {
  const stdio = process.send === undefined ? 'inherit' : ['inherit', 'inherit', 'inherit', 'ipc'];
  const env = Object.assign({}, process.env, { POSTRIDER_NODE: node });
  // Before the child is there: a signal that comes while it is started is passed on, and does not end us alone.
  ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'].forEach((signal) => process.on(signal, () => child.kill(signal)));
  const child = spawn(node, process.execArgv.concat(script, process.argv.slice(2)), { stdio: stdio, env: env });
  if (process.send !== undefined) child.on('message', (message) => process.send(message));
  child.on('error', (error) => fail('Postrider could not start ' + node + ': ' + error.message));
  child.on('exit', (code, signal) => process.exit(code === null ? 128 + (constants.signals[signal] || 0) : code));
}

function fail(text) {
  process.stderr.write(text + '\n');
  process.exit(1);
}

function start() {
  if (Number(process.versions.node.split('.')[0]) < NEEDED) {
    // Once only: a binary that is too old as well must not start itself for ever.
    const node = process.env.POSTRIDER_NODE === undefined ? newerNode() : undefined;
    if (node !== undefined) runIn(node);
    else
      fail(
        'Postrider needs Node.js ' +
          NEEDED +
          ' or newer, and this is ' +
          process.version +
          '.\n' +
          'Install it from https://nodejs.org/, or in a clone run: npm install (it brings one along).',
      );
    return;
  }
  const main = program();
  if (!existsSync(main)) fail('Postrider is not built here (' + main + ' is missing). Run: npm run build');
  else import(pathToFileURL(main).href).catch((error) => fail(String((error && error.stack) || error)));
}

takeName();
start();
