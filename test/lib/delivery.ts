/** What tests of delivery share: ports made of the real thing, dispatches, an agent that is stopped at the end. */

import { type TestContext } from 'node:test';
import { type EntryRecipient } from '../../src/mail/entry.ts';
import { type SenderParameters } from '../../src/mail/envelope.ts';
import { type Mailbox } from '../../src/mail/path.ts';
import { type Route } from '../../src/mail/route.ts';
import { Agent } from '../../src/deliver/agent.ts';
import { type AgentOptions, DEFAULT_TIMEOUTS } from '../../src/deliver/options.ts';
import { type DnsAnswer, type DnsRecords, type DnsType, type Resolver } from '../../src/ports/resolver.ts';
import { type Dispatch } from '../../src/queue/dispatch.ts';

export function mailbox(text: string): Mailbox {
  const at = text.lastIndexOf('@');
  return { localPart: text.slice(0, at), domain: text.slice(at + 1) as Mailbox['domain'] };
}

export interface Logged {
  readonly level: 'error' | 'warn' | 'info';
  readonly text: string;
}

/** Names and their addresses; a name that is not here does not exist, `?` could not be looked up. */
export function resolverOf(addresses: Readonly<Record<string, readonly string[]>>): Resolver {
  return {
    async resolve<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<DnsRecords[T]>> {
      const known = addresses[name];
      if (known?.includes('?') === true) return { kind: 'temporary', reason: 'SERVFAIL' };
      const wanted = (known ?? []).filter((each) => (type === 'AAAA') === each.includes(':'));
      const [first, ...rest] = wanted as DnsRecords[T][];
      if (known === undefined) return { kind: 'noName', ttl: 1, authenticated: false };
      if (first === undefined) return { kind: 'noData', ttl: 1, authenticated: false };
      return { kind: 'found', records: [first, ...rest], ttl: 1, authenticated: false };
    },
  };
}

export interface AgentUnderTest {
  readonly agent: Agent;
  readonly options: AgentOptions;
  readonly logged: readonly Logged[];
  readonly slotsClosed: readonly (readonly [slot: number, reason: string])[];
}

export function agentFor(t: TestContext, more: Partial<AgentOptions> = {}): AgentUnderTest {
  const logged: Logged[] = [];
  const slotsClosed: [number, string][] = [];
  const options: AgentOptions = {
    resolver: resolverOf({ 'mx.test': ['127.0.0.1'] }),
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    random: { next: () => 0 },
    timers: {
      after(delay, wake) {
        const timer = setTimeout(wake, delay);
        return { cancel: () => clearTimeout(timer) };
      },
    },
    log: {
      error: (text) => logged.push({ level: 'error', text }),
      warn: (text) => logged.push({ level: 'warn', text }),
      info: (text) => logged.push({ level: 'info', text }),
    },
    helloName: 'us.test',
    timeouts: DEFAULT_TIMEOUTS,
    maxAddresses: 5,
    maxGreetings: 2,
    family: 'both',
    convertSigned: 'convert',
    prohibited: () => false,
    readContent: () => Promise.reject(new Error('no content was dispatched as blocks')),
    onSlotClosed: (slot, reason) => slotsClosed.push([slot, reason]),
    ...more,
  };
  const agent = new Agent(options);
  t.after(() => agent.drain(0));
  return { agent, options, logged, slotsClosed };
}

export interface Letter extends Partial<Omit<Dispatch, 'sender' | 'recipients' | 'content'>> {
  readonly from?: string | null;
  readonly to?: readonly string[];
  readonly sender?: Partial<SenderParameters>;
  readonly recipients?: readonly EntryRecipient[];
  readonly content?: string | Buffer | { readonly file: string; readonly octets: number };
}

export function recipient(address: string, index = 0, more: Partial<EntryRecipient> = {}): EntryRecipient {
  return { forwardPath: mailbox(address), orcpt: undefined, notify: undefined, index, ...more };
}

let dispatches = 0;

export function dispatchOf(route: Route, letter: Letter = {}): Dispatch {
  const {
    from = 'ann@us.test',
    to = ['bob@peer.test'],
    sender,
    content = 'Subject: x\r\n\r\nHello\r\n',
    ...more
  } = letter;
  dispatches += 1;
  return {
    id: dispatches,
    slot: 1,
    path: 'site|source',
    site: 'site',
    route,
    hosts: [{ name: 'mx.test', preference: 10 }],
    message: '01234567890123456789' as Dispatch['message'],
    entry: '01234567890123456789/0',
    recipients: to.map((each, index) => recipient(each, index)),
    acceptedAt: 0,
    attempt: 1,
    ...more,
    sender: {
      reversePath: from === null ? null : mailbox(from),
      body: '7BIT',
      smtpUtf8: false,
      ret: undefined,
      envid: undefined,
      ...sender,
    },
    content:
      typeof content === 'object' && 'file' in content
        ? { kind: 'file', path: content.file, octets: content.octets }
        : { kind: 'octets', octets: Buffer.from(content) },
  };
}

/** `kind status scope` of each outcome. */
export function verdictsOf(outcomes: readonly { kind: string }[]): string[] {
  return outcomes.map((outcome) =>
    'scope' in outcome && 'status' in outcome
      ? `${outcome.kind} ${String(outcome.status)} ${String(outcome.scope)}`
      : outcome.kind,
  );
}

export const MX = { kind: 'mx', name: 'mx', match: {}, tls: 'none' } as const;
