/** The command line of the benchmark. */

import { parseArgs } from 'node:util';

export const WORKLOADS = [
  'accept',
  'relay',
  'reuse',
  'large',
  'signed',
  'signed-steady',
  'submission',
  'submission-pipelined',
  'submission-each',
  'submission-accept',
  'drain',
  'mixed',
  'drain-mixed',
  'latency',
  'idle',
  'idle-tls',
  'queued',
] as const;
export type Workload = (typeof WORKLOADS)[number];

export const SERVERS = ['postrider', 'ceiling', 'postfix', 'exim', 'opensmtpd', 'haraka'] as const;
export type ServerName = (typeof SERVERS)[number];

export interface BenchOptions {
  readonly command: 'run' | 'serve';
  readonly workloads: readonly Workload[];
  readonly servers: readonly ServerName[];
  readonly repetitions: number;
  /** Of the flows; the other workloads take multiples of it. */
  readonly messages: number;
  readonly backlog: number;
  readonly mixedBacklog: number;
  readonly connections: number;
  readonly queued: number;
  readonly ceilingThreads: number;
  readonly build: string | undefined;
  readonly commit: string | undefined;
  readonly against: string | undefined;
  readonly results: string;
  readonly port: number;
  readonly profile: string | undefined;
}

export const HELP = `npm run bench                            everything, about half an hour
npm run bench -- accept relay            some workloads: ${WORKLOADS.join(' ')}
npm run bench -- serve --port 2525       start the product as it is measured, and leave it to you

  --servers a,b       ${SERVERS.join(',')} (all that can be had)
  --repetitions n     of each measurement (3)
  --messages n        of accept, relay, reuse, signed and submission (5000); large takes a 25th of it, mixed twice as many
  --backlog n         of drain (20000)
  --mixed-backlog n   of drain-mixed (100000)
  --connections n     of idle (1000)
  --queued n          of queued, against a thousand (100000); 1000000 takes long
  --ceiling-threads n threads of the ceiling (1)
  --commit ref        measure this commit, not the work tree
  --build folder      measure what is compiled in this folder
  --against ref       measure that commit as well, as 'before'
  --profile folder    write CPU profiles of every thread of the product there; see bench/profile.ts
  --results folder    where the JSON file goes (bench/results)
`;

const OPTIONS = {
  servers: { type: 'string' },
  repetitions: { type: 'string', default: '3' },
  messages: { type: 'string', default: '5000' },
  backlog: { type: 'string', default: '20000' },
  'mixed-backlog': { type: 'string', default: '100000' },
  connections: { type: 'string', default: '1000' },
  queued: { type: 'string', default: '100000' },
  'ceiling-threads': { type: 'string', default: '1' },
  commit: { type: 'string' },
  build: { type: 'string' },
  against: { type: 'string' },
  results: { type: 'string', default: 'bench/results' },
  port: { type: 'string', default: '2525' },
  profile: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

/** Throws with a text for people. */
export function readOptions(argv: readonly string[]): BenchOptions | 'help' {
  const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  if (values.help) return 'help';
  const command = positionals[0] === 'serve' ? 'serve' : 'run';
  const named = command === 'serve' ? positionals.slice(1) : positionals;
  return {
    ...{ command, workloads: listed('workload', named, WORKLOADS) },
    servers: listed('server', values.servers?.split(',') ?? [], SERVERS),
    repetitions: count('repetitions', values.repetitions),
    messages: count('messages', values.messages),
    backlog: count('backlog', values.backlog),
    mixedBacklog: count('mixed-backlog', values['mixed-backlog']),
    connections: count('connections', values.connections),
    queued: count('queued', values.queued),
    ceilingThreads: count('ceiling-threads', values['ceiling-threads']),
    port: count('port', values.port),
    ...{ build: values.build, commit: values.commit, against: values.against, results: values.results },
    profile: values.profile,
  };
}

/** None named: all. */
function listed<T extends string>(what: string, named: readonly string[], known: readonly T[]): readonly T[] {
  const unknown = named.filter((name) => !known.some((each) => each === name));
  if (unknown.length > 0) throw new Error(`no ${what} ${unknown.join(', ')}: there are ${known.join(', ')}`);
  return named.length === 0 ? known : known.filter((name) => named.includes(name));
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} takes a number from 1, not ${text}`);
  return value;
}
