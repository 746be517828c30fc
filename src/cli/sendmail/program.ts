/**
 * The `sendmail` command, and `mailq` and `newaliases`, which are the same one by other names.
 *
 * What goes wrong is said on standard error and by the exit codes of sysexits.h. Nothing is loaded that the task does
 * not need, not even for its types: cron and web servers start this for every message.
 */

import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { errorText } from '../../lib/error-text.ts';
import type { QueueAdmin } from '../../api/contract.ts';
import { parseSendmail, type SendmailCommand, type SendmailName } from '../../wire/sendmail/options.ts';
import type { Terminal } from '../terminal.ts';
import { type DropOptions } from './drop-file.ts';
import { SENDMAIL_EXIT, type SendmailExit, SendmailFailure } from './failure.ts';
import { dropFolder, type PlaceOptions } from './place.ts';
import { submit } from './submit.ts';

export interface SendmailIo {
  readonly terminal: Terminal;
  readonly input: AsyncIterable<Buffer>;
  /** Opens the spool of a stopped server. */
  readonly openOffline: (folder: string) => Promise<QueueAdmin & { close(): Promise<void> }>;
  /** Global options of `postrider` that stood before the command. */
  readonly config?: string | undefined;
  readonly spool?: string | undefined;
}

/** Resolves with the exit code; never rejects. */
export async function runSendmail(name: SendmailName, words: readonly string[], io: SendmailIo): Promise<number> {
  const command = parseSendmail(name, words);
  const { err } = io.terminal;
  if (!command.ok) {
    err(`${name}: ${command.reason}\n`);
    return SENDMAIL_EXIT.usage;
  }
  try {
    await RUN[command.value.mode](command.value, io);
    return SENDMAIL_EXIT.ok;
  } catch (error) {
    err(`${name}: ${errorText(error)}\n`);
    const exit = exitOf(error);
    if (exit === 'software' && error instanceof Error && error.stack !== undefined) err(`${error.stack}\n`);
    return SENDMAIL_EXIT[exit];
  }
}

function exitOf(error: unknown): SendmailExit {
  if (error instanceof SendmailFailure) return error.exit;
  return error instanceof Error && 'code' in error && error.code === 'EACCES' ? 'permission' : 'software';
}

type Run = (command: SendmailCommand, io: SendmailIo) => Promise<void> | void;

const RUN: Readonly<Record<SendmailCommand['mode'], Run>> = {
  submit: runSubmit,
  smtp: runSmtp,
  queue: async (command, io) => (await import('./queue.ts')).listQueue(io, placeOf(command, io)),
  flush: async (command, io) => (await import('./queue.ts')).flushQueue(command.flush, placeOf(command, io)),
  // Aliases are part of the configuration: there is nothing to rebuild, and packages that call this expect success.
  aliases: () => undefined,
  help: (_command, { terminal }) => terminal.out(HELP),
  version: async (_command, { terminal }) => {
    const { VERSION } = await import('../../runtime/version.ts');
    terminal.out(`Postrider ${VERSION}\n`);
  },
};

async function runSubmit(command: SendmailCommand, io: SendmailIo): Promise<void> {
  const { terminal, input } = io;
  const folder = await dropFolder(placeOf(command, io));
  const id = await submit({ command, input, drop: dropIn(folder, terminal), name: terminal.env['NAME'] });
  if (command.verbose) terminal.out(`queued as ${id}\n`);
}

async function runSmtp(command: SendmailCommand, io: SendmailIo): Promise<void> {
  const { terminal, input } = io;
  const folder = await dropFolder(placeOf(command, io));
  const { speakSmtp } = await import('./smtp.ts');
  await speakSmtp({ input, out: terminal.out, hostname: ownName(), drop: () => dropIn(folder, terminal) });
}

function dropIn(folder: string, { now }: Terminal): DropOptions {
  return { folder, now: now(), secret: randomBytes(16) };
}

function placeOf(command: SendmailCommand, { terminal, config, spool }: SendmailIo): PlaceOptions {
  return { env: terminal.env, cwd: terminal.cwd, config: command.config ?? config, spool };
}

/** Only for a greeting on a pipe. */
function ownName(): string {
  const name = hostname();
  return /^[A-Za-z0-9.-]+$/.test(name) ? name : 'localhost';
}

export const HELP = `Usage: sendmail [options] [recipient...]    a message from standard input
       sendmail -bs                         SMTP on standard input and output
       sendmail -bp, mailq                  what waits
       sendmail -q                          send what waits now
       sendmail -bi, newaliases             nothing: aliases are in the configuration

  -t            recipients from To, Cc and Bcc too (of the Resent fields, if there are any)
  -i, -oi       a line with a dot alone does not end the message
  -f <address>  reverse-path; <> for the null one     -F <name>  full name for a From field
  -N <when>     never, or success,failure,delay       -R <what>  full, hdrs      -V <id>  envelope id
  -C <file>     configuration (else the environment's POSTRIDER_CONFIG; POSTRIDER_PICKUP names the pickup folder)
  -v            say the queue id

Other options of Sendmail are taken and change nothing. Exit codes are those of sysexits.h.
`;
