/** Workloads in which mail flows in by `smtp-source` as fast as it is taken: accept, relay, reuse, large. */

import { type Figures, measure } from './measure.ts';
import { load, type Sink, type SourceLoad, untilTaken } from './postfix-tools.ts';
import { type MeasuredServer } from './servers.ts';

export type FlowName = 'accept' | 'relay' | 'reuse' | 'large';
export type Flow = Omit<SourceLoad, 'port'>;

const MIB = 1024 ** 2;
const WARM_UP = 1500;

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
export async function warmUp(server: MeasuredServer, sink: Sink, flow: Flow): Promise<void> {
  const messages = Math.min(WARM_UP, flow.octets === MIB ? 50 : WARM_UP, flow.messages);
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
