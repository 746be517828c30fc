/** What every command shares: the terminal, the global options, and the way to a server or to its spool. */

import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { type Command } from 'commander';
import { connectControl, type Control, ControlError } from '../api/control-client.ts';
import { type EventsAdmin, type QueueAdmin } from '../api/contract.ts';
import { type DirectoryAdmin } from '../api/directory-contract.ts';
import { type Config } from '../config/config.ts';
import { findConfigFile, loadConfig } from '../config/load.ts';
import { formatProblem } from '../lib/schema-reading.ts';
import { EXIT } from '../runtime/exit-codes.ts';
import { coloured, type Terminal } from './terminal.ts';

/** The command line was wrong; the text says how it should be. */
export class UsageError extends Error {}

/** Something went wrong that the text explains; nothing more is to be said. */
export class CommandFailure extends Error {}

/** Ends with the exit code that services take for a wrong configuration. */
export class ConfigurationFailure extends CommandFailure {
  readonly exitCode = EXIT.configuration;
}

export interface GlobalOptions {
  readonly json?: boolean;
  readonly config?: string;
  readonly spool?: string;
}

/** Where `serve --sandbox` keeps what it keeps. */
export const SANDBOX_FOLDER = join('.postrider', 'sandbox');
export const SANDBOX_SPOOL = join(SANDBOX_FOLDER, 'spool');

export interface OpenQueue {
  readonly admin: QueueAdmin & EventsAdmin & DirectoryAdmin;
  /** The server is down and the spool was opened here. */
  readonly offline: boolean;
  /** By the server's clock, which in a sandbox may be far from ours. */
  readonly now: number;
  readonly close: () => Promise<void>;
}

/** Opens the spool of a stopped server. */
export type OpenOffline = (
  spoolFolder: string,
  config?: Config,
) => Promise<QueueAdmin & EventsAdmin & DirectoryAdmin & { close(): Promise<void> }>;

export class Context {
  readonly terminal: Terminal;
  readonly #program: Command;
  readonly #openOffline: OpenOffline;

  constructor(terminal: Terminal, program: Command, openOffline: OpenOffline) {
    this.terminal = terminal;
    this.#program = program;
    this.#openOffline = openOffline;
  }

  get options(): GlobalOptions {
    return this.#program.opts<GlobalOptions>();
  }

  /** Who asks, for the record. */
  get by(): string {
    return `cli:${this.terminal.env['SUDO_USER'] ?? userInfo().username}`;
  }

  /** The running server. */
  async control(): Promise<Control> {
    return connectControl(await this.spoolFolder());
  }

  /** The running server's queue, or the spool itself when no server runs. */
  async queue(): Promise<OpenQueue> {
    const folder = await this.spoolFolder();
    const control = connectControl(folder);
    try {
      const { now } = await control.status();
      return { admin: control, offline: false, now, close: () => Promise.resolve() };
    } catch (error) {
      if (!(error instanceof ControlError) || error.kind !== 'notRunning') throw error;
    }
    const admin = await this.#openOffline(folder, await this.#config());
    return { admin, offline: true, now: this.terminal.now(), close: () => admin.close() };
  }

  async withQueue<T>(use: (queue: OpenQueue) => Promise<T>): Promise<T> {
    const queue = await this.queue();
    try {
      return await use(queue);
    } finally {
      await queue.close();
    }
  }

  /** Undefined: there is none, or none that can be read. */
  async #config(): Promise<Config | undefined> {
    const { config } = this.options;
    const file = config === undefined ? findConfigFile(this.terminal.cwd) : resolve(this.terminal.cwd, config);
    const loaded = file === undefined ? undefined : await loadConfig(file, 1);
    return loaded?.ok === true ? loaded.config : undefined;
  }

  /** `--spool`; else what the configuration says; else the sandbox's. */
  async spoolFolder(hint = '\n(or say with --spool where the spool is)'): Promise<string> {
    const { spool, config } = this.options;
    if (spool !== undefined) return resolve(this.terminal.cwd, spool);
    const file = config === undefined ? findConfigFile(this.terminal.cwd) : resolve(this.terminal.cwd, config);
    if (file === undefined) return resolve(this.terminal.cwd, SANDBOX_SPOOL);
    const loaded = await loadConfig(file, 1);
    if (loaded.ok) return loaded.config.spool.folder;
    const problems = loaded.problems.map(formatProblem).join('\n');
    throw new ConfigurationFailure(`${file} is not valid:\n${problems}${hint}`);
  }

  /** The file to serve. */
  configFile(): string {
    const { config } = this.options;
    if (config !== undefined) return resolve(this.terminal.cwd, config);
    const found = findConfigFile(this.terminal.cwd);
    if (found !== undefined) return found;
    throw new ConfigurationFailure(
      'there is no postrider.config.ts here or in /etc/postrider: make one with `postrider init`, name one with --config, or try `postrider serve --sandbox`',
    );
  }

  /** The answer as JSON where it was asked for, else as `text` says it. */
  print(answer: unknown, text: () => string): void {
    this.terminal.out(this.options.json === true ? `${JSON.stringify(answer, null, 2)}\n` : text());
  }

  /** Where it is not in the answer already. */
  warn(text: string): void {
    if (this.options.json !== true) this.terminal.err(`${coloured(this.terminal, 'yellow', 'warning:')} ${text}\n`);
  }

  note(text: string): void {
    if (this.options.json !== true) this.terminal.err(`${coloured(this.terminal, 'dim', text)}\n`);
  }
}
