/** The terms of an SPF record, as they are written (RFC 7208 §4.6). */

import { parseIp } from '../lib/ip.ts';
import { quoted } from './finding.ts';

/** What stands at the name of the domain: its SPF records among others. */
export function spfTexts(found: readonly string[]): readonly string[] {
  return found.filter((text) => /^v=spf1(?: |$)/i.test(text));
}

export interface Mechanism {
  /** Without its qualifier. */
  readonly written: string;
  readonly qualifier: string;
  readonly name: string;
  /** Behind the colon; `''` where there is none. */
  readonly argument: string;
  /** `/24`, with the slash; `''` where there is none. */
  readonly prefix: string;
}

export interface SpfRecord {
  /** Those that can be reached: none behind `all`. */
  readonly mechanisms: readonly Mechanism[];
  /** Only where there is no `all`. */
  readonly redirect: string | undefined;
  readonly problems: readonly string[];
}

const MECHANISM = /^([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)((?::[^/]*)?)((?:\/.*)?)$/i;
const MODIFIER = /^([a-z][a-z0-9._-]*)=(.*)$/i;

export function readSpf(text: string): SpfRecord {
  const mechanisms: Mechanism[] = [];
  const redirects: string[] = [];
  const problems: string[] = [];
  for (const term of text.split(/ +/).slice(1).filter(Boolean)) {
    const mechanism = readMechanism(term);
    const [, modifier, value = ''] = MODIFIER.exec(term) ?? [];
    if (mechanism !== undefined) {
      if (!isWhole(mechanism)) problems.push(`"${quoted(term)}" is not whole or not right`);
      mechanisms.push(mechanism);
    } else if (modifier?.toLowerCase() === 'redirect') redirects.push(value);
    else if (modifier === undefined) problems.push(`"${quoted(term)}" is no term of SPF`);
  }
  if (redirects.length > 1) problems.push('redirect= may stand there once');
  const end = mechanisms.findIndex(({ name }) => name === 'all');
  if (end === -1) return { mechanisms, redirect: redirects[0], problems };
  return { mechanisms: mechanisms.slice(0, end + 1), redirect: undefined, problems };
}

function readMechanism(term: string): Mechanism | undefined {
  const found = MECHANISM.exec(term);
  if (found === null) return undefined;
  const [, qualifier = '', name = '', argument = '', prefix = ''] = found;
  return {
    ...{ written: term.slice(qualifier.length), qualifier: qualifier || '+', name: name.toLowerCase() },
    ...{ argument: argument.slice(1), prefix },
  };
}

function isWhole({ name, argument, prefix }: Mechanism): boolean {
  switch (name) {
    case 'all':
      return argument === '' && prefix === '';
    case 'include':
    case 'exists':
      return argument !== '' && prefix === '';
    case 'ip4':
    case 'ip6':
      return isNetwork(name, argument, prefix);
    default:
      return /^(?:\/\d{1,2})?(?:\/\/\d{1,3})?$/.test(prefix);
  }
}

function isNetwork(name: 'ip4' | 'ip6', address: string, prefix: string): boolean {
  const ip = parseIp(address);
  const [, length = '0'] = /^\/(\d{1,3})$/.exec(prefix) ?? [];
  if (!ip.ok || (prefix !== '' && !/^\/\d{1,3}$/.test(prefix))) return false;
  return name === 'ip4'
    ? !address.includes(':') && Number(length) <= 32
    : address.includes(':') && Number(length) <= 128;
}

const LABEL = /^[\x21-\x7e]{1,63}$/;
const MAX_NAME = 253;

/** What can be asked of DNS. */
export function isName(name: string): boolean {
  return name.length <= MAX_NAME && name.split('.').every((label) => LABEL.test(label));
}
