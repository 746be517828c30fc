/** Workloads in which mail flows in by `smtp-source` as fast as it is taken: accept, relay, reuse, large. */

import { type Figures, measure } from './measure.ts';
import { load, type Sink, type SourceLoad, untilTaken } from './postfix-tools.ts';
import { type MeasuredServer } from './servers.ts';

export type FlowName = 'accept' | 'relay' | 'reuse' | 'large';
export type Flow = Omit<SourceLoad, 'port'>;

const MIB = 1024 ** 2;
const WARM_UP = 1500;
/**
 * For programs that are compiled while they run. After 10,000 relayed messages V8 has still compiled 180 functions anew
 * within the next 5,000, at a tenth of all CPU time; a server that runs for days is past that.
 */
const COMPILED_WARM_UP = 15_000;
/** Of a run, so that a short one is short. */
const WARM_UP_RUNS = 3;
const LARGE_WARM_UP = 100;
const COMPILED_BEFORE: ReadonlySet<string> = new Set(['postfix', 'exim', 'opensmtpd']);

export function flowOf(name: FlowName, messages: number): Flow {
  const small = { messages, sessions: 20, octets: 4096, recipient: 'b@sink.test', connections: 'each' } as const;
  switch (name) {
    case 'accept':
      return { ...small, recipient: 'b@discard.test' };
    case 'relay':
      return small;
    case 'reuse':
      return { ...small, connections: 'reused' };
    case 'large':
      return { ...small, sessions: 10, octets: MIB, messages: Math.max(20, Math.round(messages / 25)) };
  }
}

/** Before it counts, the code has been run often enough to be compiled. */
export async function warmUp(
  name: string,
  server: MeasuredServer,
  { sink, flow }: { readonly sink: Sink; readonly flow: Flow },
): Promise<void> {
  const most = COMPILED_BEFORE.has(name) ? WARM_UP : COMPILED_WARM_UP;
  const messages = Math.min(flow.octets === MIB ? LARGE_WARM_UP : most, WARM_UP_RUNS * flow.messages);
  await run(server, sink, { ...flow, messages });
}

export async function measureFlow(server: MeasuredServer, sink: Sink, whole: Flow): Promise<Figures> {
  const flow = { ...whole, messages: Math.ceil(whole.messages * (server.share ?? 1)) };
  const figures = await measure(server, flow.messages, () => run(server, sink, flow));
  return flow.octets < MIB ? figures : { ...figures, megabytes: ((figures['perSecond'] ?? 0) * flow.octets) / 1e6 };
}

async function run(server: MeasuredServer, sink: Sink, flow: Flow): Promise<void> {
  const before = sink.taken;
  await load({ ...flow, port: server.port });
  if (flow.recipient.endsWith('@sink.test')) await untilTaken(sink, before + flow.messages);
}
