/** The built product as `serve --sandbox`, in a folder of its own and on ports that the system chose: what a newcomer meets. */

import { join } from 'node:path';
import process from 'node:process';
import { type SandboxMessage } from '../../src/api/contract.ts';
import { connectControl, type Control } from '../../src/api/control-client.ts';
import { SANDBOX_SPOOL } from '../../src/cli/context.ts';
import { type Event } from '../../src/events/event.ts';
import { advance, environment, eventsIn, MAIN } from './product.ts';
import { removeFolder, type Running, startProcess, testFolder } from './processes.ts';
import { until } from './wait.ts';

/** As `GET /api/v1/sandbox/messages` tells of it. */
export interface InboxMessage extends SandboxMessage {
  /** Path of the raw message. */
  readonly raw: string;
}

export interface Sandbox {
  readonly smtpPort: number;
  readonly httpPort: number;
  readonly running: Running;
  readonly control: Control;
  /** What it printed before the first event. */
  readonly introduction: string;
  get(path: string): Promise<Response>;
  /** Those to one recipient; newest first. */
  inbox(recipient: string): Promise<readonly InboxMessage[]>;
  raw(message: InboxMessage): Promise<Buffer>;
  advance(duration: string): Promise<void>;
  events(): Promise<readonly Event[]>;
  event(what: string, matches: (event: Event) => boolean): Promise<Event>;
  /** As from another terminal in the same folder. */
  cli(...args: readonly string[]): Promise<{ readonly code: number | NodeJS.Signals; readonly output: string }>;
  /** Gives the exit code. */
  stop(): Promise<number | NodeJS.Signals>;
}

const PORTS = {
  POSTRIDER_SMTP_PORT: '0',
  POSTRIDER_SUBMISSION_PORT: '0',
  POSTRIDER_SUBMISSIONS_PORT: '0',
  POSTRIDER_HTTP_PORT: '0',
};

export async function startSandbox(): Promise<Sandbox> {
  const folder = await testFolder('sandbox');
  const running = startProcess({
    argv: [process.execPath, MAIN, 'serve', '--sandbox'],
    env: { ...environment(), ...PORTS },
    cwd: folder,
  });
  const introduction = await introductionOf(running);
  const httpPort = portIn(introduction, /HTTP {2,}http:\/\/127\.0\.0\.1:(\d+)\//);
  const events = join(folder, SANDBOX_SPOOL, 'events');
  const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${httpPort}${path}`);
  return {
    ...{ httpPort, running, introduction, get },
    smtpPort: portIn(introduction, /SMTP {2,}127\.0\.0\.1:(\d+)/),
    control: connectControl(join(folder, SANDBOX_SPOOL)),
    inbox: (recipient) => inbox(get, recipient),
    raw: async ({ raw }) => Buffer.from(await (await get(raw)).arrayBuffer()),
    advance: (duration) => advance(httpPort, duration),
    events: () => eventsIn(events),
    event: (what, matches) => until(what, async () => (await eventsIn(events)).find(matches)),
    cli: (...args) => cli(folder, args),
    stop: () => stop(running, folder),
  };
}

/** Up to the command for a first message, which is the last that it prints. */
async function introductionOf(running: Running): Promise<string> {
  let ended: number | NodeJS.Signals | undefined;
  void running.exited.then((how) => (ended = how));
  return until('the introduction', () => {
    if (ended !== undefined) throw new Error(`the sandbox ended with ${ended}: ${running.output()}`);
    return /^[^]*postrider send --to .*\n/.exec(running.output())?.[0];
  });
}

function portIn(text: string, pattern: RegExp): number {
  const [, port] = pattern.exec(text) ?? [];
  if (port === undefined) throw new Error(`no ${pattern} in ${text}`);
  return Number(port);
}

async function inbox(get: Sandbox['get'], recipient: string): Promise<readonly InboxMessage[]> {
  const answer = await get(`/api/v1/sandbox/messages?limit=1000&recipient=${encodeURIComponent(recipient)}`);
  if (!answer.ok) throw new Error(`no inbox: ${answer.status} ${await answer.text()}`);
  const { messages } = (await answer.json()) as { readonly messages: readonly InboxMessage[] };
  return messages;
}

async function cli(folder: string, args: readonly string[]): ReturnType<Sandbox['cli']> {
  const running = startProcess({ argv: [process.execPath, MAIN, ...args], env: environment(), cwd: folder });
  const code = await running.exited;
  return { code, output: running.output() };
}

async function stop(running: Running, folder: string): Promise<number | NodeJS.Signals> {
  running.signal('SIGTERM');
  const ended = await running.exited;
  await removeFolder(folder);
  return ended;
}
