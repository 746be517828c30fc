/** The program: the command line, joined to the runtime. What a command does not need is not loaded. */

import { enableCompileCache } from 'node:module';
import process from 'node:process';
import { sendmailWords } from './cli/sendmail/words.ts';
import type { Wiring } from './cli/program.ts';
import { processTerminal } from './cli/terminal.ts';

enableCompileCache();

const openOffline: Wiring['openOffline'] = async (folder, config) =>
  (await import('./runtime/offline.ts')).openOffline(folder, config);

const wiring: Wiring = {
  runParent: async (options) => (await import('./runtime/parent.ts')).runParent(options),
  runWorking: async (options) => (await import('./runtime/working.ts')).runWorking(options),
  startSandbox: async (...how) => (await import('./cli/sandbox.ts')).startSandbox(...how),
  openOffline,
  compact: async (folder) => (await import('./runtime/offline.ts')).compactOffline(folder),
};

const exitCode = await run(process.argv.slice(2));
// What is still open (a socket kept alive, a timer) must not hold the command back.
process.stdout.write('', () => process.exit(exitCode));

async function run(words: readonly string[]): Promise<number> {
  const terminal = processTerminal();
  const asked = sendmailWords(words);
  if (asked === undefined) return (await import('./cli/program.ts')).runProgram(words, terminal, wiring);
  const { runSendmail } = await import('./cli/sendmail/program.ts');
  const { config, spool } = asked;
  return runSendmail(asked.name, asked.words, { terminal, input: process.stdin, openOffline, config, spool });
}
