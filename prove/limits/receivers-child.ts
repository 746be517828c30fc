/**
 * A process of its own: the sites that a mountain of mail goes to, on addresses of loopback that share a port, and the
 * name server that leads to them.
 *
 * Domains take turns at the sites. Each message that arrives is marked by its number, so that none counts twice without being noticed.
 */

import process from 'node:process';
import { startDnsServer } from '../../src/sandbox/dns-server.ts';
import { FastSink } from '../../test/lib/fast-sink.ts';
import { zoneOfSites } from '../../test/lib/sites-zone.ts';
import { characterOf, type ReceiversCommand, type ReceiversState } from './receivers.ts';

const TIDY = 200;
const HOSTS = 250;

const counts = { delivered: 0, twice: 0, refused: 0 };
let firstAt: number | undefined;
let lastAt: number | undefined;
let seen = new Uint8Array(0);
const refusing = new FastSink({ refuse });
const taking = new FastSink();

process.on('message', (command: ReceiversCommand) => {
  if (command.kind === 'start') void start(command);
  else tell({ kind: 'state', ...tidied(), firstAt, lastAt });
});
process.on('disconnect', () => process.exit(0));

async function start({ messages, sites, domains }: Extract<ReceiversCommand, { kind: 'start' }>): Promise<void> {
  seen = new Uint8Array(messages);
  let port = 0;
  for (let site = 0; site < sites; site += 1) {
    const character = characterOf(site);
    if (character !== 'silent') port = await (character === 'takes' ? taking : refusing).listen(port, addressOf(site));
  }
  const dns = await startDnsServer(zoneOfSites({ sites, addressOf, domains, under: 'mountain.test' }));
  setInterval(tidied, TIDY);
  tell({ kind: 'started', port, dns: `${dns.address}:${dns.port}` });
}

function tell(state: ReceiversState): void {
  process.send?.(state);
}

function refuse(): string {
  counts.refused += 1;
  return '450 4.3.2 Not now';
}

/** A million copies are too many to keep. */
function tidied(): typeof counts {
  for (const { recipient, answeredAt } of taking.copies.splice(0)) {
    const number = Number.parseInt(recipient, 10);
    lastAt = performance.timeOrigin + answeredAt;
    firstAt ??= lastAt;
    if (seen[number] === 0) counts.delivered += 1;
    else counts.twice += 1;
    seen[number] = 1;
  }
  taking.byRecipient.clear();
  return counts;
}

function addressOf(site: number): string {
  return `127.30.${Math.floor(site / HOSTS)}.${(site % HOSTS) + 1}`;
}
