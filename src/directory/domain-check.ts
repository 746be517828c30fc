/**
 * Looks up the records that a domain needs, and says of each whether it is right: what was found there, and how to mend
 * it. What others resolve and parse is read as they would, with the parsers that the server itself reads strangers with.
 */

import { type DnsAnswer, type MxRecord, type Resolver } from '../ports/resolver.ts';
import { parseStsRecord } from '../tlspolicy/mta-sts.ts';
import { parseTlsRptRecord } from '../tlspolicy/tls-report.ts';
import { dmarcProblem } from './dmarc-problem.ts';
import { type WantedRecord } from './domain-records.ts';
import { type Finding, findingOf, noAnswer, quoted, RIGHT, wrong } from './finding.ts';
import { addressesOf, type AddressType, type HostAddresses } from './host-addresses.ts';
import { keyProblem } from './key-problem.ts';
import { spfFinding } from './spf-record.ts';
import { spfTexts } from './spf-terms.ts';

export interface CheckedRecord extends WantedRecord, Finding {}

export interface CheckFacts {
  readonly hostname: string;
  /** Of which kinds are the addresses that mail leaves from; none: it leaves by other hosts only. */
  readonly sendsBy: readonly AddressType[];
  /** Where reports on encryption are read (`tlsReports.address`). */
  readonly reportsTo: string | undefined;
}

interface Check extends CheckFacts {
  readonly resolver: Resolver;
  readonly own: HostAddresses;
}

/** Looks all of them up. */
export async function checkRecords(
  wanted: readonly WantedRecord[],
  facts: CheckFacts,
  resolver: Resolver,
): Promise<readonly CheckedRecord[]> {
  const check = { ...facts, resolver, own: await addressesOf(facts.hostname, resolver) };
  return Promise.all(wanted.map(async (record) => ({ ...record, ...(await find(record, check)) })));
}

async function find(record: WantedRecord, check: Check): Promise<Finding> {
  const { resolver } = check;
  if (record.type === 'MX') return mxFinding(record, await resolver.resolve(record.name, 'MX'));
  if (record.type === 'CNAME') return hostFinding(record, await addressesOf(record.name, resolver), check);
  const answer = await resolver.resolve(record.name, 'TXT');
  if (answer.kind === 'temporary') return noAnswer(record.name, answer.reason);
  const texts = answer.kind === 'found' ? answer.records : [];
  if (texts.length === 0) return missing(record);
  if (record.purpose === 'spf') return ownSpfFinding(record, texts, check);
  return findingOf(textProblem(record, texts, check));
}

function textProblem(record: WantedRecord, texts: readonly string[], check: Check): string | undefined {
  switch (record.purpose) {
    case 'dkim':
      return keyProblem(record.value, texts);
    case 'dmarc':
      return dmarcProblem(texts);
    case 'mtaSts':
      return stsProblem(record, texts);
    default:
      return tlsRptProblem(record, texts, check);
  }
}

async function ownSpfFinding(record: WantedRecord, found: readonly string[], check: Check): Promise<Finding> {
  const [text, ...others] = spfTexts(found);
  if (text === undefined) return missing(record);
  if (others.length > 0)
    return wrong(
      `${others.length + 1} SPF records stand there, and receivers take that for an error: join them in one`,
    );
  const wanted = record.value.split(' ')[1] ?? '';
  return spfFinding({ domain: record.name, text, wanted, host: check.own, sendsBy: check.sendsBy }, check.resolver);
}

function stsProblem({ value }: WantedRecord, texts: readonly string[]): string | undefined {
  const [found, served] = [parseStsRecord(texts), parseStsRecord([value])];
  switch (found.kind) {
    case 'none':
      return `no text there begins with v=STSv1; in this writing: publish ${value}`;
    case 'invalid':
      return `${quoted(found.reason)}, and senders take it for none: make it ${value}`;
    case 'found':
      if (served.kind === 'found' && found.id === served.id) return undefined;
      return `id=${found.id} is of another policy than the one that is served: make it ${value}`;
  }
}

function tlsRptProblem({ value }: WantedRecord, texts: readonly string[], { reportsTo }: Check): string | undefined {
  const found = parseTlsRptRecord(texts);
  if (found.kind === 'none') return `${found.reason}, so that nobody reports: make it ${value}`;
  const isRead = found.targets.some(
    (target) => target.kind === 'mail' && target.address.toLowerCase() === reportsTo?.toLowerCase(),
  );
  if (reportsTo === undefined || isRead) return undefined;
  const [first] = found.targets;
  const where = first.kind === 'mail' ? first.address : first.url;
  return `reports go to ${quoted(where)}, and are read at ${reportsTo} (tlsReports.address): make it ${value}`;
}

function mxFinding(record: WantedRecord, answer: DnsAnswer<MxRecord>): Finding {
  if (answer.kind === 'temporary') return noAnswer(record.name, answer.reason);
  const host = record.value.split(' ')[1];
  const hosts = answer.kind === 'found' ? answer.records.map(({ exchange }) => exchange) : [];
  if (hosts.length === 0) return missing(record);
  if (hosts.some((each) => each.toLowerCase() === host?.toLowerCase())) return RIGHT;
  return wrong(`its MX is ${hosts.map(quoted).join(', ')}: mail for it does not come here`);
}

/** A CNAME has been followed when the answer comes: what counts is that the name leads to this host and to no other. */
function hostFinding(record: WantedRecord, found: HostAddresses, { own }: Check): Finding {
  const [addresses, ours] = [found, own].map(({ addresses: { A, AAAA } }) => [...A, ...AAAA]);
  if (addresses === undefined || ours === undefined) return RIGHT;
  if (addresses.length === 0)
    return found.unanswered === undefined ? missing(record) : noAnswer(record.name, found.unanswered);
  // Two look-ups of one name may be answered with a part of its addresses each.
  if (found.end.toLowerCase() === own.end.toLowerCase()) return RIGHT;
  const foreign = addresses.filter((address) => !ours.includes(address));
  const unanswered = own.unanswered ?? found.unanswered;
  if (unanswered !== undefined) return noAnswer(own.unanswered === undefined ? record.name : own.host, unanswered);
  if (foreign.length === 0) return RIGHT;
  const at = ours.length === 0 ? 'which has no address' : ours.join(', ');
  return wrong(
    `it leads to ${foreign.map(quoted).join(', ')}, and not to this server: ${OTHERWISE[record.purpose] ?? ''}make it a CNAME of ${own.host} (${at})`,
  );
}

/** Where another host may be meant. */
const OTHERWISE: Partial<Record<WantedRecord['purpose'], string>> = {
  mtaStsHost: 'unless a web server there has the policy of this one, ',
};

function missing({ type, name }: WantedRecord): Finding {
  return wrong(`there is no such ${type} record at ${name}: publish it`);
}
