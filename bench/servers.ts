/**
 * The servers that are measured: the product, the ceiling, Postfix. Each takes mail for anybody, drops what is for
 * `discard.test` after it was committed, and relays what is for `sink.test`.
 */

import { join, resolve } from 'node:path';
import process from 'node:process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connectControl, type Control } from '../src/api/control-client.ts';
import { type PostriderConfig } from '../src/config/config.ts';
import { startPostfix } from '../test/lib/postfix.ts';
import { freePort, removeFolder, type Running, startProcess, testFolder } from '../test/lib/processes.ts';
import { started, until } from '../test/lib/wait.ts';
import { usageOf, type Usage } from './processes.ts';

export interface MeasuredServer {
  readonly port: number;
  readonly pid: number;
  /** How many of the messages that others are measured with are enough for one that is slow; not given: all. */
  readonly share?: number;
  /** Of a peer. */
  readonly version?: string;
  usage(): Usage;
  stop(): Promise<void>;
}

export interface Product extends MeasuredServer {
  readonly control: Control;
  readonly configFile: string;
  /** Stops it and starts it again on what it has kept. */
  restarted(): Promise<Product>;
}

export interface ProductOptions {
  /** Its build: a folder with `main.js`. */
  readonly build: string;
  readonly sinkPort: number;
  readonly port?: number;
  readonly httpPort?: number;
  /** Laid over the configuration of the benchmark. */
  readonly config?: Partial<PostriderConfig>;
  /** Where each of its threads writes a CPU profile when it ends. */
  readonly profile?: string | undefined;
}

/**
 * Product defaults, but for what a load from a single address needs. Events, metrics and fsync are on because
 * they are always on.
 */
export function productConfig({
  sinkPort,
  port,
  httpPort,
  config,
}: Required<Omit<ProductOptions, 'build' | 'profile'>>): PostriderConfig {
  return {
    hostname: 'mx.postrider.test',
    // 50 connections from a client and 1,000 in all by default; the idle workload alone opens more than that.
    listeners: [{ name: 'smtp', host: '127.0.0.1', port, connections: 5000, connectionsPerClient: 5000 }],
    http: { port: httpPort },
    spool: { folder: 'spool' },
    routes: [
      { kind: 'discard', name: 'discard', match: { recipients: ['discard.test'] } },
      {
        ...{ kind: 'smarthost', name: 'sink', host: '127.0.0.1', port: sinkPort, tls: 'none' },
        match: { recipients: ['sink.test'] },
      },
    ],
    ...config,
  };
}

export async function startProduct(options: ProductOptions): Promise<Product> {
  const folder = await testFolder('bench-product');
  const { port = await freePort(), httpPort = await freePort(), config = {} } = options;
  const written = productConfig({ ...options, port, httpPort, config });
  writeFileSync(join(folder, 'postrider.config.mjs'), `export default ${JSON.stringify(written, undefined, 2)};\n`);
  return runProduct(options, folder, port);
}

async function runProduct(options: ProductOptions, folder: string, port: number): Promise<Product> {
  const configFile = join(folder, 'postrider.config.mjs');
  const { build, profile } = options;
  const nodeOptions = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(profile)}`];
  const argv = [process.execPath, ...nodeOptions, join(build, 'main.js'), 'serve', '--config', configFile] as const;
  const running = await run('the product', { argv: [...argv], cwd: folder, port, folder });
  const control = connectControl(join(folder, 'spool'));
  // Its last face: it comes behind the listeners.
  await until('the control socket', () => control.status().catch(() => false as const));
  return {
    ...measured(running, port, folder),
    ...{ configFile, control },
    restarted: async () => {
      await running.stop();
      return runProduct(options, folder, port);
    },
  };
}

/** `submissions`: a second port, on which it speaks TLS. */
export async function startCeiling(sinkPort: number, threads: number, submissions?: number): Promise<MeasuredServer> {
  const folder = await testFolder('bench-ceiling');
  const port = await freePort();
  mkdirSync(join(folder, 'store'));
  const secure = submissions === undefined ? [] : ['--submissions', submissions];
  const ports = ['--port', port, '--sink', sinkPort, '--threads', threads, ...secure].map(String);
  const script = join(import.meta.dirname, 'ceiling.ts');
  const argv = [process.execPath, script, ...ports, '--folder', join(folder, 'store')] as const;
  return measured(await run('the ceiling', { argv: [...argv], cwd: folder, port, folder }), port, folder);
}

/** With every limit that would hold it back raised. */
const POSTFIX_PARAMETERS = {
  default_process_limit: '200',
  smtpd_client_connection_count_limit: '0',
  default_destination_concurrency_limit: '100',
  smtp_destination_concurrency_limit: '100',
  initial_destination_concurrency: '50',
  default_destination_concurrency_failed_cohort_limit: '10',
  qmgr_message_active_limit: '40000',
  qmgr_message_recipient_limit: '40000',
  in_flow_delay: '0',
  message_size_limit: '52428800',
  disable_dns_lookups: 'yes',
  transport_maps: 'inline:{ {discard.test = discard:} }',
} as const;

export async function startPostfixServer(sinkPort: number): Promise<MeasuredServer> {
  const postfix = await startPostfix({
    relayTo: { host: '127.0.0.1', port: sinkPort },
    parameters: POSTFIX_PARAMETERS,
  });
  const { pid, port } = postfix;
  return { pid, port, usage: () => usageOf(pid), stop: () => postfix.stop() };
}

interface Starting {
  readonly argv: [string, ...string[]];
  readonly cwd: string;
  readonly port: number;
  readonly folder: string;
}

async function run(name: string, { argv, cwd, port, folder }: Starting): Promise<Running> {
  const env = { HOME: process.env['HOME'] ?? '/nonexistent', NO_COLOR: '1' };
  const running = startProcess({ argv, cwd, env });
  await started({ name, running, ports: [port], folder, log: async () => '' });
  return running;
}

function measured(running: Running, port: number, folder: string): MeasuredServer {
  return {
    ...{ port, pid: running.pid, usage: () => usageOf(running.pid) },
    stop: async () => {
      await running.stop();
      await removeFolder(folder);
    },
  };
}
