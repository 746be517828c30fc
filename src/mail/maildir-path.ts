/** Where the Maildir of a recipient is: a path with `{user}` and `{domain}` for the parts of the address. */

import { type Mailbox } from './path.ts';

// A limit of every file system in use; a longer name would fail later and with less to say.
const MAX_ELEMENT_OCTETS = 255;

/** Undefined: the address does not make a path of one element for each placeholder. */
export function maildirParts(
  template: string,
  { localPart, domain }: Mailbox,
): { readonly user: string; readonly domain: string } | undefined {
  // One mailbox for every way to write the user, as for `local.mailboxes`.
  const parts = { user: localPart.toLowerCase(), domain };
  const used = Object.entries(parts).filter(([name]) => template.includes(`{${name}}`));
  return used.every(([, value]) => isElement(value)) ? parts : undefined;
}

function isElement(value: string): boolean {
  if (value === '' || value.startsWith('.') || value.includes('..')) return false;
  if (/[/\\\p{Cc}]/u.test(value)) return false;
  return Buffer.byteLength(value) <= MAX_ELEMENT_OCTETS;
}
