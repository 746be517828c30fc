/**
 * The command line: reads arguments, runs one command, gives an exit code.
 *
 * 0: done. 1: it could not be done, and the text says why. 2: the command line was wrong. 69: no server is running.
 * 74: the spool can no longer be trusted. 78: the configuration is not valid, or not there.
 */

import { Command, CommanderError } from 'commander';
import { errorText } from '../lib/error-text.ts';
import { ControlError } from '../api/control-client.ts';
import { Refusal } from '../api/contract.ts';
import { EXIT } from '../runtime/exit-codes.ts';
import { VERSION } from '../runtime/version.ts';
import { addCertificate } from './certificate.ts';
import { addConfig, addInit } from './configuration.ts';
import { CommandFailure, ConfigurationFailure, Context, type OpenOffline, UsageError } from './context.ts';
import { addCredential } from './credential.ts';
import { addDomain } from './domain.ts';
import { addEvents } from './events.ts';
import { addKey } from './key.ts';
import { addExplain, addMessage } from './message.ts';
import { addOperate } from './operate.ts';
import { addQueue } from './queue.ts';
import { addLoad } from './load.ts';
import { addSend } from './send.ts';
import { addSendmail } from './sendmail/commands.ts';
import { addSink } from './sink.ts';
import { addServe, type Serving } from './serve.ts';
import { coloured, type Terminal } from './terminal.ts';
import { addTenant } from './tenant.ts';
import { addTlsReports } from './tls-reports.ts';
import { addUpkeep, type Compact } from './upkeep.ts';

/** What commands need of the runtime. */
export interface Wiring extends Serving {
  readonly openOffline: OpenOffline;
  readonly compact: Compact;
}

export interface Ended {
  readonly exitCode: number;
}

type ErrorForm = 'text' | 'json';

/** All commands, for running and for the reference page. */
export function buildProgram(
  terminal: Terminal,
  wiring: Wiring,
  errors: ErrorForm = 'text',
): { readonly program: Command; readonly ended: Ended } {
  const program = new Command('postrider');
  const ended = { exitCode: EXIT.ok as number };
  program
    .description('A mail transfer agent: receives, keeps, routes, delivers, retries, bounces, and says why.')
    .version(VERSION, '-V, --version', 'the version')
    .helpOption('-h, --help', 'this text')
    .helpCommand('help [command]', 'what a command does')
    .option('--config <file>', 'configuration file (else ./postrider.config.ts, then /etc/postrider/)')
    .option('--spool <folder>', 'spool folder, with the control socket (else as the configuration says)')
    .option('--json', 'answer in JSON')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .configureOutput({
      ...{ writeOut: terminal.out, writeErr: terminal.err, getOutHelpWidth: () => terminal.width ?? 100 },
      ...(errors === 'json' && { outputError: () => undefined }),
    })
    .exitOverride();
  const context = new Context(terminal, program, wiring.openOffline);
  addServe(program, context, wiring, ended);
  addInit(program, context);
  addConfig(program, context);
  addSend(program, context);
  addQueue(program, context);
  addMessage(program, context);
  addEvents(program, context);
  addExplain(program, context);
  addOperate(program, context);
  addTenant(program, context);
  addCredential(program, context);
  addDomain(program, context);
  addKey(program, context);
  addCertificate(program, context);
  addUpkeep(program, context, wiring.compact);
  addTlsReports(program, context);
  addSendmail(program);
  addSink(program, context);
  addLoad(program, context);
  return { program, ended };
}

/** Resolves with the exit code; never rejects. */
export async function runProgram(words: readonly string[], terminal: Terminal, wiring: Wiring): Promise<number> {
  const errors = words.includes('--json') ? 'json' : 'text';
  const { program, ended } = buildProgram(terminal, wiring, errors);
  try {
    if (words.length === 0) {
      program.outputHelp();
      return EXIT.usage;
    }
    await program.parseAsync([...words], { from: 'user' });
    return ended.exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    if (errors === 'json') terminal.err(`${JSON.stringify(errorAnswer(error), null, 2)}\n`);
    // Commander has written its own text already.
    else if (!(error instanceof CommanderError)) tell(terminal, error);
    return exitCodeOf(error);
  }
}

function tell(terminal: Terminal, error: unknown): void {
  terminal.err(`${coloured(terminal, 'red', 'postrider:')} ${errorText(error)}\n`);
  if (!isExpected(error) && error instanceof Error && error.stack !== undefined) terminal.err(`${error.stack}\n`);
}

/** In the form of the API. */
function errorAnswer(error: unknown): object {
  const message = error instanceof CommanderError ? error.message.replace(/^error: /, '') : errorText(error);
  return { error: { kind: kindOf(error), message } };
}

function kindOf(error: unknown): string {
  if (error instanceof Refusal || error instanceof ControlError) return error.kind;
  if (error instanceof ConfigurationFailure) return 'configuration';
  return error instanceof UsageError || error instanceof CommanderError ? 'usage' : 'failed';
}

function isExpected(error: unknown): boolean {
  return (
    error instanceof CommandFailure ||
    error instanceof UsageError ||
    error instanceof ControlError ||
    error instanceof Refusal
  );
}

function exitCodeOf(error: unknown): number {
  if (error instanceof ConfigurationFailure) return error.exitCode;
  if (error instanceof UsageError || error instanceof CommanderError) return EXIT.usage;
  return error instanceof ControlError && error.kind === 'notRunning' ? EXIT.notRunning : EXIT.failed;
}
