/**
 * SMTP TLS reports (RFC 8460): where a domain wants them, what is in one, and how one is read.
 *
 * What others send is hostile until it is read: every list has a bound, every text is cut, and numbers that are none
 * count as nothing. What does not have the form of a report is refused with the reason.
 */

import { isPrivate } from '../lib/ip.ts';
import { jsonObject } from '../lib/json-object.ts';
import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { type Instant, SECOND } from '../lib/time.ts';
import { parseMailbox, formatMailbox } from '../mail/path.ts';
import { type TlsPolicyType } from '../mail/tls-result.ts';

/** Where reports go: `mailto:` without its scheme, or a URL. */
export type ReportTarget =
  { readonly kind: 'mail'; readonly address: string } | { readonly kind: 'https'; readonly url: string };

export type TlsRptRecord =
  | { readonly kind: 'found'; readonly targets: readonly [ReportTarget, ...ReportTarget[]] }
  /** No record, several, or one that cannot be read. */
  | { readonly kind: 'none'; readonly reason: string };

/** Nobody needs more; each costs a message a day. */
const MAX_TARGETS = 5;

export function tlsRptRecordName(domain: string): string {
  return `_smtp._tls.${domain}`;
}

/** §3: all TXT records of `_smtp._tls.<domain>`. */
export function parseTlsRptRecord(texts: readonly string[]): TlsRptRecord {
  const records = texts.filter((text) => /^v=TLSRPTv1[ \t]*(?:;|$)/.test(text));
  const [record] = records;
  if (record === undefined || records.length > 1)
    return { kind: 'none', reason: record === undefined ? 'there is no record' : 'there are several records' };
  const fields = record.split(/[ \t]*;[ \t]*/).slice(1);
  const rua = fields.find((field) => field.startsWith('rua='))?.slice(4);
  if (rua === undefined) return { kind: 'none', reason: 'the record has no rua' };
  const [first, ...rest] = rua
    .split(',')
    .flatMap((uri) => targetOf(uri.trim()) ?? [])
    .slice(0, MAX_TARGETS);
  if (first === undefined) return { kind: 'none', reason: 'rua names no mailto: and no https: that can be used' };
  return { kind: 'found', targets: [first, ...rest] };
}

function targetOf(uri: string): ReportTarget | undefined {
  if (uri.length > 1000) return undefined;
  if (/^https:\/\//i.test(uri)) {
    const url = URL.parse(uri);
    return url === null || url.username !== '' ? undefined : { kind: 'https', url: url.href };
  }
  if (!/^mailto:/i.test(uri)) return undefined;
  const mailbox = parseMailbox(decoded(uri.slice('mailto:'.length).split('?')[0] ?? ''));
  return mailbox.ok ? { kind: 'mail', address: formatMailbox(mailbox.value) } : undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A percent sign that begins nothing: as it stands, it is no address either.
    return '';
  }
}

/** The words and the nesting of §4.4. */
export interface TlsReport {
  readonly 'organization-name': string;
  readonly 'date-range': { readonly 'start-datetime': string; readonly 'end-datetime': string };
  readonly 'contact-info': string;
  readonly 'report-id': string;
  readonly policies: readonly TlsReportPolicy[];
}

export interface TlsReportPolicy {
  readonly policy: {
    readonly 'policy-type': TlsPolicyType;
    readonly 'policy-string'?: readonly string[];
    readonly 'policy-domain': string;
    readonly 'mx-host'?: readonly string[];
  };
  readonly summary: {
    readonly 'total-successful-session-count': number;
    readonly 'total-failure-session-count': number;
  };
  readonly 'failure-details'?: readonly TlsFailureDetails[];
}

export interface TlsFailureDetails {
  readonly 'result-type': string;
  readonly 'sending-mta-ip'?: string;
  readonly 'receiving-mx-hostname'?: string;
  readonly 'receiving-ip'?: string;
  readonly 'failed-session-count': number;
  readonly 'failure-reason-code'?: string;
}

/** Counts of one domain on one day. */
export interface DomainResults {
  readonly domain: string;
  readonly policies: readonly PolicyResults[];
}

export interface PolicyResults {
  readonly policyType: TlsPolicyType;
  /** Whose policy it is (§1.1): the recipient domain's, or for DANE the host's. */
  readonly policyDomain: string;
  /** The policy in its own words; may be empty where it is not known any more. */
  readonly policyLines: readonly string[];
  readonly mxHosts: readonly string[];
  readonly successful: number;
  readonly failed: number;
  readonly failures: readonly FailureCount[];
}

export interface FailureCount {
  readonly result: string;
  readonly host: string;
  readonly address: string;
  /** Ours; `''`: not known. */
  readonly sourceAddress: string;
  readonly reason: string;
  readonly sessions: number;
}

export interface ReportFacts {
  readonly organization: string;
  readonly contact: string;
  readonly reportId: string;
  /** The first and the last instant of the day. */
  readonly begin: Instant;
  readonly end: Instant;
}

export function buildTlsReport(results: DomainResults, facts: ReportFacts): TlsReport {
  return {
    'organization-name': facts.organization,
    'date-range': { 'start-datetime': dateTime(facts.begin), 'end-datetime': dateTime(facts.end) },
    'contact-info': facts.contact,
    'report-id': facts.reportId,
    policies: results.policies.map(reportPolicy),
  };
}

function reportPolicy(results: PolicyResults): TlsReportPolicy {
  const { policyType, policyDomain, policyLines, mxHosts, successful, failed, failures } = results;
  return {
    policy: {
      'policy-type': policyType,
      ...(policyLines.length > 0 && { 'policy-string': policyLines }),
      'policy-domain': policyDomain,
      ...(mxHosts.length > 0 && { 'mx-host': mxHosts }),
    },
    summary: { 'total-successful-session-count': successful, 'total-failure-session-count': failed },
    ...(failures.length > 0 && { 'failure-details': failures.map(failureDetails) }),
  };
}

function failureDetails(failure: FailureCount): TlsFailureDetails {
  const { result, host, address, sourceAddress, reason, sessions } = failure;
  return {
    'result-type': result,
    // Behind a translator of addresses ours is not the one that the receiver saw.
    ...(sourceAddress !== '' && !isPrivate(sourceAddress) && { 'sending-mta-ip': sourceAddress }),
    ...(host !== '' && { 'receiving-mx-hostname': host }),
    ...(address !== '' && { 'receiving-ip': address }),
    'failed-session-count': sessions,
    ...(reason !== '' && { 'failure-reason-code': reason.slice(0, MAX_TEXT) }),
  };
}

function dateTime(at: Instant): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** A report of others, as far as it matters here. */
export interface ReceivedReport {
  readonly organization: string;
  readonly reportId: string;
  readonly begin: Instant;
  readonly end: Instant;
  readonly policies: readonly ReceivedPolicy[];
}

export interface ReceivedPolicy {
  readonly domain: string;
  readonly policyType: string;
  readonly successful: number;
  readonly failed: number;
  readonly failures: readonly { readonly result: string; readonly host: string; readonly sessions: number }[];
}

const MAX_POLICIES = 100;
const MAX_FAILURES = 100;
const MAX_TEXT = 200;

/** `json`: bounded by whoever read it. */
export function parseTlsReport(json: string): Parsed<ReceivedReport> {
  const report = jsonObject(json);
  if (report === undefined) return unparsed('it is not JSON');
  const range = asFields(report['date-range']);
  const begin = instantOf(range['start-datetime']);
  const end = instantOf(range['end-datetime']);
  if (begin === undefined || end === undefined) return unparsed('it has no date-range');
  const { policies } = report;
  if (!Array.isArray(policies)) return unparsed('it has no policies');
  if (policies.length > MAX_POLICIES) return unparsed(`it has more than ${MAX_POLICIES} policies`);
  return parsed({
    organization: textOf(report['organization-name']),
    reportId: textOf(report['report-id']),
    ...{ begin, end },
    policies: policies.map((each) => receivedPolicy(asFields(each))),
  });
}

type Fields = Readonly<Record<string, unknown>>;

function receivedPolicy(fields: Fields): ReceivedPolicy {
  const policy = asFields(fields['policy']);
  const summary = asFields(fields['summary']);
  const details: readonly unknown[] = Array.isArray(fields['failure-details']) ? fields['failure-details'] : [];
  return {
    domain: textOf(policy['policy-domain']).toLowerCase(),
    policyType: textOf(policy['policy-type']),
    successful: countOf(summary['total-successful-session-count']),
    failed: countOf(summary['total-failure-session-count']),
    failures: details.slice(0, MAX_FAILURES).map((each) => {
      const detail = asFields(each);
      return {
        result: textOf(detail['result-type']),
        host: textOf(detail['receiving-mx-hostname']),
        sessions: countOf(detail['failed-session-count']),
      };
    }),
  };
}

/** Whatever is no object has no fields. */
function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

/** Without controls, which a text for people must not have. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, MAX_TEXT).replaceAll(/\p{Cc}/gu, ' ') : '';
}

/** Some write numbers as text. */
function countOf(value: unknown): number {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) && Number(number) >= 0 ? Number(number) : 0;
}

function instantOf(value: unknown): Instant | undefined {
  if (typeof value !== 'string' || value.length > 40) return undefined;
  const at = Date.parse(value);
  return Number.isFinite(at) ? Math.floor(at / SECOND) * SECOND : undefined;
}
