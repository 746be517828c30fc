/** Lists of tags, `v=DKIM1; k=rsa; p=…`, as records of DKIM and DMARC are (RFC 6376 §3.2). */

import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { quoted } from './finding.ts';

/** In their order; white space in a value is left out. */
export type TagList = ReadonlyMap<string, string>;

const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;

/** A list in which a name stands twice is none, says the RFC. */
export function parseTagList(text: string): Parsed<TagList> {
  const tags = new Map<string, string>();
  for (const part of text.replace(/;\s*$/, '').split(';')) {
    const [written = '', ...value] = part.split('=');
    const name = written.trim();
    if (value.length === 0 || !NAME.test(name)) return unparsed(`"${quoted(part.trim())}" is no tag`);
    if (tags.has(name)) return unparsed(`${quoted(name)}= stands there twice`);
    tags.set(name, value.join('=').replaceAll(/\s+/g, ''));
  }
  return parsed(tags);
}
