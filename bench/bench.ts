/**
 * `npm run bench`: what the product reaches on this machine, beside what a bare program reaches and what Postfix does.
 *
 * Prints a table and writes a JSON file into `bench/results`. How to read it: `bench/results/README.md`.
 */

import { loadavg } from 'node:os';
import { relative, resolve } from 'node:path';
import process from 'node:process';
import { debianPackages } from '../test/lib/debs.ts';
import { type Build, buildCommit, builtIn, buildTree } from './build.ts';
import { type BenchOptions, HELP, readOptions } from './options.ts';
import { startSink, toolVersion } from './postfix-tools.ts';
import { reportOf, type Row, tableOf, writeReport } from './report.ts';
import { runWorkloads } from './run.ts';
import { productConfig, startProduct } from './servers.ts';

/** Where `serve` relays mail for `sink.test` to. */
const SERVE_SINK = 2600;
const SERVE_HTTP = 8025;

const started = new Date();
const loadBefore = loadavg();
const options = optionsGiven();
if (options.command === 'serve') await serve(options);
else await run(options);

function optionsGiven(): BenchOptions {
  try {
    const read = readOptions(process.argv.slice(2));
    if (read !== 'help') return read;
    process.stdout.write(HELP);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(2);
  }
}

async function run(options: BenchOptions): Promise<void> {
  if (process.platform !== 'linux') throw new Error('the benchmark reads /proc, and runs on Linux only');
  const tools = await debianPackages('postfix');
  if (tools.kind === 'unavailable') throw new Error(`smtp-source and smtp-sink cannot be had: ${tools.reason}`);
  const build = chosenBuild(options);
  const against = options.against === undefined ? undefined : buildCommit(options.against);
  const builds = new Map([['postrider', build], ...(against === undefined ? [] : [['before', against] as const])]);
  const sink = await startSink();
  try {
    const [rows, failures, missing]: [Row[], string[], string[]] = [[], [], []];
    const versions: Record<string, string> = { postfix: await toolVersion() };
    await runWorkloads({ options, builds, sink, rows, failures, missing, versions, tell: console.log });
    const report = reportOf(
      {
        startedAt: started,
        build,
        against,
        loadBefore,
        versions,
        failures: [...failures, ...missing],
        settings: settings(options),
      },
      rows,
    );
    const path = writeReport(report, resolve(options.results));
    console.log(`\n${tableOf(report)}\n\n${relative(process.cwd(), path)}`);
    if (failures.length > 0) process.exitCode = 1;
  } finally {
    sink.stop();
  }
}

function chosenBuild({ build, commit }: BenchOptions): Build {
  if (build !== undefined) return builtIn(resolve(build));
  return commit === undefined ? buildTree() : buildCommit(commit);
}

function settings(options: BenchOptions): Readonly<Record<string, unknown>> {
  const { repetitions, messages, backlog, mixedBacklog, connections, queued, ceilingThreads, profile } = options;
  const configuration = productConfig({ sinkPort: SERVE_SINK, port: options.port, httpPort: SERVE_HTTP, config: {} });
  return {
    ...{ repetitions, messages, backlog, mixedBacklog, connections, queued, ceilingThreads, profile },
    configuration,
  };
}

/** Until it is told to stop. */
async function serve(options: BenchOptions): Promise<void> {
  const { port, profile } = options;
  const product = await startProduct({ build: chosenBuild(options).folder, sinkPort: SERVE_SINK, port, profile });
  console.log(`the product is on 127.0.0.1:${port}, process ${product.pid}
*@discard.test is dropped after its commit, *@sink.test goes to 127.0.0.1:${SERVE_SINK}
configuration: ${product.configFile}
stop with Ctrl-C`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
  });
  await product.stop();
}
