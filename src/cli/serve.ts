/**
 * `postrider serve`: the server. The command itself is the small parent; with `--working` it is the working process
 * that the parent starts. In the sandbox it also starts the small internet, and tells what is running.
 */

import { join } from 'node:path';
import { type Command } from 'commander';
import { parseEvent } from '../events/format.ts';
import { readable } from '../events/readable.ts';
import { type Log } from '../ports/log.ts';
import { type ParentOptions } from '../runtime/parent.ts';
import { type Ready, type WorkingOptions } from '../runtime/working.ts';
import { type Context, SANDBOX_FOLDER, UsageError } from './context.ts';
import { SANDBOX_LOGIN } from './sandbox-login.ts';
import { type RunningSandbox } from './sandbox.ts';
import { coloured, type Terminal } from './terminal.ts';

export interface Serving {
  readonly runParent: (options: ParentOptions) => Promise<number>;
  readonly runWorking: (options: WorkingOptions) => Promise<number>;
  readonly startSandbox: (env: Terminal['env'], folder: string, log: Log) => Promise<RunningSandbox>;
}

interface ServeOptions {
  readonly sandbox?: boolean;
  readonly testClock?: boolean;
  readonly working?: boolean;
}

export function addServe(program: Command, context: Context, serving: Serving, ended: { exitCode: number }): void {
  const serve = program
    .command('serve')
    .description('run the server')
    .option('--sandbox', 'with a small internet on loopback, and no configuration')
    .option('--test-clock', 'let time be moved by the API; for tests, which set POSTRIDER_TEST=1');
  serve.addOption(serve.createOption('--working', 'be the working process; the parent says so').hideHelp());
  serve.action(async (options: ServeOptions) => {
    if (options.sandbox === true && context.options.config !== undefined)
      throw new UsageError('--sandbox has a configuration of its own: leave out --config');
    if (options.testClock === true && options.sandbox !== true && context.terminal.env['POSTRIDER_TEST'] !== '1')
      throw new UsageError('--test-clock is for tests of the product: they set POSTRIDER_TEST=1');
    if (options.working === true) ended.exitCode = await work(context, options, serving);
    else
      ended.exitCode = await serving.runParent({
        workingArguments: argumentsOf(context, options),
        log: logOf(context.terminal),
      });
  });
}

/** The same command once more, for the working process. */
function argumentsOf(context: Context, { sandbox, testClock }: ServeOptions): readonly string[] {
  const where = sandbox === true ? ['--sandbox'] : ['--config', context.configFile()];
  const json = context.options.json === true ? ['--json'] : [];
  return ['serve', '--working', ...where, ...(testClock === true ? ['--test-clock'] : []), ...json];
}

async function work(context: Context, options: ServeOptions, serving: Serving): Promise<number> {
  const events = (lines: string): void => printEvents(context, lines);
  if (options.sandbox !== true) {
    const config = { kind: 'file', file: context.configFile(), version: 1 } as const;
    const movableClock = options.testClock === true;
    return serving.runWorking({ config, sandbox: undefined, movableClock, ready: nothing, events: nothing });
  }
  const folder = join(context.terminal.cwd, SANDBOX_FOLDER);
  const sandbox = await serving.startSandbox(context.terminal.env, folder, logOf(context.terminal));
  try {
    return await serving.runWorking({
      config: { kind: 'value', written: sandbox.written, folder },
      clockOffset: sandbox.clockOffset,
      sandbox: sandbox.port,
      movableClock: true,
      ready: async (ready) => {
        await sandbox.provideLogin(ready.directory);
        context.terminal.out(introduction(context.terminal, ready, sandbox.domains));
      },
      events,
    });
  } finally {
    await sandbox.close();
  }
}

function nothing(): void {
  // Outside the sandbox the logs say what is to be said.
}

/** What is running, and the command that shows it. */
export function introduction(
  terminal: Terminal,
  { listeners, http }: Pick<Ready, 'listeners' | 'http'>,
  domains: RunningSandbox['domains'],
): string {
  const addressOf = (wanted: string): string => {
    const found = listeners.find(({ name }) => name === wanted);
    return found === undefined ? '' : `${found.address}:${found.port}`;
  };
  const port = listeners.find(({ name }) => name === 'smtp')?.port;
  const web =
    http === undefined ? '' : `http://${http.host.includes(':') ? `[${http.host}]` : http.host}:${http.port}/`;
  const bold = (text: string): string => coloured(terminal, 'bold', text);
  return `
${bold('Postrider')} is running in its sandbox: nothing leaves this machine.

  SMTP     ${addressOf('smtp')}
  HTTP     ${web}   inboxes and queue
  logins   ${addressOf('submission')} (STARTTLS) and ${addressOf('submissions')} (TLS), user ${SANDBOX_LOGIN.user}, password ${SANDBOX_LOGIN.password}

${domains.map(({ domain, does }) => `  ${domain.padEnd(15)} ${does}`).join('\n')}

Send as a program of yours would, which logs in and whose mail is signed for ${SANDBOX_LOGIN.domain}:

  ${bold(exampleOf(addressOf('submission')))}

Or send a first message, from another terminal in this folder:

  ${bold(`npx postrider send --to anybody@inbox.test${port === 2525 ? '' : ` --port ${port}`}`)}

`;
}

/** For any shell that has curl. The certificate is one that nobody vouches for. */
function exampleOf(address: string): string {
  const { user, password, domain } = SANDBOX_LOGIN;
  const from = `${user}@${domain}`;
  const curl = `curl --crlf --insecure --ssl-reqd smtp://${address} --user ${user}:${password}`;
  return `printf 'From: ${from}\\nSubject: Hello\\n\\nHello\\n' | ${curl} --mail-from ${from} --mail-rcpt bob@inbox.test --upload-file -`;
}

function printEvents(context: Context, lines: string): void {
  const { terminal } = context;
  for (const line of lines.split('\n')) {
    if (line === '') continue;
    const event = context.options.json === true ? undefined : parseEvent(line);
    terminal.out(event?.ok === true ? `${readable(event.value, { colour: terminal.colour })}\n` : `${line}\n`);
  }
}

/** The parent's few words, before there is a configuration. */
function logOf({ err }: Terminal): Log {
  const write =
    (level: string) =>
    (text: string, facts: Readonly<Record<string, unknown>> = {}): void => {
      const rest = Object.entries(facts).flatMap(([name, value]) =>
        value === undefined ? [] : [`${name}=${String(value)}`],
      );
      err(`${[level, text, ...rest].join(' ')}\n`);
    };
  return { error: write('error'), warn: write('warn'), info: write('info') };
}
