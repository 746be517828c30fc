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
import {
  type AnyOption,
  type Fields,
  gather,
  missing,
  oneOf,
  type Option,
  pathOf,
  plainObject,
  type Presence,
  type Read,
  readFields,
  refused,
  shownValue,
  wrongKind,
} from './schema-reading.ts';
import { type Rate } from './gcra.ts';
import { formatDuration, formatOctets, parseDuration, parseOctets, parseRate } from './schema-units.ts';

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

/** Written as `100/1h`. */
export function rate(written: string, doc: string): Option<Rate, string, 'given'> {
  return simple({ written, doc, expected: 'a rate like 100/1h', take: textThen(parseRate) });
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

/** The name of a file or folder. */
export function fileName(written: string, doc: string): Option<string, string, 'given'> {
  return checkedText(written, doc, { expected: 'the name of a file or folder', parse: notEmpty });
}

function notEmpty(value: string): Parsed<string> {
  return value.trim() === '' ? { ok: false, reason: 'it is empty' } : { ok: true, value };
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

type Partly<S> = {
  readonly [K in keyof S]?: S[K] extends Option<infer Out, unknown> ? Exclude<Out, undefined> : never;
};

/** Named options of which only the written ones are there. */
export function partial<S extends Fields>(
  fields: S,
  doc: string,
): Option<Partly<S>, Partial<WrittenFields<S>>, 'given'> {
  const sparse: Fields = Object.fromEntries(Object.entries(fields).map(([name, option]) => [name, optional(option)]));
  const readValue = (value: unknown, path: string): Read<Partly<S>> => {
    const all = readFields(sparse, value, path);
    if (!all.ok) return all;
    const given = Object.entries(all.value).filter(([, one]) => one !== undefined);
    return { ok: true, value: Object.fromEntries(given) as Partly<S> };
  };
  return { ...group(sparse, doc), read: readValue, absent: () => ({ ok: true, value: {} }) } as Option<
    Partly<S>,
    Partial<WrittenFields<S>>,
    'given'
  >;
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

/** What was read, made into something else or refused with a reason. */
export function refine<Out, In, P extends Presence, T>(
  option: Option<Out, In, P>,
  expected: string,
  parse: (value: Out) => Parsed<T>,
): Option<T, In, P> {
  const next = (value: Read<Out>, path: string, written: unknown): Read<T> => {
    if (!value.ok) return value;
    const made = parse(value.value);
    if (made.ok) return made;
    const why = `${expected} (${made.reason})`;
    return refused({ path, value: shownValue(written), expected: why, fix: 'mend it as said' });
  };
  return {
    ...option,
    expected,
    read: (value, path) => next(option.read(value, path), path, value),
    absent: (path) => next(option.absent(path), path, undefined),
  };
}

// ── how ──

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

function shownItem(value: unknown, of: AnyOption): string {
  return of.read(value, '').ok ? shownValue(value) : of.shown;
}
