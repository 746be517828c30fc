/**
 * A process of its own: next hops on addresses of loopback that share a port, and the name server that leads to them.
 *
 * Recipients are `<number>@d<domain>.mixed.test`. Of each hundred numbers five are deferred and two refused, unless
 * the next hops take everything.
 */

import process from 'node:process';
import { startDnsServer } from '../../src/sandbox/dns-server.ts';
import { FastSink } from '../../test/lib/fast-sink.ts';
import { zoneOfSites } from '../../test/lib/sites-zone.ts';
import {
  DEFERRED,
  type NextHopsCommand,
  type NextHopsState,
  numberIn,
  REFUSED,
  type Times,
  toMonotonic,
} from '../children.ts';

const counts = { delivered: 0, reports: 0 };
/** Numbers of messages: one that is tried again counts once. */
const refusals = { deferred: new Set<number>(), refused: new Set<number>() };
/** Copies that have been counted. */
let counted = 0;
const sink = new FastSink();

process.on('message', (command: NextHopsCommand) => {
  if (command.kind === 'start') void start(command);
  else process.send?.(state(command.times));
});
process.on('disconnect', () => process.exit(0));

async function start({ sites, domains, refuses }: Extract<NextHopsCommand, { kind: 'start' }>): Promise<void> {
  if (refuses) sink.rules = { refuse };
  let port = 0;
  for (let site = 0; site < sites; site += 1) port = await sink.listen(port, addressOf(site));
  const dns = await startDnsServer(zoneOfSites({ sites, addressOf, domains, under: 'mixed.test' }));
  process.send?.({ kind: 'started', port, dns: `${dns.address}:${dns.port}` } satisfies NextHopsState);
}

function refuse(recipient: string): string | undefined {
  const number = numberIn(recipient);
  const part = number % 100;
  if (!/^\d/.test(recipient) || part >= DEFERRED + REFUSED) return undefined;
  refusals[part < DEFERRED ? 'deferred' : 'refused'].add(number);
  return part < DEFERRED ? '452 4.2.2 The mailbox is full' : '550 5.1.1 There is no such mailbox';
}

function state(withTimes: boolean): NextHopsState {
  for (; counted < sink.copies.length; counted += 1)
    counts[sink.copies[counted]?.sender === '' ? 'reports' : 'delivered'] += 1;
  const { deferred, refused } = refusals;
  const refusedCounts = { deferred: deferred.size, refused: refused.size };
  return { kind: 'state', ...counts, ...refusedCounts, times: withTimes ? times() : [] };
}

function times(): Times {
  return sink.copies
    .filter(({ sender }) => sender !== '')
    .map(({ recipient, answeredAt }) => [numberIn(recipient), toMonotonic(answeredAt)]);
}

function addressOf(site: number): string {
  return `127.25.0.${site + 1}`;
}
