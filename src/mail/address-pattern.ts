/**
 * Patterns of addresses, compiled once: `example.com`, `.example.com` (every subdomain), `*`,
 * `user@example.com`, `<>`; in rules also `*` inside, `*@example.com`.
 *
 * Domains compare without case; local parts of patterns do too, since an operator means the person.
 */

/** What a pattern is held against: `user@domain` as text; `''` is the null reverse-path. */
export type AddressTest = (address: string) => boolean;

export function addressPattern(pattern: string): AddressTest {
  const wanted = pattern.toLowerCase();
  if (wanted === '*') return () => true;
  if (wanted === '<>') return (address) => address === '';
  if (wanted.includes('*')) return globTest(wanted);
  if (wanted.startsWith('.')) return (address) => domainPart(address).endsWith(wanted);
  if (wanted.includes('@')) return (address) => address.toLowerCase() === wanted;
  return (address) => domainPart(address) === wanted;
}

/** Whether any of the patterns matches: exact names by one look-up, so that a long list costs no more than a short one. */
export function anyAddress(patterns: readonly string[]): AddressTest {
  const exact = new Set<string>();
  const tests: AddressTest[] = [];
  for (const pattern of patterns.map((text) => text.toLowerCase()))
    if (pattern.includes('*') || pattern.startsWith('.') || pattern === '<>') tests.push(addressPattern(pattern));
    else exact.add(pattern);
  return (address) => {
    const lower = address.toLowerCase();
    return (
      exact.has(domainPart(lower)) || (lower !== '' && exact.has(lower)) || tests.some((matches) => matches(lower))
    );
  };
}

/** `*` stands for any characters. Greedy from left to right: linear for each star, no backtracking over stars. */
function globTest(pattern: string): AddressTest {
  const parts = pattern.split('*');
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  const between = parts.slice(1, -1);
  return (address) => {
    const text = address.toLowerCase();
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    let at = first.length;
    for (const part of between) {
      const found = text.indexOf(part, at);
      if (found === -1) return false;
      at = found + part.length;
    }
    return at <= text.length - last.length;
  };
}

function domainPart(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase();
}
