/** What is promised of a product with bad neighbours, as values in and failures out. */

export const THREADS = ['main', 'queueManager', 'worker', 'archivist'] as const;

/** Milliseconds. */
export interface Delay {
  readonly p99: number;
  readonly max: number;
}

export type ThreadDelays = Readonly<Record<(typeof THREADS)[number], Delay>>;

/** What the product said of one stretch of time. */
export interface DelayWindow {
  readonly ms: number;
  readonly delays: ThreadDelays;
}

/** Of a shorter one, with fewer than a hundred turns, 99 of 100 are all of them. */
const WINDOW = 2500;

/** Over all of them: the latest turn of any, and 99 of 100 of the worst that is long enough to say that. */
export function delaysOver(windows: readonly DelayWindow[]): ThreadDelays {
  const long = windows.filter(({ ms }) => ms >= WINDOW);
  const telling = long.length === 0 ? windows : long;
  return Object.fromEntries(
    THREADS.map((thread) => [
      thread,
      {
        p99: Math.max(...telling.map(({ delays }) => delays[thread].p99)),
        max: Math.max(...windows.map(({ delays }) => delays[thread].max)),
      },
    ]),
  ) as ThreadDelays;
}

export interface Measured {
  /** Of anonymous memory of the working process, at its height. */
  readonly grownOctets: number;
  readonly delays: ThreadDelays;
  /** Of a thread of the prover that has nothing to do. */
  readonly machine: Delay;
  /** For which part of the time that thread of the product was ready and had no processor that waited most. */
  readonly waited: number;
  /** Since the product was started. */
  readonly workerDeaths: number;
}

const MAX_P99 = 50;
const MAX_DELAY = 250;
/**
 * A machine that lets a thread that has nothing to do wait so long tells nothing of the product. Nor does one whose
 * processors are taken by others: a thread that has something to do waits for its turn there, an idle one hardly does.
 */
const MACHINE = { p99: MAX_P99 / 2, max: 100, waited: 0.15 };

/** Whether the machine was too busy with others for the product's event loops to be judged. */
export function isDisturbed({ machine, waited }: Measured): boolean {
  return machine.max > MACHINE.max || machine.p99 > MACHINE.p99 || waited > MACHINE.waited;
}

export function lateThreads({ delays }: Measured): readonly string[] {
  return THREADS.flatMap((thread) => {
    const { p99, max } = delays[thread];
    if (p99 <= MAX_P99 && max <= MAX_DELAY) return [];
    return [`the event loop of ${thread} was late: p99 ${Math.round(p99)} ms, max ${Math.round(max)} ms`];
  });
}

export interface Bounds {
  readonly grownOctets: number;
}

export function judgeMeasured(measured: Measured, bounds: Bounds): readonly string[] {
  const { grownOctets, workerDeaths } = measured;
  return [
    ...(grownOctets <= bounds.grownOctets
      ? []
      : [`memory grew by ${mib(grownOctets)}, not ${mib(bounds.grownOctets)}`]),
    ...(workerDeaths === 0 ? [] : [`${workerDeaths} workers died`]),
    ...(isDisturbed(measured) ? [] : lateThreads(measured)),
  ];
}

export function mib(octets: number): string {
  return `${Math.round(octets / (1 << 20))} MiB`;
}

export interface GoodMessage {
  readonly to: string;
  /** As it was sent, dots doubled. */
  readonly content: string;
  readonly fate: 'accepted' | 'refused' | 'unanswered';
  /** When we had the 250. */
  readonly acceptedAt: number;
  /** What the next hop took, dots doubled; each copy. */
  readonly copies: readonly { readonly content: string; readonly at: number }[];
  readonly deferred: boolean;
}

/** An eternity for a message that nothing holds up, also on a busy machine; less than until a slow receiver is given up. */
export const MAX_TRANSIT = 5000;

/** Good mail: taken, here once, octet for octet, and never put off. Only trace fields may stand before it. */
export function judgeGood(messages: readonly GoodMessage[]): readonly string[] {
  const wrong = new Map<string, string[]>();
  for (const message of messages)
    for (const what of wrongsOf(message)) wrong.set(what, [...(wrong.get(what) ?? []), message.to]);
  return [...wrong].map(([what, who]) => `good mail ${what}: ${who.length} (${who.slice(0, 3).join(', ')})`);
}

function wrongsOf({ content, fate, acceptedAt, copies, deferred }: GoodMessage): readonly string[] {
  if (fate !== 'accepted') return [fate === 'refused' ? 'was refused' : 'got no answer'];
  const [first] = copies;
  if (first === undefined) return ['was lost'];
  return [
    ...(copies.length > 1 ? ['came twice'] : []),
    ...(copies.every((copy) => isSame(copy.content, content)) ? [] : ['was changed']),
    ...(deferred ? ['was put off'] : []),
    ...(first.at - acceptedAt > MAX_TRANSIT ? ['was held up'] : []),
  ];
}

const TRACE = /^(?:Received: [^\r]*\r\n(?:[ \t][^\r]*\r\n)*)+$/;

function isSame(came: string, sent: string): boolean {
  return came.endsWith(sent) && TRACE.test(came.slice(0, came.length - sent.length));
}

export interface BadMessage {
  readonly to: string;
  readonly accepted: boolean;
  /** The next hop has read its content to the end. */
  readonly read: boolean;
  readonly delivered: boolean;
  /** It waits in the queue, or its sender was told. */
  readonly kept: boolean;
}

/** Mail for bad neighbours: what was taken is delivered, waits, or was returned; what was delivered was read. */
export function judgeBad(messages: readonly BadMessage[]): readonly string[] {
  const lost = messages.filter(({ accepted, delivered, kept }) => accepted && !delivered && !kept);
  const unread = messages.filter(({ delivered, read }) => delivered && !read);
  const doubled = messages.filter(({ delivered, kept }) => delivered && kept);
  const shown = (what: string, some: readonly BadMessage[]): readonly string[] =>
    some.length === 0 ? [] : [`${what}: ${some.length} (${some.slice(0, 3).map(({ to }) => to)})`];
  return [
    ...shown('mail for a bad next hop was lost', lost),
    ...shown('mail counts as delivered that no next hop has read', unread),
    ...shown('mail that was delivered is to be delivered again', doubled),
  ];
}
