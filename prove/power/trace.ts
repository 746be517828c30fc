/**
 * What strace has written (`-f -ttt -yy -xx`), as calls with the moments at which each was entered and left.
 *
 * A moment is a number that grows with the trace: what left before another was entered has happened before it, for
 * strace sees a call end before it lets the thread go on. Calls that overlap have no order. A call that was never
 * left (its process was killed) may have done any part of its work.
 */

export interface Call {
  readonly name: string;
  /** As strace writes them, with strings and paths in hexadecimal. */
  readonly args: string;
  /** The number returned; undefined when the call was never left. */
  readonly result: number | undefined;
  readonly entered: number;
  readonly left: number;
  /** Milliseconds since 1970 when it was entered. */
  readonly at: number;
}

interface Open {
  readonly text: string;
  readonly entered: number;
  readonly at: number;
}

const LINE = /^(\d+) +(\d+\.\d+) (.*)$/;
const RESUMED = /^<\.\.\. \w+ resumed>/;
const UNFINISHED = ' <unfinished ...>';
/** Padded, so that results stand below each other. */
const END = /\) += /;

type IsWanted = (text: string) => boolean;

/** Calls whose text passes `isWanted`, in the order in which they were entered. `first`: the moment to count from. */
export function parseTrace(trace: string, isWanted: IsWanted, first = 0): readonly Call[] {
  const reader = new LineReader(isWanted);
  for (const [i, line] of trace.split('\n').entries()) reader.read(line, first + 2 * i);
  return reader.calls().toSorted((a, b) => a.entered - b.entered);
}

class LineReader {
  readonly #isWanted: IsWanted;
  readonly #calls: Call[] = [];
  /** By thread, which is in one call at a time. */
  readonly #open = new Map<string, Open>();

  constructor(isWanted: IsWanted) {
    this.#isWanted = isWanted;
  }

  read(line: string, moment: number): void {
    const [, thread = '', seconds = '', text = ''] = LINE.exec(line) ?? [];
    if (RESUMED.test(text)) return this.#resumed(thread, text.replace(RESUMED, ''), moment + 1);
    // What follows a beginning is wanted or not as that is.
    if (!this.#isWanted(text)) return undefined;
    const at = Number(seconds) * 1000;
    if (text.endsWith(UNFINISHED))
      this.#open.set(thread, { text: text.slice(0, -UNFINISHED.length), entered: moment, at });
    else if (END.test(text)) this.#calls.push(callOf({ text, entered: moment, at }, '', moment + 1));
    return undefined;
  }

  /** Those that were never left among them. */
  calls(): readonly Call[] {
    return [...this.#calls, ...Array.from(this.#open.values(), (open) => callOf(open, '', Infinity))];
  }

  #resumed(thread: string, rest: string, moment: number): void {
    const open = this.#open.get(thread);
    this.#open.delete(thread);
    if (open !== undefined) this.#calls.push(callOf(open, rest, moment));
  }
}

function callOf({ text, entered, at }: Open, rest: string, left: number): Call {
  const whole = text + rest;
  const begin = whole.indexOf('(');
  const name = whole.slice(0, begin);
  // Strings are in hexadecimal, so nothing in them looks like the end.
  const end = END.exec(whole);
  const args = whole.slice(begin + 1, end?.index);
  const [digits] = /^-?\d+/.exec(end === null ? '' : whole.slice(end.index + end[0].length)) ?? [];
  const returned = digits === undefined ? undefined : Number(digits);
  // `= ?`: the process died inside.
  return { name, args, result: returned, entered, left: returned === undefined ? Infinity : left, at };
}

/** Octets of a string as `-xx` writes it. */
export function unhex(text: string): Buffer {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex');
}

/** How `-xx` writes it, to search a line for. */
export function hexed(text: string): string {
  return Buffer.from(text)
    .toString('hex')
    .replaceAll(/../g, (octet) => `\\x${octet}`);
}

/** A descriptor among the arguments, with the path or socket that it stood for when the call was entered. */
export interface Descriptor {
  readonly number: number;
  /** Empty when strace could not tell; of a socket `TCP:[…]`. */
  readonly target: string;
}

const DESCRIPTOR = /^(AT_FDCWD|-?\d+)(?:<(.*?)>(?:\(deleted\))?)?(?=$|, )/;

export function descriptorOf(args: string): Descriptor {
  const [, number = '-1', target = ''] = DESCRIPTOR.exec(args) ?? [];
  return {
    number: number === 'AT_FDCWD' ? -100 : Number(number),
    target: target.includes('\\x') && !target.includes('[') ? unhex(target).toString() : target,
  };
}

const STRING = /"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?/g;

/** The strings among the arguments, in order. Throws when strace has cut one short. */
export function stringsOf(args: string): readonly Buffer[] {
  return Array.from(args.matchAll(STRING), ([, octets = '', cut]) => {
    if (cut !== undefined) throw new Error(`the trace has cut a string short: ${args.slice(0, 200)}`);
    return unhex(octets);
  });
}
