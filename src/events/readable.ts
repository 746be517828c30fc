/**
 * An event as one line for people: what `npm start` prints and `postrider message` shows.
 *
 *     21:26:24.123  accepted    01jd3x7k2mpq0000abcd  <ann@a.test> → <bob@b.test>  4.0 KiB by ESMTP from 192.0.2.7
 *
 * Text from strangers is shown without controls, so that it cannot move the cursor or forge a line.
 */

import { decodeWords } from '../mail/encoded-word.ts';
import { oneLine } from '../mail/dsn.ts';
import { type Delays, type Event } from './event.ts';

export interface ReadableOptions {
  readonly colour?: boolean;
  /** Minutes east of Greenwich; the time of day is shown in this zone. */
  readonly zone?: number;
}

const KIND_WIDTH = 10;
const ID_WIDTH = 20;
const NAMED_RECIPIENTS = 2;
const MAX_REPLY = 200;

/** SGR codes: green for an end that was wished for, yellow for waiting, red for an end that was not. */
const COLOURS: Readonly<Record<Event['kind'], number>> = {
  accepted: 36,
  rejected: 31,
  attempt: 2,
  delivered: 32,
  deferred: 33,
  failed: 31,
  expired: 31,
  suppressed: 31,
  dropped: 31,
  held: 33,
  released: 36,
  suspended: 33,
  resumed: 36,
  rerouted: 36,
  removed: 31,
  dsn: 35,
  relayed: 32,
  directoryChanged: 36,
  tls: 33,
  tlsReportSent: 35,
  tlsReportReceived: 35,
};

/** Without a line end. */
export function readable(event: Event, { colour = false, zone = 0 }: ReadableOptions = {}): string {
  const kind = event.kind.padEnd(KIND_WIDTH);
  const id = ('queueId' in event ? shown(event.queueId, 40) : '').padEnd(ID_WIDTH);
  const shownKind = colour ? `\u001b[${COLOURS[event.kind]}m${kind}\u001b[0m` : kind;
  return `${timeOfDay(event.at, zone)}  ${shownKind}  ${id}  ${isOfTls(event) ? ofTls(event) : storyOf(event)}`;
}

type OfTls = Extract<Event, { kind: 'tls' | 'tlsReportSent' | 'tlsReportReceived' }>;
type Other = Exclude<Event, OfTls>;

function isOfTls(event: Event): event is OfTls {
  return event.kind.startsWith('tls');
}

function storyOf(event: Other): string {
  switch (event.kind) {
    case 'accepted':
      return `${way(event)}  ${size(event.octets)} by ${event.protocol} from ${client(event)}${signed(event.signedBy)}${repaired(event.repaired)}${subject(event.subject)}`;
    case 'rejected':
      return `${event.stage} from ${client(event)}${rejectedPaths(event)}: ${reply(event.reply)}`;
    case 'attempt':
      return `${recipients(event)}  attempt ${event.attempt} by ${shown(event.route, 60)} to ${shown(event.site, 80)}`;
    case 'delivered':
      return `${recipients(event)}  ${host(event)}: ${reply(event.reply)}  ${delays(event.delays)}${secured(event)}`;
    case 'deferred':
      return `${recipients(event)}  ${host(event)}: ${reply(event.reply)}  (${shown(event.reason, 40)}; again in ${span(event.nextAttemptAt - event.at)})`;
    case 'failed':
      return `${recipients(event)}  ${host(event)}: ${reply(event.reply)}  ${delays(event.delays)}`;
    case 'expired':
      return `${recipients(event)}  after ${event.attempt} attempts: ${reply(event.reply)}`;
    case 'dsn':
      return dsn(event);
    case 'relayed':
      return `${way(event)}  ${shown(event.host, 80)}: ${reply(event.reply)}  ${size(event.octets)}`;
    default:
      return rest(event);
  }
}

type Rest = Exclude<
  Other,
  {
    kind: 'accepted' | 'rejected' | 'attempt' | 'delivered' | 'deferred' | 'failed' | 'expired' | 'dsn' | 'relayed';
  }
>;

/** A user of this machine has no address, but a name. */
function client({
  clientAddress,
  clientName,
}: {
  readonly clientAddress: string;
  readonly clientName: string;
}): string {
  return shown(clientAddress === '' ? clientName : clientAddress, 60);
}

/** What operators and rules do. */
function rest(event: Rest): string {
  switch (event.kind) {
    case 'suppressed':
      return `${recipients(event)}  ${shown(event.reason)}`;
    case 'dropped':
      return `${recipients(event)}  by rule ${shown(event.rule)}`;
    case 'held':
      return `${recipients(event)}  by rule ${shown(event.rule)}: ${shown(event.reason)}`;
    case 'released':
      return `${recipients(event)}  by ${shown(event.by)}`;
    case 'removed':
      return `${recipients(event)}  by ${shown(event.by)}${event.told ? ', the sender is told' : ''}`;
    case 'suspended':
      return `${shown(event.target)}  by ${shown(event.by)} (${shown(event.rule)}): ${shown(event.reason)}${until(event.until)}`;
    case 'resumed':
      return `${shown(event.target)}  by ${shown(event.by)} (${shown(event.rule)})`;
    case 'rerouted':
      return `${shown(event.target)}  to ${shown(event.route)} by ${shown(event.by)} (${shown(event.rule)})`;
    case 'directoryChanged':
      return directoryChange(event);
    default:
      return event satisfies never;
  }
}

function ofTls(event: OfTls): string {
  const domain = shown(event.domain, 80);
  if (event.kind === 'tls') {
    const sessions = event.sessions === 1 ? '' : `${event.sessions} sessions  `;
    const what = `${shown(event.result, 40)} (${shown(event.policy, 20)})`;
    return `${domain}  ${host(event)}: ${sessions}${what}: ${reply(event.reason)}`;
  }
  const counts = `${event.successful} sessions were secured, ${event.failed} were not`;
  if (event.kind === 'tlsReportSent') return `${domain}  ${shown(event.day, 10)} to ${shown(event.to, 100)}: ${counts}`;
  const failures = event.failures.length === 0 ? '' : `: ${shown(event.failures.join(', '), MAX_REPLY)}`;
  return `${domain}  ${instant(event.begin).slice(0, 10)} by ${shown(event.organization, 60)}: ${counts}${failures}`;
}

/** As a person names what can be in the directory. */
const THINGS = new Map([
  ['apiKey', 'API key'],
  ['signingKey', 'signing key'],
]);

function directoryChange(event: Extract<Event, { kind: 'directoryChanged' }>): string {
  const what = THINGS.get(event.what) ?? shown(event.what, 20);
  const tenant = event.tenant === '' || event.what === 'tenant' ? '' : ` of ${shown(event.tenant, 60)}`;
  const changes = event.changes.length === 0 ? '' : `: ${shown(event.changes.join(', '), MAX_REPLY)}`;
  return `${what} ${shown(event.name)}${tenant}  ${shown(event.action, 20)} by ${shown(event.by)}${changes}`;
}

function dsn(event: Extract<Event, { kind: 'dsn' }>): string {
  const about = event.about === '' ? '' : `about ${shown(event.about, 40)}, `;
  const to = event.to === '' ? 'to nobody' : `to ${address(event.to)}`;
  return `${to}  ${about}${shown(event.action, 20)}: ${addresses(event.recipients)}`;
}

function rejectedPaths({ sender, recipient }: Extract<Event, { kind: 'rejected' }>): string {
  const from = sender === undefined ? '' : ` ${address(sender)}`;
  return recipient === undefined ? from : `${from} → ${address(recipient)}`;
}

function way(event: { readonly sender: string; readonly recipients: readonly string[] }): string {
  return `${address(event.sender)} → ${addresses(event.recipients)}`;
}

function recipients(event: { readonly recipients: readonly string[] }): string {
  return addresses(event.recipients);
}

function addresses(all: readonly string[]): string {
  const named = all.slice(0, NAMED_RECIPIENTS).map(address).join(', ');
  return all.length <= NAMED_RECIPIENTS ? named : `${named} and ${all.length - NAMED_RECIPIENTS} more`;
}

function address(text: string): string {
  return `<${shown(text, 100)}>`;
}

function host({ host, address }: { readonly host: string; readonly address: string }): string {
  if (host === '') return address === '' ? 'here' : shown(address, 60);
  return address === '' || address === host ? shown(host, 80) : `${shown(host, 80)} [${shown(address, 60)}]`;
}

const OBEYED = new Map([
  ['requiretls', 'REQUIRETLS'],
  ['dane', 'DANE'],
  ['sts', 'MTA-STS'],
]);

/** By which policy, where one was obeyed. */
function secured({ tlsPolicy, tlsHandshake }: Extract<Event, { kind: 'delivered' }>): string {
  const name = OBEYED.get(tlsPolicy ?? '');
  return `${name === undefined ? '' : `  secured by ${name}`}${tlsHandshake === 'resumed' ? '  TLS session resumed' : ''}`;
}

function reply(text: string): string {
  return shown(text, MAX_REPLY);
}

function signed(by: string | undefined): string {
  return by === undefined ? '' : `  signed ${shown(by, 200)}`;
}

function repaired(rules: readonly string[] | undefined): string {
  return rules === undefined ? '' : `  repaired ${shown(rules.join(' '), 200)}`;
}

function subject(text: string): string {
  return text === '' ? '' : `  "${shown(decodeWords(text), 60)}"`;
}

function delays({ beforeQueue, inQueue, connect, transmit }: Delays): string {
  return `(${[beforeQueue, inQueue, connect, transmit].map(span).join(' / ')})`;
}

function until(at: number | undefined): string {
  return at === undefined ? '' : `, until ${instant(at).slice(0, 19).replace('T', ' ')} UTC`;
}

function size(octets: number): string {
  if (octets < 1024) return `${octets} B`;
  return octets < 1024 * 1024 ? `${(octets / 1024).toFixed(1)} KiB` : `${(octets / 1024 / 1024).toFixed(1)} MiB`;
}

/** `12ms`, `3.4s`, `15m`, `4h`, `2d`. */
function span(duration: number): string {
  const steps: readonly (readonly [number, number, string, number])[] = [
    [1000, 1, 'ms', 0],
    [60_000, 1000, 's', 1],
    [3_600_000, 60_000, 'm', 0],
    [172_800_000, 3_600_000, 'h', 0],
    [Infinity, 86_400_000, 'd', 0],
  ];
  const whole = Math.max(0, duration);
  const [, unit, name, digits] = steps.find(([below]) => whole < below) ?? [0, 86_400_000, 'd', 0];
  return `${(whole / unit).toFixed(digits)}${name}`;
}

function timeOfDay(at: number, zone: number): string {
  return instant(at + zone * 60_000).slice(11, 23);
}

/** A damaged line may name a time that is none. */
function instant(at: number): string {
  return new Date(Math.abs(at) <= 8.64e15 ? at : 0).toISOString();
}

function shown(text: string, max = 100): string {
  return oneLine(text, 'utf-8', max);
}
