/**
 * The alias map: which mailboxes a local address stands for.
 *
 * `postmaster` and `abuse` exist in every local domain (RFC 5321 §4.5.1, RFC 2142): where the map does
 * not name them they lead to the configured postmaster. A target may be an alias again; loops and depth
 * are bounded, and a loop ends at the address that closed it.
 */

import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { formatMailbox, type Mailbox, parseMailbox } from '../mail/path.ts';

export interface AliasOptions {
  /** `name` (in every local domain) or `name@domain` → addresses. */
  readonly aliases: Readonly<Record<string, readonly string[]>>;
  readonly localDomains: readonly string[];
  /** Where mail for postmaster and abuse goes when the map does not say. */
  readonly postmaster: string;
  /** Completes a name without a domain. */
  readonly hostname: string;
}

const MAX_DEPTH = 10;
/** What one alias may lead to in all. */
export const MAX_ALIAS_TARGETS = 5000;
const ROLES = ['postmaster', 'abuse'];

export class Aliases {
  readonly #targets = new Map<string, readonly Mailbox[]>();
  readonly #localDomains: ReadonlySet<string>;

  private constructor(localDomains: readonly string[]) {
    this.#localDomains = new Set(localDomains);
  }

  static compile(options: AliasOptions): Parsed<Aliases> {
    const aliases = new Aliases(options.localDomains);
    for (const [name, addresses] of Object.entries(options.aliases)) {
      if (addresses.length === 0) return unparsed(`alias ${name} leads nowhere: name where its mail goes`);
      const targets: Mailbox[] = [];
      for (const address of addresses) {
        const target = parseMailbox(address.includes('@') ? address : `${address}@${options.hostname}`);
        if (!target.ok) return unparsed(`alias ${name}: "${address}" is not an address: ${target.reason}`);
        targets.push(target.value);
      }
      aliases.#targets.set(name.toLowerCase(), targets);
    }
    const postmaster = parseMailbox(options.postmaster);
    if (!postmaster.ok) return unparsed(`postmaster: "${options.postmaster}" is not an address: ${postmaster.reason}`);
    for (const role of ROLES) if (!aliases.#targets.has(role)) aliases.#targets.set(role, [postmaster.value]);
    return aliases.#tooLarge() ?? parsed(aliases);
  }

  isLocal({ domain }: Mailbox): boolean {
    return this.#localDomains.has(domain);
  }

  /** The address has an alias of its own (or is one of the roles). */
  has(mailbox: Mailbox): boolean {
    return this.#lookup(mailbox) !== undefined;
  }

  /** The mailboxes that the address stands for: itself when it is no alias. Each only once. */
  expand(mailbox: Mailbox): readonly Mailbox[] {
    const found = new Map<string, Mailbox>();
    this.#collect(mailbox, new Set(), found);
    return [...found.values()];
  }

  /** Recipients past the limit would be lost without a word, so there must be none. */
  #tooLarge(): Parsed<Aliases> | undefined {
    for (const [name, targets] of this.#targets) {
      const found = new Map<string, Mailbox>();
      for (const target of targets) this.#collect(target, new Set([name]), found);
      if (found.size > MAX_ALIAS_TARGETS)
        return unparsed(`alias ${name} leads to more than ${MAX_ALIAS_TARGETS} addresses`);
    }
    return undefined;
  }

  #collect(mailbox: Mailbox, seen: ReadonlySet<string>, found: Map<string, Mailbox>): void {
    // One more than there may be says that there are too many.
    if (found.size > MAX_ALIAS_TARGETS) return;
    const key = formatMailbox(mailbox).toLowerCase();
    const targets = seen.has(key) || seen.size >= MAX_DEPTH ? undefined : this.#lookup(mailbox);
    if (targets === undefined) {
      found.set(key, mailbox);
      return;
    }
    const path = new Set(seen).add(key);
    for (const target of targets) this.#collect(target, path, found);
  }

  #lookup(mailbox: Mailbox): readonly Mailbox[] | undefined {
    if (mailbox.domain !== '' && !this.isLocal(mailbox)) return undefined;
    const name = mailbox.localPart.toLowerCase();
    return this.#targets.get(`${name}@${mailbox.domain}`) ?? this.#targets.get(name);
  }
}
