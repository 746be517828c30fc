/**
 * The built product as a process, with a configuration, a folder and ports of its own.
 *
 * It is started as people start it, by its command line; what the tests want to know of it they ask through its own
 * faces: the control socket, HTTP, the command line, the event log.
 */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { connectControl, type Control } from '../../src/api/control-client.ts';
import { type PostriderConfig } from '../../src/config/config.ts';
import { type Event } from '../../src/events/event.ts';
import { parseEvent } from '../../src/events/format.ts';
import { LogReader } from '../../src/events/log-reader.ts';
import { freePort, removeFolder, type Running, startProcess, testFolder } from './processes.ts';
import { until } from './wait.ts';

export const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'main.js');

export interface ProductOptions {
  /** Laid over a configuration that listens on loopback, on ports of its own, and relays for loopback. */
  readonly config?: Partial<PostriderConfig>;
  /** Where it lives; a later product in the same folder finds what the earlier one kept. Not given: a new one, removed by `stop`. */
  readonly folder?: string;
  /** Time can be moved. */
  readonly testClock?: boolean;
  /** In place of the ones chosen: for a product that is started again. */
  readonly ports?: ProductPorts;
  readonly env?: Readonly<Record<string, string>>;
  /** Do not wait until it is up: it is expected not to come up. */
  readonly expected?: 'running' | 'failing';
}

export interface ProductPorts {
  readonly smtp: number;
  readonly http: number;
}

export interface Product {
  readonly ports: ProductPorts;
  readonly smtpPort: number;
  readonly httpPort: number;
  readonly folder: string;
  readonly spool: string;
  readonly configFile: string;
  readonly control: Control;
  readonly running: Running;
  /** Every event logged so far, each once. */
  events(): Promise<readonly Event[]>;
  /** Waits for an event. */
  event(what: string, matches: (event: Event) => boolean, patience?: number): Promise<Event>;
  /** Runs a command of the command line against this product. */
  cli(...args: readonly string[]): Promise<{ readonly code: number | NodeJS.Signals; readonly output: string }>;
  /** Writes another configuration over the present one; nothing is reloaded by that. */
  configure(config: Partial<PostriderConfig>): void;
  /** Only with `testClock`. */
  advance(duration: string): Promise<void>;
  /** Ends it as an operator would; gives the exit code. */
  stop(): Promise<number | NodeJS.Signals>;
  /** SIGKILL to parent and working process. */
  kill(): Promise<void>;
}

/** Fails with what it has said when it does not come up. */
export async function startProduct(options: ProductOptions): Promise<Product> {
  const folder = options.folder ?? (await testFolder('product'));
  mkdirSync(folder, { recursive: true });
  const ports = options.ports ?? (await chosenPorts());
  const configFile = join(folder, 'postrider.config.mjs');
  const configure = (config: Partial<PostriderConfig>): void => writeConfig(configFile, ports, config);
  configure(options.config ?? {});
  const clock = options.testClock === true ? ['--test-clock'] : [];
  const env = { ...environment(), ...options.env };
  const argv = [process.execPath, MAIN, 'serve', '--config', configFile, ...clock] as const;
  const running = startProcess({ argv: [...argv], env, cwd: folder });
  const spool = join(folder, 'spool');
  const control = connectControl(spool);
  const product: Product = {
    ...{ ports, folder, spool, configFile, control, running, configure },
    ...{ smtpPort: ports.smtp, httpPort: ports.http },
    events: () => eventsIn(join(spool, 'events')),
    event: (what, matches, patience) =>
      until(what, async () => (await eventsIn(join(spool, 'events'))).find(matches), patience),
    cli: (...args) => runCli(folder, configFile, args),
    advance: (duration) => advance(ports.http, duration),
    stop: () => stop(running, options.folder === undefined ? folder : undefined),
    kill: () => running.stop('SIGKILL'),
  };
  if (options.expected !== 'failing') await comeUp(product);
  return product;
}

async function chosenPorts(): Promise<ProductPorts> {
  return { smtp: await freePort(), http: await freePort() };
}

function writeConfig(file: string, ports: ProductPorts, config: Partial<PostriderConfig>): void {
  const whole: PostriderConfig = {
    hostname: 'mx.product.test',
    listeners: [{ name: 'smtp', host: '127.0.0.1', port: ports.smtp }],
    http: { port: ports.http },
    spool: { folder: 'spool', minFree: '1MiB' },
    drainTime: '10s',
    ...config,
  };
  writeFileSync(file, `export default ${JSON.stringify(whole, undefined, 2)};\n`);
}

export function environment(): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: process.env['HOME'] ?? '/nonexistent',
    NO_COLOR: '1',
    POSTRIDER_TEST: '1',
  };
}

/** On a machine that others keep busy. */
const COMES_UP = 120_000;

async function comeUp({ control, running }: Product): Promise<void> {
  let ended: number | NodeJS.Signals | undefined;
  void running.exited.then((how) => (ended = how));
  try {
    await until(
      'the product',
      async () => {
        if (ended !== undefined) throw new Error(`it ended with ${ended}`);
        return control.status().then(
          () => true,
          () => false,
        );
      },
      COMES_UP,
    );
  } catch (error) {
    await running.stop('SIGKILL');
    throw new Error(`the product did not come up: ${String(error)}\n${running.output()}`, { cause: error });
  }
}

export async function eventsIn(folder: string): Promise<readonly Event[]> {
  if (!existsSync(folder)) return [];
  const reader = new LogReader(folder);
  const events: Event[] = [];
  let position: Awaited<ReturnType<LogReader['read']>>['position'];
  for (;;) {
    const page = await reader.read(position, 5000);
    for (const { line } of page.lines) {
      const event = parseEvent(line);
      if (event.ok) events.push(event.value);
    }
    position = page.position;
    if (!page.more) return events;
  }
}

async function runCli(
  folder: string,
  configFile: string,
  args: readonly string[],
): Promise<{ readonly code: number | NodeJS.Signals; readonly output: string }> {
  const argv = [process.execPath, MAIN, '--config', configFile, ...args] as const;
  const running = startProcess({ argv: [...argv], env: environment(), cwd: folder });
  const code = await running.exited;
  return { code, output: running.output() };
}

export async function advance(port: number, duration: string): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/sandbox/clock`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ advance: duration }),
  });
  if (!answer.ok) throw new Error(`time was not moved: ${answer.status} ${await answer.text()}`);
}

async function stop(running: Running, temporary: string | undefined): Promise<number | NodeJS.Signals> {
  running.signal('SIGTERM');
  const ended = await running.exited;
  if (temporary !== undefined) await removeFolder(temporary);
  return ended;
}
