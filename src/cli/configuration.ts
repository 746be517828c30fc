/** `postrider config check`, and `postrider init`: a first configuration, and what to do next. */

import { writeFileSync } from 'node:fs';
import { hostname as systemName } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import process from 'node:process';
import { type Command } from 'commander';
import { errorText } from '../lib/error-text.ts';
import { type Config } from '../config/config.ts';
import { CONFIG_NAMES, loadConfig } from '../config/load.ts';
import { configWarnings } from '../config/warnings.ts';
import { formatProblem } from '../lib/schema-reading.ts';
import { parseDomain } from '../mail/domain.ts';
import { CommandFailure, ConfigurationFailure, type Context, UsageError } from './context.ts';
import { configText, nextSteps, type Wishes } from './first-config.ts';

export function addConfig(program: Command, context: Context): void {
  const config = program.command('config').description('the configuration');
  config
    .command('check')
    .description('read the configuration and the files it names, and say what is wrong with them')
    .action(async () => {
      const file = context.configFile();
      const loaded = await loadConfig(file, 1);
      const { problems, warnings } = loaded.ok
        ? await lookAtFiles(loaded.config, context.terminal.now())
        : { problems: loaded.problems.map(formatProblem), warnings: [] };
      const ok = problems.length === 0;
      context.print({ file, ok, problems, warnings }, () => (ok ? `${file} is valid\n` : ''));
      for (const warning of warnings) context.warn(warning);
      if (!ok) throw new ConfigurationFailure(`${file} is not valid:\n${problems.join('\n')}`);
    });
}

interface Found {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** As the server would; what is closed to this user may be open to the server's, and is a warning. */
async function lookAtFiles(config: Config, now: number): Promise<Found> {
  const { expired, faultsOfFiles, faultsOfFolders, missingPrograms } = await import('../runtime/config-files.ts');
  const faults = [...(await faultsOfFiles(config)), ...(await faultsOfFolders(config))];
  const textsOf = (isDenied: boolean): readonly string[] =>
    faults.filter((fault) => fault.isDenied === isDenied).map(({ message }) => message);
  const denied = textsOf(true).map((text) => `${text} (not checked: run this as the user of the server)`);
  const unlikely = configWarnings(config).map(formatProblem);
  const warnings = [...unlikely, ...denied, ...expired(config, now), ...(await missingPrograms(config))];
  return { problems: textsOf(false), warnings };
}

interface InitOptions {
  readonly hostname?: string;
  readonly domain?: readonly string[];
  readonly maildir?: string;
  readonly smarthost?: string;
  readonly file: string;
}

export function addInit(program: Command, context: Context): void {
  program
    .command('init')
    .description('write a commented configuration, and say what to do next')
    .option('--hostname <name>', 'what the server calls itself, for example mx.example.com')
    .option('--domain <domain...>', 'domains whose mailboxes are here')
    .option(
      '--maildir <path>',
      'where the mailboxes are; {user} and {domain} are replaced',
      '/var/mail/{domain}/{user}',
    )
    .option('--smarthost <host>', 'send everything through this server, and not to the hosts of each recipient')
    .option('--file <path>', 'where to write it', CONFIG_NAMES[0] ?? '')
    .action(async (options: InitOptions) => {
      const wishes = await wishesOf(context, options);
      const file = join(context.terminal.cwd, options.file);
      write(options.file.startsWith('/') ? options.file : file, configText(wishes));
      context.print({ file: options.file, ...wishes }, () => nextSteps(options.file, wishes));
    });
}

async function wishesOf(context: Context, options: InitOptions): Promise<Wishes> {
  const hostname = nameOf('--hostname', options.hostname ?? (await askHostname(context)));
  const domains = (options.domain ?? []).map((domain) => nameOf('--domain', domain));
  const smarthost = options.smarthost === undefined ? undefined : nameOf('--smarthost', options.smarthost);
  const maildir = options.maildir ?? '/var/mail/{domain}/{user}';
  if (!maildir.startsWith('/')) throw new UsageError(`--maildir ${maildir}: write an absolute path`);
  return { hostname, domains, smarthost, maildir };
}

function nameOf(option: string, text: string): string {
  const domain = parseDomain(text.trim());
  if (!domain.ok) throw new UsageError(`${option} "${text}": ${domain.reason}; write a name like mx.example.com`);
  return domain.value;
}

/** Nobody is asked where nobody could answer. */
async function askHostname({ terminal }: Context): Promise<string> {
  const system = systemName();
  const proposal = system.includes('.') ? system : undefined;
  if (!terminal.isTty || !process.stdin.isTTY) {
    if (proposal !== undefined) return proposal;
    throw new UsageError('say what the server calls itself: --hostname mx.example.com');
  }
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await lines.question(
      `What does this server call itself?${proposal === undefined ? ' (mx.example.com) ' : ` [${proposal}] `}`,
    );
    return answer.trim() === '' ? (proposal ?? '') : answer;
  } finally {
    lines.close();
  }
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx', mode: 0o640 });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw new CommandFailure(`${file} exists already and stays as it is; name another with --file`);
    throw new CommandFailure(`${file} could not be written: ${errorText(error)}`);
  }
}
