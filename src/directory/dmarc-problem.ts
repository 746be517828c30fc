/** What is wrong with the DMARC record of a domain (RFC 9989). */

import { parseMailbox } from '../mail/path.ts';
import { quoted } from './finding.ts';
import { parseTagList, type TagList } from './tag-list.ts';

const POLICIES = ['none', 'quarantine', 'reject'] as const;
const ALIGNMENTS = ['r', 's'] as const;
/** Tags that take one of a few words. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  ...{ p: POLICIES, sp: POLICIES, np: POLICIES },
  ...{ adkim: ALIGNMENTS, aspf: ALIGNMENTS },
};
const REPORTS = ['rua', 'ruf'] as const;

/** Undefined: nothing is wrong. */
export function dmarcProblem(found: readonly string[]): string | undefined {
  const records = found.filter((text) => /^\s*v\s*=\s*DMARC1\s*(?:;|$)/i.test(text));
  const [text, other] = records;
  if (text === undefined) return 'there is no DMARC record there: publish it';
  if (other !== undefined)
    return `${records.length} DMARC records stand there, and receivers take none of them: leave one`;
  if (!/^v\s*=\s*DMARC1\s*(?:;|$)/.test(text)) return 'it must begin with v=DMARC1, in this writing';
  const tags = parseTagList(text);
  return tags.ok ? wrongTag(tags.value) : `${tags.reason}: mend it`;
}

function wrongTag(tags: TagList): string | undefined {
  if (!tags.has('p')) return 'it has no p=: add p=none, to begin with';
  for (const [name, words] of Object.entries(WORDS)) {
    const value = tags.get(name);
    if (value !== undefined && !words.includes(value.toLowerCase()))
      return `${name}=${quoted(value)} is nothing that receivers know: it must be ${words.join(' or ')}`;
  }
  for (const name of REPORTS) {
    const bad = tags
      .get(name)
      ?.split(',')
      .find((uri) => !isReportAddress(uri));
    if (bad !== undefined)
      return `${name}= names "${quoted(bad)}", to which nobody reports: write mailto: and an address`;
  }
  return undefined;
}

/** RFC 7489 §6.4 had a limit of size behind the address, which is passed over now. */
function isReportAddress(uri: string): boolean {
  const [, address] = /^mailto:([^!]+)(?:!\d+[kmgt]?)?$/i.exec(uri) ?? [];
  return address !== undefined && parseMailbox(decoded(address.split('?')[0] ?? '')).ok;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A percent sign that begins nothing: as it stands, it is no address either.
    return '';
  }
}
