/** What is wrong between the options of local mail: whether each address that is promised leads to somebody. */

import { type Values } from '../lib/schema.ts';
import { pathOf, type Problem } from '../lib/schema-reading.ts';
import { formatMailbox, type Mailbox, parseMailbox } from '../mail/path.ts';
import { type LOCAL_OPTIONS } from '../receive/config.ts';
import { wrong } from './problems.ts';

interface Checkable {
  readonly hostname: string;
  readonly local: Values<typeof LOCAL_OPTIONS>;
}

export const LOCAL_CHECKS = [
  aliasDomainsAreLocal,
  aliasesLeadSomewhere,
  aliasesEnd,
  mailboxesAreLocal,
  rolesAreRead,
] as const;

/** Without a domain: RFC 5321 §4.5.1 and RFC 2142. */
const ROLES = ['postmaster', 'abuse'];

function aliasDomainsAreLocal({ local }: Checkable): readonly Problem[] {
  return Object.keys(local.aliases).flatMap((name) => {
    const domain = name.includes('@') ? name.slice(name.lastIndexOf('@') + 1).toLowerCase() : undefined;
    if (domain === undefined || local.domains.includes(domain)) return [];
    const what = `${domain} is not a local domain, so this alias would never be used`;
    return [wrong(aliasPath(name), what, 'add the domain to local.domains, or remove the alias')];
  });
}

function aliasesLeadSomewhere({ local }: Checkable): readonly Problem[] {
  return Object.entries(local.aliases).flatMap(([name, targets]) =>
    targets.length > 0 ? [] : [wrong(aliasPath(name), 'it leads nowhere', 'name where its mail goes, or remove it')],
  );
}

/** An alias that names itself keeps a copy; any other way back to where it began leads to nobody. */
function aliasesEnd({ local, hostname }: Checkable): readonly Problem[] {
  const map = new AliasMap(local, hostname);
  const told = new Set<string>();
  return Object.keys(local.aliases).flatMap((name) => {
    const loop = told.has(name) ? undefined : map.loopFrom(name);
    if (loop === undefined) return [];
    for (const each of loop) told.add(each);
    const what = `its mail would go round in a circle: ${loop.join(' → ')}`;
    return [wrong(aliasPath(name), what, 'let one of them lead to a mailbox; who keeps a copy names itself')];
  });
}

function mailboxesAreLocal({ local: { mailboxes = [], domains } }: Checkable): readonly Problem[] {
  return mailboxes.flatMap((mailbox, i) => {
    const domain = mailbox.includes('@') ? mailbox.slice(mailbox.lastIndexOf('@') + 1) : undefined;
    if (domain === undefined || domains.includes(domain)) return [];
    const what = `${domain} is not a local domain, so this mailbox would never get mail`;
    return [wrong(`local.mailboxes[${i}]`, what, 'add the domain to local.domains, or remove the mailbox')];
  });
}

function rolesAreRead({ local, hostname }: Checkable): readonly Problem[] {
  if (local.mailboxes === undefined) return [];
  const known = new Set(local.mailboxes.map((mailbox) => mailbox.toLowerCase()));
  const map = new AliasMap(local, hostname);
  const problems = new Map<string, Problem>();
  for (const role of local.domains.flatMap((domain) => ROLES.map((name) => `${name}@${domain}`))) {
    const missing = map.ends(role).find((end) => !known.has(keyOf(end)) && !known.has(end.localPart.toLowerCase()));
    if (missing === undefined) continue;
    const alias = map.nameFor(addressOf(role, hostname));
    const path = alias === undefined ? 'local.postmaster' : aliasPath(alias);
    const what = `mail for ${role} goes to ${formatMailbox(missing)}, which is no mailbox and no alias`;
    const fix = 'name an address that somebody reads, or add it to local.mailboxes';
    if (!problems.has(path)) problems.set(path, wrong(path, what, fix));
  }
  return [...problems.values()];
}

/** As the server looks addresses up. */
class AliasMap {
  readonly #targets: ReadonlyMap<string, readonly Mailbox[]>;
  readonly #written: ReadonlyMap<string, string>;
  readonly #domains: ReadonlySet<string>;
  readonly #postmaster: readonly Mailbox[];

  constructor({ aliases, domains, postmaster = 'postmaster' }: Checkable['local'], hostname: string) {
    const rows = Object.entries(aliases);
    const mailboxes = (texts: readonly string[]): readonly Mailbox[] =>
      texts.flatMap((text) => addressOf(text, hostname) ?? []);
    this.#targets = new Map(rows.map(([name, targets]) => [name.toLowerCase(), mailboxes(targets)]));
    this.#written = new Map(rows.map(([name]) => [name.toLowerCase(), name]));
    this.#domains = new Set(domains);
    this.#postmaster = mailboxes([postmaster]);
  }

  /** The name of the alias that the address has, as it was written. */
  nameFor(address: Mailbox | undefined): string | undefined {
    if (address === undefined || !this.#domains.has(address.domain)) return undefined;
    return this.#written.get(keyOf(address)) ?? this.#written.get(address.localPart.toLowerCase());
  }

  /** The aliases of a way that leads from one back to it. */
  loopFrom(start: string): readonly string[] | undefined {
    if (this.#next(start).includes(start)) return undefined;
    const cameFrom = new Map<string, string>();
    for (const name of reached(start, (from) => {
      const next = this.#next(from);
      for (const to of next) if (!cameFrom.has(to)) cameFrom.set(to, from);
      return next;
    }))
      if (this.#next(name).includes(start)) return [...wayTo(name, start, cameFrom), start];
    return undefined;
  }

  /** The local addresses at which mail for one ends. */
  ends(address: string): readonly Mailbox[] {
    const ends = new Map<string, Mailbox>();
    reached(address, (from) =>
      this.#targetsOf(from).map((target) => {
        const key = keyOf(target);
        if (this.#domains.has(target.domain) && (key === from || this.#targetsOf(key).length === 0))
          ends.set(key, target);
        return key;
      }),
    );
    return [...ends.values()];
  }

  #next(name: string): readonly string[] {
    const targets = this.#targets.get(name.toLowerCase()) ?? [];
    return targets.flatMap((target) => this.nameFor(target) ?? []);
  }

  #targetsOf(key: string): readonly Mailbox[] {
    const address = addressOf(key, '');
    const name = this.nameFor(address);
    if (name !== undefined) return this.#targets.get(name.toLowerCase()) ?? [];
    const isRole = address !== undefined && this.#domains.has(address.domain) && ROLES.includes(address.localPart);
    return isRole ? this.#postmaster : [];
  }
}

/** All that can be come to, the start first; each once. */
function reached(start: string, next: (from: string) => readonly string[]): readonly string[] {
  const seen = new Set([start]);
  for (const from of seen) for (const to of next(from)) seen.add(to);
  return [...seen];
}

function wayTo(end: string, start: string, cameFrom: ReadonlyMap<string, string>): readonly string[] {
  const way = [end];
  for (let at = end; at !== start; way.unshift(at)) at = cameFrom.get(at) ?? start;
  return way;
}

function addressOf(text: string, hostname: string): Mailbox | undefined {
  const mailbox = parseMailbox(text.includes('@') ? text : `${text}@${hostname}`);
  return mailbox.ok ? mailbox.value : undefined;
}

function keyOf(mailbox: Mailbox): string {
  return formatMailbox(mailbox).toLowerCase();
}

function aliasPath(name: string): string {
  return pathOf('local.aliases', name.slice(0, 100));
}
