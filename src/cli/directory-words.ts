/** What the commands of the directory share: the way to it, limits as options, lists. */

import { type Command } from 'commander';
import { DIRECTORY_CALLS } from '../api/directory-calls.ts';
import { type DirectoryAdmin } from '../api/directory-contract.ts';
import { SENDING_LIMITS } from '../directory/limits.ts';
import { type SendingLimits } from '../mail/identity.ts';
import { parseOctets } from '../lib/schema-units.ts';
import { CommandFailure, type Context, UsageError } from './context.ts';
import { table } from './table.ts';

/** The directory of the running server, or the file itself. */
export async function withDirectory(
  context: Context,
  use: (directory: DirectoryAdmin) => Promise<void>,
): Promise<void> {
  await context.withQueue(({ admin }) => use(signedBy(admin, context.by)));
}

/** The same directory, to which each change says who makes it. */
function signedBy(directory: DirectoryAdmin, by: string): DirectoryAdmin {
  const signed = Object.entries(DIRECTORY_CALLS).flatMap(([name, { method }]) => {
    if (method !== 'POST') return [];
    const call = directory[name as keyof DirectoryAdmin].bind(directory) as (request: object) => Promise<unknown>;
    return [[name, (request: object) => call({ ...request, by })] as const];
  });
  return { ...directory, ...Object.fromEntries(signed) };
}

export function listed(context: Context, titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = titles.map((title, i) => ({ title, of: (row: readonly string[]) => row[i] ?? '' }));
  return rows.length === 0 ? 'none\n' : table(context.terminal, columns, rows);
}

const LIMIT_OPTIONS = {
  messagesPerHour: '--messages-per-hour <n>',
  messagesPerDay: '--messages-per-day <n>',
  recipientsPerHour: '--recipients-per-hour <n>',
  recipientsPerDay: '--recipients-per-day <n>',
  recipientsPerMessage: '--recipients-per-message <n>',
  messageOctets: '--message-size <octets>',
} as const satisfies Record<(typeof SENDING_LIMITS)[number], string>;

export interface LimitOptions extends Partial<
  Record<Exclude<(typeof SENDING_LIMITS)[number], 'messageOctets'>, string>
> {
  readonly messageSize?: string;
}

export function withLimits(command: Command): Command {
  for (const name of SENDING_LIMITS) command.option(LIMIT_OPTIONS[name], 'at most; "none" takes the limit away');
  return command;
}

/** With those that stood before; nothing when none was named. */
export function limitsOf(
  { messageSize, ...counts }: LimitOptions,
  before: SendingLimits = {},
): SendingLimits | undefined {
  const given = Object.entries({ ...counts, messageOctets: messageSize }).flatMap(([name, text]) =>
    text === undefined || !SENDING_LIMITS.some((limit) => limit === name) ? [] : [[name, limitOf(name, text)] as const],
  );
  if (given.length === 0) return undefined;
  const limits = Object.entries({ ...before, ...Object.fromEntries(given) });
  return Object.fromEntries(limits.filter(([, value]) => value !== undefined));
}

function limitOf(name: string, text: string): number | undefined {
  if (text === 'none') return undefined;
  const value = name === 'messageOctets' ? parseOctets(text) : undefined;
  const number = value?.ok === true ? value.value : Number(text);
  if (Number.isSafeInteger(number) && number >= 0 && text.trim() !== '') return number;
  throw new UsageError(`${name} ${text}: write a whole number${name === 'messageOctets' ? ', or one like 10MiB' : ''}`);
}

export function limitsText(limits: SendingLimits): string {
  return Object.entries(limits)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

/** A command that changes something, and was not told what. */
export function somethingOf(options: object, names: string): void {
  if (Object.values(options).every((value) => value === undefined))
    throw new UsageError(`say what is to change: ${names}`);
}

export function eitherOf(on: boolean | undefined, off: boolean | undefined, names: string): boolean | undefined {
  if (on === true && off === true) throw new UsageError(`${names}: one of them`);
  if (on === true) return true;
  return off === true ? false : undefined;
}

/** The one of that name in a list. */
export function named<T>(records: readonly T[], is: (record: T) => boolean, missing: string): T {
  const found = records.find(is);
  if (found === undefined) throw new CommandFailure(missing);
  return found;
}
