/** What is wrong with the record of a signing key: why a verifier would not take our signatures by it (RFC 6376 §3.6.1). */

import { type Parsed } from '../lib/parsed.ts';
import { quoted } from './finding.ts';
import { parseTagList, type TagList } from './tag-list.ts';

/** `value`: what should stand there. Undefined: nothing is wrong. */
export function keyProblem(value: string, found: readonly string[]): string | undefined {
  const keys = found.filter((text) => /(?:^|;)\s*p\s*=/i.test(text));
  const [key, other] = keys;
  if (key === undefined) return 'there is no key there: publish it';
  if (other !== undefined) return `${keys.length} keys stand there: leave one`;
  const tags = parseTagList(key);
  return tags.ok
    ? wrongTag(tags.value, parseTagList(value))
    : `${tags.reason}, and verifiers pass the record over: mend it`;
}

function wrongTag(tags: TagList, wanted: Parsed<TagList>): string | undefined {
  const [first] = tags.keys();
  const version = tags.get('v');
  if (version !== undefined && version !== 'DKIM1') return `v=${quoted(version)} must be v=DKIM1`;
  if (version !== undefined && first !== 'v') return 'v=DKIM1 must stand first';
  return keyItself(tags, wanted.ok ? wanted.value : new Map()) ?? useOf(tags);
}

function keyItself(tags: TagList, wanted: TagList): string | undefined {
  const key = tags.get('p');
  if (key === undefined) return 'it has no p=, which is written small: publish it';
  if (key === '') return 'the key is revoked (p= is empty): publish it, or rotate';
  const kind = tags.get('k') ?? 'rsa';
  if (kind !== wanted.get('k')) return `k=${quoted(kind)} is another algorithm; it must be k=${wanted.get('k')}`;
  if (key !== wanted.get('p')) return 'it is another key: replace the record, it is often cut short or has spaces lost';
  return undefined;
}

/** What the key may be used for: both of ours sign with SHA-256, and mail. */
function useOf(tags: TagList): string | undefined {
  const hashes = tags.get('h');
  if (hashes !== undefined && !hashes.split(':').includes('sha256'))
    return `h=${quoted(hashes)} leaves out sha256, with which we sign: take h= out`;
  const services = tags.get('s');
  if (services !== undefined && !services.split(':').some((service) => service === '*' || service === 'email'))
    return `s=${quoted(services)} says that the key is not for mail: take s= out`;
  if ((tags.get('t') ?? '').split(':').includes('y')) return 't=y says that the domain is only testing: take it out';
  return undefined;
}
