/** The program: the command line, joined to the runtime. What a command does not need is not loaded. */

import { enableCompileCache } from 'node:module';
import process from 'node:process';
import { runProgram, type Wiring } from './cli/program.ts';
import { processTerminal } from './cli/terminal.ts';

enableCompileCache();

const wiring: Wiring = {
  runParent: async (options) => (await import('./runtime/parent.ts')).runParent(options),
  runWorking: async (options) => (await import('./runtime/working.ts')).runWorking(options),
  startSandbox: async (env, log) => (await import('./cli/sandbox.ts')).startSandbox(env, log),
  openOffline: async (folder) => (await import('./runtime/offline.ts')).openOffline(folder),
  compact: async (folder) => (await import('./runtime/offline.ts')).compactOffline(folder),
};

const exitCode = await runProgram(process.argv.slice(2), processTerminal(), wiring);
// What is still open (a socket kept alive, a timer) must not hold the command back.
process.stdout.write('', () => process.exit(exitCode));
