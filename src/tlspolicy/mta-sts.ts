/**
 * MTA-STS (RFC 8461): its DNS record and its policy, read and written, and which hosts a policy allows.
 *
 * A record that cannot be read counts as none (§3.1); a policy that cannot be read counts as a failed fetch (§3.3), and
 * says why. Unknown fields are passed over, and of a field that must stand once the first counts (§3.2). Fetching and
 * keeping policies is not done here.
 */

import { createHash } from 'node:crypto';
import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { type StsMode, type StsPolicy } from '../mail/sts-policy.ts';

/** §3.2: what is above it counts as it. A year, in seconds. */
export const MAX_MAX_AGE = 31_557_600;
/** §3.3: what a policy may have, in octets. */
export const MAX_POLICY_OCTETS = 64 * 1024;
/** No domain has so many hosts; each is compared with each host of a site. */
const MAX_PATTERNS = 1000;

export type StsRecord =
  | { readonly kind: 'found'; readonly id: string }
  | { readonly kind: 'none' }
  /** Counts as none; the reason is for people. */
  | { readonly kind: 'invalid'; readonly reason: string };

/** Where a domain's record is. */
export function stsRecordName(domain: string): string {
  return `_mta-sts.${domain}`;
}

/** The host that a domain's policy is asked of. */
export function stsPolicyHost(domain: string): string {
  return `mta-sts.${domain}`;
}

/** All TXT records of `_mta-sts.<domain>`. */
export function parseStsRecord(texts: readonly string[]): StsRecord {
  const records = texts.filter((text) => /^v=STSv1[ \t]*(?:;|$)/.test(text));
  const [record] = records;
  if (record === undefined) return { kind: 'none' };
  if (records.length > 1) return { kind: 'invalid', reason: 'there are several records, and one is allowed' };
  const fields = record.split(/[ \t]*;[ \t]*/).slice(1);
  if (fields.at(-1) === '') fields.pop();
  const bad = fields.find((field) => !EXTENSION.test(field));
  if (bad !== undefined) return { kind: 'invalid', reason: `"${bad.slice(0, 40)}" is not a field` };
  const id = fields.find((field) => field.startsWith('id='))?.slice(3);
  if (id === undefined) return { kind: 'invalid', reason: 'it has no id' };
  return ID.test(id) ? { kind: 'found', id } : { kind: 'invalid', reason: 'its id is not 1 to 32 letters and digits' };
}

const ID = /^[A-Za-z0-9]{1,32}$/;
const EXTENSION = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[!-:<>-~]*$/;

/** The policy as it was served. Lines end in LF or CRLF. */
export function parseStsPolicy(text: string): Parsed<StsPolicy> {
  const fields = fieldsOf(text);
  if (!fields.ok) return fields;
  const { once, mx } = fields.value;
  if (once.get('version') !== 'STSv1') return unparsed(`version is ${shown(once.get('version'))} and not STSv1`);
  const mode = once.get('mode');
  if (!isMode(mode)) return unparsed(`mode is ${shown(mode)} and not enforce, testing or none`);
  const maxAge = once.get('max_age');
  if (maxAge === undefined || !/^\d{1,10}$/.test(maxAge))
    return unparsed(`max_age is ${shown(maxAge)} and not a number`);
  const bad = mx.find((pattern) => !isPattern(pattern));
  if (bad !== undefined) return unparsed(`mx ${shown(bad)} is no host and no *. with a domain`);
  if (mx.length > MAX_PATTERNS) return unparsed(`there are more than ${MAX_PATTERNS} mx`);
  if (mode !== 'none' && mx.length === 0) return unparsed(`mode is ${mode}, and there is no mx`);
  return parsed({
    mode,
    mx: [...new Set(mx.map((each) => each.toLowerCase()))],
    maxAge: Math.min(Number(maxAge), MAX_MAX_AGE),
  });
}

interface PolicyFields {
  readonly once: ReadonlyMap<string, string>;
  readonly mx: readonly string[];
}

function fieldsOf(text: string): Parsed<PolicyFields> {
  const once = new Map<string, string>();
  const mx: string[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const [, name, value] = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*:[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return unparsed(`line ${i + 1} is not a field: ${shown(line)}`);
    if (name === 'mx') mx.push(value);
    else if (!once.has(name)) once.set(name, value);
  }
  return parsed({ once, mx });
}

function isMode(text: string | undefined): text is StsMode {
  return text === 'enforce' || text === 'testing' || text === 'none';
}

// RFC 5321 Domain; underscores are met in the names of hosts, and do no harm.
const PATTERN = /^(?:\*\.)?(?:(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\.)*(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/;

function isPattern(text: string): boolean {
  return text.length <= 255 && PATTERN.test(text);
}

function shown(text: string | undefined): string {
  return text === undefined ? 'missing' : JSON.stringify(text.slice(0, 60));
}

/** §4.1: a wildcard stands for the leftmost label alone. */
export function matchesStsHost({ mx }: Pick<StsPolicy, 'mx'>, host: string): boolean {
  return mx.some((pattern) => matchesPattern(pattern, host.toLowerCase()));
}

function matchesPattern(pattern: string, host: string): boolean {
  if (!pattern.startsWith('*.')) return pattern === host;
  const dot = host.indexOf('.');
  return dot > 0 && host.slice(dot + 1) === pattern.slice(2);
}

/** A policy as far as it says anything of these hosts: what is carried about with each message. */
export function stsPolicyFor(policy: StsPolicy, hosts: readonly { readonly name: string }[]): StsPolicy {
  return {
    ...policy,
    mx: policy.mx.filter((pattern) => hosts.some(({ name }) => matchesPattern(pattern, name.toLowerCase()))),
  };
}

/** The lines of a policy, as they are served and as reports quote them (RFC 8460 §4.2). */
export function stsPolicyLines({ mode, mx, maxAge }: StsPolicy): readonly string[] {
  return ['version: STSv1', `mode: ${mode}`, ...mx.map((pattern) => `mx: ${pattern}`), `max_age: ${maxAge}`];
}

/** To be served at `https://mta-sts.<domain>/.well-known/mta-sts.txt`. */
export function formatStsPolicy(policy: StsPolicy): string {
  return stsPolicyLines(policy)
    .map((line) => `${line}\r\n`)
    .join('');
}

/** Differs when the policy does. */
export function stsPolicyId(policy: StsPolicy): string {
  return createHash('sha256').update(formatStsPolicy(policy)).digest('hex').slice(0, 32);
}

/** The TXT record to publish at `_mta-sts.<domain>`. */
export function stsRecordText(policy: StsPolicy): string {
  return `v=STSv1; id=${stsPolicyId(policy)};`;
}
