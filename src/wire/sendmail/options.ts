/**
 * The command line of `sendmail`, as programs of forty years write it.
 *
 * Read as Postfix reads it: options cluster (`-ti`), a value stands in the same word or the next one, options may
 * stand behind recipients as GNU programs allow, `--` ends them. What only steers other programs (`-odb`, `-om`,
 * `-B8BITMIME`) is taken and changes nothing; what asks for something that is not here (`-bd`, `-bt`) is refused with
 * what to do instead; a letter that nobody knows is refused.
 */

import { type Parsed, parsed, unparsed } from '../../lib/parsed.ts';
import { parseEnvid, parseNotify, parseRet } from '../../mail/dsn-parameters.ts';
import { type Notify } from '../../mail/envelope.ts';
import { encodeXtext } from '../../mail/xtext.ts';

/** What the program was called, by the name of a link or by a command of `postrider`. */
export const SENDMAIL_NAMES = ['sendmail', 'mailq', 'newaliases'] as const;
export type SendmailName = (typeof SENDMAIL_NAMES)[number];

export type SendmailMode = 'submit' | 'smtp' | 'queue' | 'flush' | 'aliases' | 'help' | 'version';

export interface SendmailCommand {
  readonly mode: SendmailMode;
  /** As written; each may be a list of addresses. */
  readonly recipients: readonly string[];
  /** `-t`: recipients are taken from the header section too. */
  readonly extract: boolean;
  /** Without `-i` a line with a dot alone ends the message. */
  readonly loneDot: 'ends' | 'stays';
  /** `-f`, `-r`; `''` or `<>` is the null reverse-path. */
  readonly sender: string | undefined;
  /** `-F`. */
  readonly fullName: string | undefined;
  readonly notify: readonly Notify[] | undefined;
  readonly ret: 'FULL' | 'HDRS' | undefined;
  readonly envid: string | undefined;
  /** `-C`: a configuration file. */
  readonly config: string | undefined;
  readonly verbose: boolean;
  /** Of `-q…`: only what matches goes. */
  readonly flush: FlushSelection;
}

export interface FlushSelection {
  readonly id?: string;
  readonly recipient?: string;
  readonly sender?: string;
}

type Draft = { -readonly [K in keyof SendmailCommand]: SendmailCommand[K] };

/** A problem, or nothing. */
type Take = (draft: Draft, value: string) => string | undefined;

interface Option {
  /** `none`; `needed`: in this word or the next; `attached`: in this word, if at all. */
  readonly value: 'none' | 'needed' | 'attached';
  readonly take: Take;
}

const nothing: Take = () => undefined;

function set(change: (draft: Draft, value: string) => void): Take {
  return (draft, value) => {
    change(draft, value);
    return undefined;
  };
}

const sender = set((draft, value) => (draft.sender = value));
const ignoreDots = set((draft) => (draft.loneDot = 'stays'));

/** Every letter that Sendmail, Postfix or Exim know and that scripts use. */
const OPTIONS: Readonly<Record<string, Option>> = {
  A: { value: 'needed', take: nothing }, // -Ac, -Am: which configuration of Sendmail's two.
  B: { value: 'needed', take: bodyType },
  C: { value: 'needed', take: set((draft, value) => (draft.config = value)) },
  F: { value: 'needed', take: set((draft, value) => (draft.fullName = value)) },
  G: { value: 'none', take: nothing },
  I: { value: 'none', take: set((draft) => (draft.mode = 'aliases')) },
  L: { value: 'needed', take: nothing },
  N: { value: 'needed', take: notify },
  O: { value: 'needed', take: longOption },
  R: { value: 'needed', take: ret },
  U: { value: 'none', take: nothing },
  V: { value: 'needed', take: envid },
  X: { value: 'needed', take: nothing },
  b: { value: 'needed', take: mode },
  c: { value: 'none', take: nothing },
  d: { value: 'attached', take: nothing },
  e: { value: 'needed', take: nothing },
  f: { value: 'needed', take: sender },
  h: { value: 'needed', take: nothing },
  i: { value: 'none', take: ignoreDots },
  m: { value: 'none', take: nothing },
  n: { value: 'none', take: nothing },
  o: { value: 'needed', take: oldOption },
  p: { value: 'needed', take: nothing },
  q: { value: 'attached', take: queueRun },
  r: { value: 'needed', take: sender },
  t: { value: 'none', take: set((draft) => (draft.extract = true)) },
  v: { value: 'none', take: set((draft) => (draft.verbose = true)) },
  x: { value: 'none', take: nothing },
};

const MODES: Readonly<Record<string, SendmailMode>> = { m: 'submit', s: 'smtp', p: 'queue', i: 'aliases' };

const REFUSED_MODES: Readonly<Record<string, string>> = {
  d: 'the server is started by `postrider serve`',
  D: 'the server is started by `postrider serve`',
  l: 'the server is started by `postrider serve`',
  v: 'ask `postrider explain <address>` where mail would go',
  t: 'ask `postrider explain <address>` where mail would go',
  h: 'ask `postrider status`',
  H: 'ask `postrider status`',
};

const FIRST: Readonly<Record<SendmailName, SendmailMode>> = {
  sendmail: 'submit',
  mailq: 'queue',
  newaliases: 'aliases',
};

/** More words than a system passes to a program are no command line. */
export function parseSendmail(name: SendmailName, words: readonly string[]): Parsed<SendmailCommand> {
  const draft: Draft = {
    ...{ mode: FIRST[name], recipients: [], extract: false, loneDot: 'ends', sender: undefined, fullName: undefined },
    ...{ notify: undefined, ret: undefined, envid: undefined, config: undefined, verbose: false, flush: {} },
  };
  const recipients: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word === '--') {
      recipients.push(...words.slice(at + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      recipients.push(word);
      continue;
    }
    const read = word.startsWith('--') ? wholeWord(draft, word) : cluster(draft, word, words[at + 1]);
    if (!read.ok) return read;
    if (read.value === 'next word taken') at += 1;
  }
  return checked({ ...draft, recipients });
}

type Read = Parsed<'next word taken' | 'done'>;
const DONE: Read = { ok: true, value: 'done' };

function wholeWord(draft: Draft, word: string): Read {
  if (word !== '--help' && word !== '--version') return unparsed(`${word}: no such option`);
  draft.mode = word === '--help' ? 'help' : 'version';
  return DONE;
}

function cluster(draft: Draft, word: string, next: string | undefined): Read {
  for (let at = 1; at < word.length; at++) {
    const letter = word.charAt(at);
    const option = Object.hasOwn(OPTIONS, letter) ? OPTIONS[letter] : undefined;
    if (option === undefined) return unparsed(`-${letter}: no such option`);
    const rest = word.slice(at + 1);
    if (option.value === 'none') {
      option.take(draft, '');
      continue;
    }
    const fromNext = rest === '' && option.value === 'needed';
    if (fromNext && next === undefined) return unparsed(`-${letter} needs a value`);
    const problem = option.take(draft, fromNext ? (next ?? '') : rest);
    if (problem !== undefined) return unparsed(`-${letter}: ${problem}`);
    return fromNext ? { ok: true, value: 'next word taken' } : DONE;
  }
  return DONE;
}

function checked(command: SendmailCommand): Parsed<SendmailCommand> {
  if (command.mode === 'submit' && command.recipients.length === 0 && !command.extract)
    return unparsed('name the recipients, or write -t to take them from the header section');
  return parsed(command);
}

function mode(draft: Draft, value: string): string | undefined {
  const chosen = Object.hasOwn(MODES, value) ? MODES[value] : undefined;
  if (chosen !== undefined) draft.mode = chosen;
  else return `b${value} is not here${Object.hasOwn(REFUSED_MODES, value) ? `: ${REFUSED_MODES[value]}` : ''}`;
  return undefined;
}

function bodyType(_draft: Draft, value: string): string | undefined {
  return /^(?:7bit|8bitmime)$/i.test(value) ? undefined : 'it is 7BIT or 8BITMIME';
}

/** `-O Option=value`: of Sendmail's hundred only the one that decides where a message ends. */
function longOption(draft: Draft, value: string): undefined {
  if (/^ignoredots(?:=t(?:rue)?)?$/i.test(value)) draft.loneDot = 'stays';
}

function oldOption(draft: Draft, value: string): undefined {
  if (value.startsWith('i')) draft.loneDot = 'stays';
}

/** `-q` sends all that waits now; a time asks for a daemon. */
function queueRun(draft: Draft, value: string): string | undefined {
  const [, kind = '', what = ''] = /^([IRS])(.+)$/.exec(value) ?? [];
  if (value !== '' && kind === '') return `q${value} is not here: \`postrider serve\` looks after its queue by itself`;
  draft.mode = 'flush';
  if (kind === 'I') draft.flush = { id: what };
  if (kind === 'R') draft.flush = { recipient: `*${what}*` };
  if (kind === 'S') draft.flush = { sender: `*${what}*` };
  return undefined;
}

function notify(draft: Draft, value: string): string | undefined {
  const read = parseNotify(value);
  if (!read.ok) return 'write never, or success, failure and delay with commas between';
  draft.notify = read.value;
  return undefined;
}

function ret(draft: Draft, value: string): string | undefined {
  const read = parseRet(value);
  if (!read.ok) return 'write full or hdrs';
  draft.ret = read.value;
  return undefined;
}

/** xtext, as RFC 3461 has it; anything else is encoded. */
function envid(draft: Draft, value: string): string | undefined {
  const asGiven = parseEnvid(value);
  const read = asGiven.ok ? asGiven : parseEnvid(encodeXtext(value));
  if (!read.ok) return 'it is printable text of at most 100 characters';
  draft.envid = read.value;
  return undefined;
}
