/**
 * Reading what a person wrote against declared options: every value or every problem.
 *
 * `schema.ts` has the declarations. Nothing that was not declared gets through, and no name of an object's prototype
 * is ever taken for an option.
 */

import { nearestName } from './schema-nearest.ts';

export interface Problem {
  /** `routes[2].port`; `''` is the whole. */
  readonly path: string;
  /** What was found, as it would be written; absent when what is wrong is not one value. */
  readonly value: string | undefined;
  /** What it should be; with no value: what is wrong. */
  readonly expected: string;
  /** What to do. */
  readonly fix: string;
}

export type Read<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: readonly Problem[] };

/** `required`: must be written. `given`: something stands when nothing is written. */
export type Presence = 'required' | 'given';

/** What an option is made of, for the reference page. */
export type Inside =
  | { readonly kind: 'value' }
  | { readonly kind: 'group'; readonly fields: Fields }
  | { readonly kind: 'list' | 'record'; readonly of: AnyOption }
  | { readonly kind: 'variants'; readonly forms: Readonly<Record<string, Fields>> };

export interface Option<Out, In = Out, P extends Presence = Presence> {
  readonly presence: P;
  readonly doc: string;
  /** What is expected, with its article: `a duration like 15m`. */
  readonly expected: string;
  /** The default as it would be written, or an example when there is none; `''` for groups. */
  readonly shown: string;
  readonly hasDefault: boolean;
  readonly inside: Inside;
  readonly read: (value: unknown, path: string) => Read<Out>;
  readonly absent: (path: string) => Read<Out>;
  /** Carries the type of what may be written; never there. */
  readonly written?: In;
}

export type AnyOption = Option<unknown, unknown>;
export type Fields = Readonly<Record<string, AnyOption>>;

/** One line: `routes[2].port: "smtp" is not a number from 1 to 65535; write 25`. */
export function formatProblem({ path, value, expected, fix }: Problem): string {
  const what = value === undefined ? expected : `${value} is not ${expected}`;
  return `${path === '' ? '' : `${path}: `}${what}; ${fix}`;
}

// Names that every object has or that change its prototype: never options, whatever was declared.
const UNSAFE_NAMES = new Set(['__proto__', 'constructor', 'prototype']);
const MAX_SHOWN = 60;

export function readFields(fields: Fields, value: unknown, path: string): Read<Record<string, unknown>> {
  const shape = plainObject(value, path);
  if (!shape.ok) return shape;
  const written = new Map(shape.value);
  const names = Object.keys(fields);
  const unknown = [...written.keys()].filter((name) => !Object.hasOwn(fields, name));
  const problems = unknown.map((name) => unknownName(name, names, path));
  const values: [string, unknown][] = [];
  for (const [name, option] of Object.entries(fields)) {
    const here = pathOf(path, name);
    const given = written.get(name);
    const one = given === undefined ? option.absent(here) : option.read(given, here);
    if (one.ok) values.push([name, one.value]);
    else problems.push(...one.problems);
  }
  return problems.length === 0 ? { ok: true, value: Object.fromEntries(values) } : { ok: false, problems };
}

/** The names and values of a plain object; anything with another prototype is not one. */
export function plainObject(value: unknown, path: string): Read<readonly (readonly [string, unknown])[]> {
  const prototype: unknown = typeof value === 'object' && value !== null ? Object.getPrototypeOf(value) : undefined;
  // An object from another realm has another Object.prototype, whose own prototype is null.
  const isPlain = prototype === null || (typeof prototype === 'object' && Object.getPrototypeOf(prototype) === null);
  if (!isPlain || Array.isArray(value)) {
    const fix = 'write { name: value, … }';
    return refused({ path, value: shownValue(value), expected: 'a group of options in braces', fix });
  }
  const entries = Object.entries(value as object);
  const unsafe = entries.filter(([name]) => UNSAFE_NAMES.has(name));
  if (unsafe.length === 0) return { ok: true, value: entries };
  const problems = unsafe.map(([name]) => ({
    path: pathOf(path, name),
    value: undefined,
    expected: 'this name cannot be used',
    fix: 'remove it',
  }));
  return { ok: false, problems };
}

export function gather<T>(reads: readonly Read<T>[]): Read<readonly T[]> {
  const problems = reads.flatMap((one) => (one.ok ? [] : one.problems));
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, value: reads.flatMap((one) => (one.ok ? [one.value] : [])) };
}

export function refused(problem: Problem): { readonly ok: false; readonly problems: readonly Problem[] } {
  return { ok: false, problems: [problem] };
}

export function missing(path: string, expected: string, example: string): Read<never> {
  return refused({ path, value: undefined, expected: `missing, ${expected} is needed`, fix: `write ${example}` });
}

function unknownName(name: string, names: readonly string[], path: string): Problem {
  const near = nearestName(name, names);
  const known = names.length <= 12 ? `the names here are ${names.join(', ')}` : 'see the reference of options';
  const fix = near === undefined ? `${known}` : `did you mean ${near}?`;
  return { path: pathOf(path, name), value: undefined, expected: 'there is no such option', fix };
}

export function wrongKind(kind: unknown, kinds: readonly string[], path: string): Read<never> {
  if (kind === undefined) return missing(path, oneOf(kinds), `'${kinds[0] ?? ''}'`);
  const near = typeof kind === 'string' ? nearestName(kind, kinds) : undefined;
  return refused({ path, value: shownValue(kind), expected: oneOf(kinds), fix: `write '${near ?? kinds[0] ?? ''}'` });
}

export function pathOf(path: string, name: string): string {
  const plain = /^[A-Za-z_$][\w$]*$/.test(name);
  if (!plain) return `${path}[${shownValue(name)}]`;
  return path === '' ? name : `${path}.${name}`;
}

export function oneOf(choices: readonly string[]): string {
  const last = choices.at(-1) ?? '';
  return choices.length < 2 ? last : `${choices.slice(0, -1).join(', ')} or ${last}`;
}

/** A value as it would be written, cut short. */
export function shownValue(value: unknown): string {
  if (value instanceof RegExp) return cut(String(value));
  const kind = classOf(value);
  if (kind !== undefined) return `a ${kind}`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'number') return String(value);
  let shown: string;
  try {
    shown = JSON.stringify(value) ?? 'undefined';
  } catch {
    // Cycles and throwing getters: it is an object, and that is all that needs to be said.
    shown = 'an object';
  }
  return cut(shown);
}

function cut(shown: string): string {
  return shown.length <= MAX_SHOWN ? shown : `${shown.slice(0, MAX_SHOWN - 1).toWellFormed()}…`;
}

/** Of what JSON has no form for, and would show as an object without anything in it. */
function classOf(value: unknown): string | undefined {
  const known = [Promise, Map, Set].find((kind) => value instanceof kind);
  return known?.name;
}
