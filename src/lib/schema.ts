/**
 * Options, declared once: what is read, what is refused and why, what it is when nothing is said, and what
 * the reference page says of it.
 *
 * A declaration is a value. `read` checks what a person wrote against it and gives every value or every
 * problem; a problem names the path, what was found, what is expected, and what to write instead. Nothing that
 * was not declared gets through, and no name of an object's prototype is ever taken for an option.
 */

import { type Parsed } from './parsed.ts';
import { nearestName } from './schema-nearest.ts';
import { formatDuration, formatOctets, parseDuration, parseOctets } from './schema-units.ts';

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
type Presence = 'required' | 'given';

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

/** What reading gives. */
export type Values<S> =
  S extends Option<infer Out, unknown>
    ? Out
    : { readonly [K in keyof S]: S[K] extends Option<infer Out, unknown> ? Out : never };

/** What may be written. */
export type Written<S> = S extends { readonly presence: Presence; readonly written?: infer In } ? In : WrittenFields<S>;

type WrittenOf<O> = O extends { readonly written?: infer In } ? In : never;
type RequiredNames<S> = { [K in keyof S]: S[K] extends { presence: 'required' } ? K : never }[keyof S];
type WrittenFields<S> = { readonly [K in RequiredNames<S>]: WrittenOf<S[K]> } & {
  readonly [K in Exclude<keyof S, RequiredNames<S>>]?: WrittenOf<S[K]> | undefined;
};

/** Reads a whole value. */
export function read<S extends Fields>(fields: S, value: unknown): Read<Values<S>> {
  return readFields(fields, value, '') as Read<Values<S>>;
}

/** One line: `routes[2].port: "smtp" is not a number from 1 to 65535; write 25`. */
export function formatProblem({ path, value, expected, fix }: Problem): string {
  const what = value === undefined ? expected : `${value} is not ${expected}`;
  return `${path === '' ? '' : `${path}: `}${what}; ${fix}`;
}

// ── values ──

interface Simple<Out, In> {
  readonly written: In;
  readonly doc: string;
  readonly expected: string;
  readonly take: (value: unknown) => Parsed<Out> | undefined;
  /** A better proposal than the default, from what was written. */
  readonly propose?: (value: unknown) => string | undefined;
}

/** `take` answers undefined when the value is of another kind altogether, or the reason when it is nearly right. */
function simple<Out, In>({ written, doc, expected, take, propose }: Simple<Out, In>): Option<Out, In, 'given'> {
  const shown = shownValue(written);
  const readValue = (value: unknown, path: string): Read<Out> => {
    const taken = take(value);
    if (taken?.ok === true) return taken;
    const why = taken === undefined ? expected : `${expected} (${taken.reason})`;
    return refused({ path, value: shownValue(value), expected: why, fix: `write ${propose?.(value) ?? shown}` });
  };
  return {
    presence: 'given',
    doc,
    expected,
    shown,
    hasDefault: true,
    inside: { kind: 'value' },
    read: readValue,
    absent: (path) => readValue(written, path),
  };
}

export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/** Milliseconds; written as `15m`, `1h30m`. */
export function duration(written: string, doc: string, bounds: Bounds = {}): Option<number, string, 'given'> {
  const expected = `a duration like 15m${boundsText(bounds, formatDuration)}`;
  return simple({ written, doc, expected, take: within(bounds, formatDuration, textThen(parseDuration)) });
}

/** A duration, or `never`: undefined. */
export function durationOrNever(written: string, doc: string): Option<number | undefined, string, 'given'> {
  const parse = textThen(parseDuration);
  return simple<number | undefined, string>({
    written,
    doc,
    expected: 'a duration like 4h, or never',
    take: (value) => (value === 'never' ? { ok: true, value: undefined } : parse(value)),
  });
}

/** Octets; written as `50MiB`, or as a number. */
export function octets(
  written: string | number,
  doc: string,
  bounds: Bounds = {},
): Option<number, string | number, 'given'> {
  const expected = `a number of octets like 50MiB${boundsText(bounds, formatOctets)}`;
  const parse = textThen(parseOctets);
  const take = (value: unknown): Parsed<number> | undefined => {
    if (typeof value !== 'number') return parse(value);
    return Number.isSafeInteger(value) && value >= 0 ? { ok: true, value } : undefined;
  };
  return simple<number, string | number>({ written, doc, expected, take: within(bounds, formatOctets, take) });
}

/** A whole number. */
export function count(written: number, doc: string, bounds: Bounds = {}): Option<number, number, 'given'> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = bounds;
  const fits = (value: unknown): value is number => Number.isSafeInteger(value) && isWithin(value as number, min, max);
  return simple({
    written,
    doc,
    expected: max === Number.MAX_SAFE_INTEGER ? `a whole number from ${min}` : `a number from ${min} to ${max}`,
    take: (value) => (fits(value) ? { ok: true, value } : undefined),
    propose: (value) => (typeof value === 'string' && fits(Number(value || NaN)) ? value : undefined),
  });
}

/** A number that may have a fraction. */
export function decimal(written: number, doc: string, { min, max }: Required<Bounds>): Option<number, number, 'given'> {
  return simple({
    written,
    doc,
    expected: `a number from ${min} to ${max}`,
    take: (value) => (typeof value === 'number' && isWithin(value, min, max) ? { ok: true, value } : undefined),
  });
}

export function flag(written: boolean, doc: string): Option<boolean, boolean, 'given'> {
  return simple({
    written,
    doc,
    expected: 'true or false',
    take: (value) => (typeof value === 'boolean' ? { ok: true, value } : undefined),
  });
}

/** Text on one line: nothing that a terminal or a protocol would take for more. */
export function text(written: string, doc: string): Option<string, string, 'given'> {
  return checkedText(written, doc, { expected: 'text on one line', parse: (value) => ({ ok: true, value }) });
}

export interface TextCheck<T> {
  /** With its article. */
  readonly expected: string;
  readonly parse: (text: string) => Parsed<T>;
}

/** Text that must parse. */
export function checkedText<T>(written: string, doc: string, check: TextCheck<T>): Option<T, string, 'given'> {
  return simple({
    written,
    doc,
    expected: check.expected,
    take: (value) => (isLine(value) ? check.parse(value) : undefined),
  });
}

export function choice<const C extends string>(
  choices: readonly C[],
  written: NoInfer<C>,
  doc: string,
): Option<C, C, 'given'> {
  return simple<C, C>({
    written,
    doc,
    expected: oneOf(choices),
    take: (value) => {
      const found = choices.find((choice) => choice === value);
      return found === undefined ? undefined : { ok: true, value: found };
    },
    propose: (value) => {
      const near = typeof value === 'string' ? nearestName(value, choices) : undefined;
      return near === undefined ? undefined : shownValue(near);
    },
  });
}

// ── what is made of others ──

/** Named options. Written or not, it is there, with the defaults of what it holds. */
export function group<S extends Fields>(fields: S, doc: string): Option<Values<S>, WrittenFields<S>, 'given'> {
  const readValue = (value: unknown, path: string): Read<Values<S>> =>
    readFields(fields, value, path) as Read<Values<S>>;
  return {
    presence: 'given',
    doc,
    expected: 'a group of options in braces',
    shown: '',
    hasDefault: true,
    inside: { kind: 'group', fields },
    read: readValue,
    absent: (path) => readValue({}, path),
  };
}

/** `written` is the default. */
export function list<Out, In>(
  of: Option<Out, In>,
  written: readonly NoInfer<In>[],
  doc: string,
): Option<readonly Out[], readonly In[], 'given'> {
  const expected = `a list, each element ${of.expected}`;
  const readValue = (value: unknown, path: string): Read<readonly Out[]> => {
    if (Array.isArray(value)) return gather(Array.from(value, (item: unknown, i) => of.read(item, `${path}[${i}]`)));
    return refused({ path, value: shownValue(value), expected: 'a list', fix: `write [${shownItem(value, of)}]` });
  };
  const absent = (path: string): Read<readonly Out[]> => readValue(written, path);
  const shown = shownValue(written);
  return {
    presence: 'given',
    doc,
    expected,
    shown,
    hasDefault: true,
    inside: { kind: 'list', of },
    read: readValue,
    absent,
  };
}

/** Names chosen by the writer, each with an option. */
export function record<Out, In>(
  of: Option<Out, In>,
  doc: string,
): Option<Readonly<Record<string, Out>>, Readonly<Record<string, In>>, 'given'> {
  const readValue = (value: unknown, path: string): Read<Readonly<Record<string, Out>>> => {
    const shape = plainObject(value, path);
    if (!shape.ok) return shape;
    const rows = shape.value.map(([name, item]): Read<readonly [string, Out]> => {
      const one = of.read(item, pathOf(path, name));
      return one.ok ? { ok: true, value: [name, one.value] } : one;
    });
    const read = gather(rows);
    return read.ok ? { ok: true, value: Object.fromEntries(read.value) } : read;
  };
  return {
    presence: 'given',
    doc,
    expected: `names in braces, each with ${of.expected}`,
    shown: '{}',
    hasDefault: true,
    inside: { kind: 'record', of },
    read: readValue,
    absent: () => ({ ok: true, value: {} }),
  };
}

type Form<V, K extends keyof V> = Values<V[K]> & { readonly kind: K };
type WrittenForm<V, K extends keyof V> = WrittenFields<V[K]> & { readonly kind: K };

/** One of several groups, told apart by `kind`. */
export function variants<V extends Readonly<Record<string, Fields>>>(
  forms: V,
  doc: string,
): Option<{ [K in keyof V]: Form<V, K> }[keyof V], { [K in keyof V]: WrittenForm<V, K> }[keyof V], 'required'> {
  type Out = { [K in keyof V]: Form<V, K> }[keyof V];
  const kinds = Object.keys(forms);
  const readValue = (value: unknown, path: string): Read<Out> => {
    const shape = plainObject(value, path);
    if (!shape.ok) return shape;
    const kind = shape.value.find(([name]) => name === 'kind')?.[1];
    const fields = typeof kind === 'string' && Object.hasOwn(forms, kind) ? forms[kind] : undefined;
    if (fields === undefined) return wrongKind(kind, kinds, pathOf(path, 'kind'));
    const rest = Object.fromEntries(shape.value.filter(([name]) => name !== 'kind'));
    const read = readFields(fields, rest, path);
    return read.ok ? { ok: true, value: { ...read.value, kind } as Out } : read;
  };
  const expected = `a group of options with kind ${oneOf(kinds)}`;
  return {
    presence: 'required',
    doc,
    expected,
    shown: `{ kind: '${kinds[0] ?? ''}' }`,
    hasDefault: false,
    inside: { kind: 'variants', forms },
    read: readValue,
    absent: (path) => missing(path, expected, `{ kind: '${kinds[0] ?? ''}', … }`),
  };
}

/** Nothing stands when nothing is written; what was the default becomes the example. */
export function optional<Out, In>(option: Option<Out, In>): Option<Out | undefined, In, 'given'> {
  return { ...option, presence: 'given', hasDefault: false, absent: () => ({ ok: true, value: undefined }) };
}

/** Must be written; what was the default becomes the example. */
export function required<Out, In>(option: Option<Out, In>): Option<Out, In, 'required'> {
  const absent = (path: string): Read<Out> => missing(path, option.expected, option.shown);
  return { ...option, presence: 'required', hasDefault: false, absent };
}

// ── reading ──

// Names that every object has or that change its prototype: never options, whatever was declared.
const UNSAFE_NAMES = new Set(['__proto__', 'constructor', 'prototype']);
const MAX_SHOWN = 60;

function readFields(fields: Fields, value: unknown, path: string): Read<Record<string, unknown>> {
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
function plainObject(value: unknown, path: string): Read<readonly (readonly [string, unknown])[]> {
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

function gather<T>(reads: readonly Read<T>[]): Read<readonly T[]> {
  const problems = reads.flatMap((one) => (one.ok ? [] : one.problems));
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, value: reads.flatMap((one) => (one.ok ? [one.value] : [])) };
}

function refused(problem: Problem): { readonly ok: false; readonly problems: readonly Problem[] } {
  return { ok: false, problems: [problem] };
}

function missing(path: string, expected: string, example: string): Read<never> {
  return refused({ path, value: undefined, expected: `missing, ${expected} is needed`, fix: `write ${example}` });
}

function unknownName(name: string, names: readonly string[], path: string): Problem {
  const near = nearestName(name, names);
  const known = names.length <= 12 ? `the names here are ${names.join(', ')}` : 'see the reference of options';
  const fix = near === undefined ? `${known}` : `did you mean ${near}?`;
  return { path: pathOf(path, name), value: undefined, expected: 'there is no such option', fix };
}

function wrongKind(kind: unknown, kinds: readonly string[], path: string): Read<never> {
  if (kind === undefined) return missing(path, oneOf(kinds), `'${kinds[0] ?? ''}'`);
  const near = typeof kind === 'string' ? nearestName(kind, kinds) : undefined;
  return refused({ path, value: shownValue(kind), expected: oneOf(kinds), fix: `write '${near ?? kinds[0] ?? ''}'` });
}

function pathOf(path: string, name: string): string {
  const plain = /^[A-Za-z_$][\w$]*$/.test(name);
  if (!plain) return `${path}[${shownValue(name)}]`;
  return path === '' ? name : `${path}.${name}`;
}

function textThen<T>(parse: (text: string) => Parsed<T>): (value: unknown) => Parsed<T> | undefined {
  return (value) => {
    const result = typeof value === 'string' ? parse(value) : undefined;
    return result?.ok === true ? result : undefined;
  };
}

function within(
  { min = 0, max = Infinity }: Bounds,
  format: (value: number) => string,
  take: (value: unknown) => Parsed<number> | undefined,
): (value: unknown) => Parsed<number> | undefined {
  return (value) => {
    const taken = take(value);
    if (taken?.ok !== true || isWithin(taken.value, min, max)) return taken;
    const bound = taken.value < min ? `less than ${format(min)}` : `more than ${format(max)}`;
    return { ok: false, reason: bound };
  };
}

function isWithin(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}

function boundsText({ min, max }: Bounds, format: (value: number) => string): string {
  if (min === undefined && max === undefined) return '';
  if (max === undefined) return `, at least ${format(min ?? 0)}`;
  return min === undefined ? `, at most ${format(max)}` : `, from ${format(min)} to ${format(max)}`;
}

function isLine(value: unknown): value is string {
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be in it
  return typeof value === 'string' && value.length <= 1000 && !/[\u0000-\u001f\u007f-\u009f]/.test(value);
}

function oneOf(choices: readonly string[]): string {
  const last = choices.at(-1) ?? '';
  return choices.length < 2 ? last : `${choices.slice(0, -1).join(', ')} or ${last}`;
}

/** A value as it would be written, cut short. */
export function shownValue(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'number') return String(value);
  let shown: string;
  try {
    shown = JSON.stringify(value) ?? 'undefined';
  } catch {
    // Cycles and throwing getters: it is an object, and that is all that needs to be said.
    shown = 'an object';
  }
  return shown.length <= MAX_SHOWN ? shown : `${shown.slice(0, MAX_SHOWN - 1).toWellFormed()}…`;
}

function shownItem(value: unknown, of: AnyOption): string {
  return of.read(value, '').ok ? shownValue(value) : of.shown;
}
