/**
 * Loads a configuration file: a module with a default export, in TypeScript or JavaScript.
 *
 * Each thread loads the file itself, since functions in it cannot cross threads. A reload must see every file of
 * the graph anew, so a resolve hook gives each of them (all but packages and our own) the version as a query. What
 * this costs: modules are never freed, so every reload keeps the graph of the one before, some tens of
 * kilobytes for each of its files; a thread that reloads every minute for a year is to be restarted sometime.
 * `postrider` itself leads to our own index, so that a configuration works in a folder without packages.
 *
 * A top-level await that hangs is given up after ten seconds. A loop that never ends cannot be: it holds its thread.
 */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { registerHooks, type ResolveFnOutput } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { errorText } from '../lib/error-text.ts';
import { SECOND } from '../lib/time.ts';
import { type Problem } from '../lib/schema-reading.ts';
import { type Config, readConfig } from './config.ts';

export type Loaded =
  { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly problems: readonly Problem[] };

export const CONFIG_NAMES: readonly string[] = ['ts', 'mts', 'js', 'mjs'].map((ending) => `postrider.config.${ending}`);
export const SYSTEM_FOLDER = '/etc/postrider';

const MAX_LOAD_TIME = 10 * SECOND;
const OWN_INDEX = new URL(import.meta.url.endsWith('.ts') ? '../index.ts' : '../index.js', import.meta.url).href;
const VERSION = 'postrider';

/** The configuration file of a folder, or the system's; undefined when there is none. */
export function findConfigFile(folder: string): string | undefined {
  const candidates = [folder, SYSTEM_FOLDER].flatMap((place) => CONFIG_NAMES.map((name) => join(place, name)));
  return candidates.find((candidate) => existsSync(candidate));
}

/** `version`: a number not used before in this thread for this file; the file and all it imports are read anew. */
export async function loadConfig(file: string, version: number): Promise<Loaded> {
  const path = resolve(file);
  if (!existsSync(path)) return failed(path, 'there is no such file', 'make one with `postrider init`');
  followVersions();
  const url = `${pathToFileURL(path).href}?${VERSION}=${version}`;
  const loaded = await within(MAX_LOAD_TIME, importDefault(url));
  if (loaded === 'late') {
    const what = `it was not loaded after ${MAX_LOAD_TIME / SECOND} seconds`;
    return failed(path, what, 'see what it awaits at its top level');
  }
  if (loaded.kind === 'threw') return failedToLoad(path, loaded.error);
  if (loaded.value === undefined)
    return failed(path, 'it exports nothing by default', 'write `export default defineConfig({ … })`');
  const read = readConfig(loaded.value, dirname(path));
  return read.ok ? { ok: true, config: read.value } : read;
}

type Imported =
  { readonly kind: 'value'; readonly value: unknown } | { readonly kind: 'threw'; readonly error: unknown };

async function importDefault(url: string): Promise<Imported> {
  try {
    const module = (await import(url)) as { readonly default?: unknown };
    // A promise of a configuration is as good as one.
    return { kind: 'value', value: await module.default };
  } catch (error) {
    // Whatever a person's file throws is a problem of the file, told with its place.
    return { kind: 'threw', error };
  }
}

function within<T>(time: number, promise: Promise<T>): Promise<T | 'late'> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('late'), time);
    void promise.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}

// ── the hook ──

let following = false;

function followVersions(): void {
  if (following) return;
  following = true;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const version = versionOf(specifier) ?? versionOf(context.parentURL);
      if (version === undefined) return nextResolve(specifier, context);
      if (specifier === 'postrider') return { url: OWN_INDEX, shortCircuit: true };
      return versioned(nextResolve(specifier, context), version, context.conditions);
    },
  });
}

/** `require` reads by path and knows no query: what it loads is not read anew. */
function versioned(
  found: ResolveFnOutput,
  version: string,
  conditions: readonly string[] | undefined,
): ResolveFnOutput {
  const { url } = found;
  if (!url.startsWith('file:') || url.includes('/node_modules/') || conditions?.includes('require') === true)
    return found;
  const path = new URL(url).pathname;
  // A configuration is a module, whatever the package around it says of its type.
  const format = path.endsWith('.ts') ? 'module-typescript' : found.format;
  return { ...found, url: withQuery(url, version), ...(typeof format === 'string' && { format }) };
}

function versionOf(url: string | undefined): string | undefined {
  if (url === undefined || !url.startsWith('file:')) return undefined;
  return new URL(url).searchParams.get(VERSION) ?? undefined;
}

function withQuery(url: string, version: string): string {
  const next = new URL(url);
  next.searchParams.set(VERSION, version);
  return next.href;
}

// ── what went wrong ──

async function failedToLoad(path: string, error: unknown): Promise<Loaded> {
  const name = error instanceof Error ? error.name : 'error';
  const message = errorText(error).replaceAll(/\?postrider=\d+/g, '');
  const line = firstLine(message);
  const place = placeIn(error) ?? (error instanceof SyntaxError ? await checkedPlace(path) : undefined);
  const fix = error instanceof SyntaxError ? 'mend the syntax there' : 'mend what fails there';
  return failed(place ?? path, name === 'Error' ? line : `${name}: ${line}`, fix);
}

function failed(place: string, what: string, fix: string): Loaded {
  return { ok: false, problems: [{ path: place, value: undefined, expected: what, fix }] };
}

/** `file:line`, from the first line of the stack that names a file of the configuration. */
function placeIn(error: unknown): string | undefined {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  for (const line of stack.split('\n')) {
    const match = /((?:file:\/\/)?\/[^\s()]+?\.[cm]?[jt]s)(?:\?postrider=\d+)?:(\d+)/.exec(line);
    const [, file = '', number = ''] = match ?? [];
    if (match === null || isOwn(file)) continue;
    return `${file.startsWith('file:') ? fileURLToPath(file) : file}:${number}`;
  }
  return undefined;
}

const OWN_FOLDER = dirname(fileURLToPath(OWN_INDEX));

function isOwn(file: string): boolean {
  return (file.startsWith('file:') ? fileURLToPath(file) : file).startsWith(`${OWN_FOLDER}/`);
}

/** A syntax error in JavaScript does not say where it is; checking the file alone prints it. */
function checkedPlace(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['--check', path], { timeout: MAX_LOAD_TIME }, (_error, _stdout, stderr) => {
      const match = /^(?:file:\/\/)?(\/.*):(\d+)$/m.exec(stderr);
      resolve(match === null || basename(match[1] ?? '') !== basename(path) ? undefined : `${path}:${match[2]}`);
    });
  });
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]?.slice(0, 500) ?? '';
}
