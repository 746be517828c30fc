/**
 * The workloads `submission`, `submission-pipelined`, `submission-each` and `submission-accept`: users log in over TLS and
 * send, on connections that stay, command by command or in groups, or on one for each message. What they send is relayed;
 * in the last it is dropped after it was committed. The product with and without signing, and the ceiling behind TLS.
 */

import { type PostriderConfig } from '../src/config/config.ts';
import { freePort } from '../test/lib/processes.ts';
import { type Figures, measure } from './measure.ts';
import { type BenchOptions } from './options.ts';
import { type Sink, untilTaken } from './postfix-tools.ts';
import { type MeasuredServer, startCeiling, startProduct } from './servers.ts';
import { submit, type SubmitterCommand } from './submitter.ts';

export type SubmissionName = 'submission' | 'submission-pipelined' | 'submission-each' | 'submission-accept';

export interface SubmissionServer extends MeasuredServer {
  /** Where TLS is spoken from the first octet. */
  readonly submissions: number;
}

const USER = { user: 'ann', password: 'correct horse battery staple' } as const;
const DOMAIN = 'bench.test';
const SESSIONS = 20;
const OCTETS = 4096;
/** The product ends a connection after a thousand. */
const REUSED = 500;
/** As in `flows.ts`. */
const WARM_UP = 15_000;
const WARM_UP_RUNS = 3;

export interface SubmissionWorld {
  readonly builds: ReadonlyMap<string, string>;
  readonly sink: Sink;
  readonly options: BenchOptions;
}

export async function startSubmission(world: SubmissionWorld): Promise<Map<string, SubmissionServer>> {
  const { builds, sink, options } = world;
  const servers = new Map<string, SubmissionServer>();
  for (const [name, build] of builds) {
    servers.set(name, await startOne(world, build, 'unsigned'));
    servers.set(`${name}, signed`, await startOne(world, build, 'signed'));
  }
  if (options.servers.includes('ceiling')) {
    const submissions = await freePort();
    servers.set('ceiling', { ...(await startCeiling(sink.port, options.ceilingThreads, submissions)), submissions });
  }
  return servers;
}

async function startOne(
  { sink, options }: SubmissionWorld,
  build: string,
  signing: 'signed' | 'unsigned',
): Promise<SubmissionServer> {
  const submissions = await freePort();
  const port = await freePort();
  const many = { host: '127.0.0.1', connections: 5000, connectionsPerClient: 5000 };
  const listeners: PostriderConfig['listeners'] = [
    { name: 'smtp', port, ...many },
    { name: 'submissions', port: submissions, auth: 'required', tls: 'implicit', ...many },
  ];
  const { profile } = options;
  const product = await startProduct({ build, sinkPort: sink.port, port, profile, config: { listeners } });
  // A domain in the directory has keys, and its users' mail is signed by both.
  if (signing === 'signed') await product.control.addDomain({ domain: DOMAIN });
  await product.control.addCredential({ ...USER, ...(signing === 'unsigned' && { senders: [DOMAIN] }) });
  return { ...product, submissions };
}

/** Before it counts, the code has been run often enough to be compiled. */
export async function warmUpSubmission(server: SubmissionServer, sink: Sink, whole: SubmissionLoad): Promise<void> {
  const messages = Math.min(WARM_UP, WARM_UP_RUNS * whole.messages);
  await run(server, sink, { ...whole, messages });
}

export interface SubmissionLoad {
  readonly name: SubmissionName;
  readonly messages: number;
}

export function measureSubmission(server: SubmissionServer, sink: Sink, load: SubmissionLoad): Promise<Figures> {
  return measure(server, load.messages, () => run(server, sink, load));
}

async function run({ submissions: port }: SubmissionServer, sink: Sink, load: SubmissionLoad): Promise<void> {
  const before = sink.taken;
  const relayed = load.name !== 'submission-accept';
  const recipient = relayed ? 'b@sink.test' : 'b@discard.test';
  const command: SubmitterCommand = {
    ...{ port, ...USER, sender: `a@${DOMAIN}`, recipient, sessions: SESSIONS, octets: OCTETS },
    ...{ messages: load.messages, perConnection: load.name === 'submission-each' ? 1 : REUSED },
    pipelined: load.name === 'submission-pipelined',
  };
  await submit(command);
  if (relayed) await untilTaken(sink, before + load.messages);
}
