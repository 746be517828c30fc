/**
 * Loaded before the product, in each of its threads: lets calls to the file system fail as the rules say that stand in
 * the file named by `POSTRIDER_FAULTY_CALLS`. Each failure leaves a line in a file beside it.
 *
 * A call that fails has not been made, but for `close`: the system frees the descriptor even if it reports an error.
 */

import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { constants } from 'node:os';
import process from 'node:process';

const FILE = process.env.POSTRIDER_FAULTY_CALLS;
const READ_EVERY = 5;
const { appendFileSync, readFileSync } = fs;
const plain = { ...fs };
const { open, rename } = promises;

let rules = [];
let readAt = -Infinity;

function present() {
  if (performance.now() - readAt < READ_EVERY) return rules;
  readAt = performance.now();
  try {
    rules = JSON.parse(readFileSync(FILE, 'utf8'));
  } catch {
    // Not written yet.
    rules = [];
  }
  return rules;
}

function failureOf(call, path) {
  const rule = present().find((one) => one.call === call && new RegExp(one.path).test(path));
  if (rule === undefined) return undefined;
  appendFileSync(`${FILE}.hits`, `${call} ${rule.code} ${path}\n`);
  return rule.code;
}

function check(call, path) {
  const code = failureOf(call, path);
  if (code === undefined) return;
  const text = `${code}: a planted failure, ${call} '${path}'`;
  throw Object.assign(new Error(text), { code, errno: -constants.errno[code], syscall: call, path });
}

const CALLS = {
  writev: 'write',
  write: 'write',
  writeFile: 'write',
  appendFile: 'write',
  sync: 'sync',
  datasync: 'sync',
};

promises.open = async (path, ...rest) => {
  check('open', String(path));
  const handle = await open(path, ...rest);
  for (const [method, call] of Object.entries(CALLS)) {
    const real = handle[method].bind(handle);
    handle[method] = async (...args) => {
      check(call, String(path));
      return real(...args);
    };
  }
  const close = handle.close.bind(handle);
  handle.close = async () => {
    await close();
    check('close', String(path));
  };
  return handle;
};
promises.rename = async (from, to) => {
  check('rename', String(from));
  return rename(from, to);
};

/** Of plain descriptors, by number. */
const paths = new Map();

/** A call with a callback as its last argument: it is told of the failure, later. */
function fails(call, path, args) {
  try {
    check(call, path);
    return false;
  } catch (error) {
    setImmediate(() => args.at(-1)(error));
    return true;
  }
}

fs.open = (path, ...args) => {
  if (fails('open', String(path), args)) return;
  plain.open(path, ...args.slice(0, -1), (error, descriptor) => {
    if (!error) paths.set(descriptor, String(path));
    args.at(-1)(error, descriptor);
  });
};
fs.openSync = (path, ...args) => {
  check('open', String(path));
  const descriptor = plain.openSync(path, ...args);
  paths.set(descriptor, String(path));
  return descriptor;
};
for (const [method, call] of Object.entries({ writev: 'write', fsync: 'sync', fdatasync: 'sync' })) {
  fs[method] = (descriptor, ...args) => {
    if (!fails(call, paths.get(descriptor) ?? '', args)) plain[method](descriptor, ...args);
  };
}
fs.close = (descriptor, done) => {
  const path = paths.get(descriptor) ?? '';
  paths.delete(descriptor);
  plain.close(descriptor, (error) => {
    if (!fails('close', path, [done])) done(error);
  });
};
fs.closeSync = (descriptor) => {
  const path = paths.get(descriptor) ?? '';
  paths.delete(descriptor);
  plain.closeSync(descriptor);
  check('close', path);
};
fs.rename = (from, to, done) => {
  if (!fails('rename', String(from), [done])) plain.rename(from, to, done);
};
syncBuiltinESMExports();

/** Planted before each commit of the store: as LMDB tells of a failure, by its number. `HANG` is a commit that never settles. */
globalThis.postriderFaultyStore = () => {
  const code = failureOf('commit', 'store');
  if (code === undefined) return undefined;
  if (code === 'HANG') return new Promise(() => undefined);
  throw Object.assign(new Error(`${code}: a planted failure of a commit`), { code: constants.errno[code] });
};
