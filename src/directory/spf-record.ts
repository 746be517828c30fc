/**
 * What is wrong with the SPF record of a domain, and with the records that it leads to by `include:` and `redirect=`.
 *
 * Looked at as a receiver would read it, not evaluated for a client: each term counts that may need a look-up, whoever
 * connects. What a macro stands for depends on the client, so that it is counted and not followed. What others publish
 * is bounded: so many look-ups, so many complaints.
 *
 * RFC 7208 §4.6 (syntax, limit of ten look-ups), §5 (mechanisms), §6.1 (redirect).
 */

import { parseIp } from '../lib/ip.ts';
import { type Resolver } from '../ports/resolver.ts';

/** RFC 7208 §4.6.4: beyond that, a permanent error. */
const MAX_LOOKUPS = 10;
/** So far a record is followed, to say how many it needs. */
const MAX_COUNTED = 40;
const MAX_PROBLEMS = 4;
const MAX_TERMS_SHOWN = 12;
const MAX_SHOWN = 80;

/** What stands at the name of the domain: its SPF records among others. */
export function spfTexts(found: readonly string[]): readonly string[] {
  return found.filter((text) => /^v=spf1(?: |$)/i.test(text));
}

export interface OwnSpf {
  readonly domain: string;
  readonly text: string;
  /** The term that names this server. */
  readonly wanted: string;
}

/** In one sentence or more; nothing where nothing is wrong. */
export async function spfProblem({ domain, text, wanted }: OwnSpf, resolver: Resolver): Promise<string | undefined> {
  const walk = new Walk(resolver);
  const { everybody, counts } = await walk.record(text, [domain.toLowerCase()]);
  const problems = [...walk.problems];
  if (walk.lookups > MAX_LOOKUPS) problems.unshift(tooMany(walk.lookups, counts));
  if (everybody !== undefined) problems.push(`${everybody}: end it with ~all or -all`);
  if (problems.length === 0 && !namesServer(text, wanted)) return `nothing in it names this server: add ${wanted}`;
  return problems.length === 0 ? undefined : problems.join('; ');
}

function tooMany(lookups: number, counts: readonly string[]): string {
  const many = lookups > MAX_COUNTED ? `more than ${MAX_COUNTED}` : String(lookups);
  const shownCounts = counts.slice(0, MAX_TERMS_SHOWN).join(', ');
  const more = counts.length > MAX_TERMS_SHOWN ? ', …' : '';
  return `it needs ${many} look-ups (${shownCounts}${more}), and receivers stop after ${MAX_LOOKUPS} with an error: take some out`;
}

function namesServer(text: string, wanted: string): boolean {
  const { mechanisms, redirect } = readSpf(text);
  return (
    redirect !== undefined ||
    mechanisms.some(
      ({ qualifier, name, written }) =>
        qualifier === '+' && (NAMES_HOSTS.has(name) || written.toLowerCase() === wanted.toLowerCase()),
    )
  );
}

/** Whom these name is not looked up: it may be this server. */
const NAMES_HOSTS = new Set(['mx', 'include', 'ip4', 'ip6', 'exists']);

interface Mechanism {
  /** Without its qualifier. */
  readonly written: string;
  readonly qualifier: string;
  readonly name: string;
  /** Behind the colon; `''` where there is none. */
  readonly argument: string;
  /** `/24`, with the slash; `''` where there is none. */
  readonly prefix: string;
}

interface SpfRecord {
  /** Those that can be reached: none behind `all`. */
  readonly mechanisms: readonly Mechanism[];
  /** Only where there is no `all`. */
  readonly redirect: string | undefined;
  readonly problems: readonly string[];
}

const MECHANISM = /^([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)((?::[^/]*)?)((?:\/.*)?)$/i;
const MODIFIER = /^([a-z][a-z0-9._-]*)=(.*)$/i;

function readSpf(text: string): SpfRecord {
  const mechanisms: Mechanism[] = [];
  const redirects: string[] = [];
  const problems: string[] = [];
  for (const term of text.split(/ +/).slice(1).filter(Boolean)) {
    const mechanism = readMechanism(term);
    const [, modifier, value = ''] = MODIFIER.exec(term) ?? [];
    if (mechanism !== undefined) {
      if (!isWhole(mechanism)) problems.push(`"${shown(term)}" is not whole or not right`);
      mechanisms.push(mechanism);
    } else if (modifier?.toLowerCase() === 'redirect') redirects.push(value);
    else if (modifier === undefined) problems.push(`"${shown(term)}" is no term of SPF`);
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

interface Followed {
  /** Why everybody passes; absent: not everybody does. */
  readonly everybody: string | undefined;
  /** Each term that needs look-ups, and how many. */
  readonly counts: readonly string[];
}

/** A term that needs a look-up. */
interface LookUp {
  readonly written: string;
  /** The domain whose record is read. */
  readonly target: string | undefined;
  /** Who passes there passes here. */
  readonly passes: boolean;
  readonly redirects: boolean;
}

function stepsOf(mechanisms: readonly Mechanism[], redirect: string | undefined): readonly LookUp[] {
  const steps = mechanisms
    .filter(({ name }) => NEEDS_LOOKUP.has(name))
    .map(({ name, qualifier, written, argument }) => ({
      ...{ written, target: name === 'include' ? argument : undefined },
      ...{ passes: qualifier === '+', redirects: false },
    }));
  if (redirect === undefined) return steps;
  return [...steps, { written: `redirect=${redirect}`, target: redirect, passes: true, redirects: true }];
}

function isPassAll({ name, qualifier }: Mechanism): boolean {
  return name === 'all' && qualifier === '+';
}

const NOTHING: Followed = { everybody: undefined, counts: [] };
const NEEDS_LOOKUP = new Set(['include', 'a', 'mx', 'ptr', 'exists']);

class Walk {
  readonly problems: string[] = [];
  lookups = 0;
  readonly #resolver: Resolver;

  constructor(resolver: Resolver) {
    this.#resolver = resolver;
  }

  /** `path`: the domains that led here, this one last. */
  async record(text: string, path: readonly string[]): Promise<Followed> {
    const { mechanisms, redirect, problems } = readSpf(text);
    for (const problem of problems) this.#complain(problem, path);
    const counts: string[] = [];
    let everybody = mechanisms.some(isPassAll) ? '"+all" lets everybody send as the domain' : undefined;
    for (const { written, target, passes, redirects } of stepsOf(mechanisms, redirect)) {
      const { count, led } = await this.#counted(target, written, path);
      counts.push(`${shown(written)} ${count}`);
      if (led.everybody !== undefined && passes)
        everybody ??= redirects
          ? led.everybody
          : `"${shown(written)}" lets everybody send as the domain, for "+all" is in what it leads to`;
      if (this.lookups > MAX_COUNTED) break;
    }
    return { everybody, counts };
  }

  /** A term, with all that it leads to. */
  async #counted(
    target: string | undefined,
    term: string,
    path: readonly string[],
  ): Promise<{ readonly count: number; readonly led: Followed }> {
    const before = this.lookups;
    this.lookups += 1;
    const led = target === undefined || this.lookups > MAX_COUNTED ? NOTHING : await this.#follow(target, term, path);
    return { count: this.lookups - before, led };
  }

  async #follow(target: string, term: string, path: readonly string[]): Promise<Followed> {
    const name = target.toLowerCase().replace(/\.$/, '');
    if (name.includes('%')) return NOTHING;
    if (!isName(name)) return this.#complain(`"${shown(term)}" names no domain`, path);
    if (path.includes(name))
      return this.#complain(`it leads in a circle: ${[...path, name].map(shown).join(' → ')}`, []);
    const answer = await this.#resolver.resolve(name, 'TXT');
    if (answer.kind === 'temporary')
      return this.#complain(`what "${shown(term)}" leads to could not be looked up now: ${answer.reason}`, path);
    const texts = spfTexts(answer.kind === 'found' ? answer.records : []);
    const [text, other] = texts;
    if (text === undefined)
      return this.#complain(`"${shown(term)}" leads to no SPF record, and receivers take that for an error`, path);
    if (other !== undefined)
      return this.#complain(
        `"${shown(term)}" leads to ${texts.length} SPF records, and receivers take that for an error`,
        path,
      );
    return this.record(text, [...path, name]);
  }

  #complain(problem: string, path: readonly string[]): Followed {
    const where = path.length > 1 ? `in the record of ${shown(path.at(-1) ?? '')}: ` : '';
    if (this.problems.length < MAX_PROBLEMS) this.problems.push(`${where}${problem}`);
    return NOTHING;
  }
}

const LABEL = /^[\x21-\x7e]{1,63}$/;
const MAX_NAME = 253;

function isName(name: string): boolean {
  return name.length <= MAX_NAME && name.split('.').every((label) => LABEL.test(label));
}

/** What others have published, for a terminal. */
function shown(text: string): string {
  const plain = text.replaceAll(/[^\x20-\x7e]/g, '?');
  return plain.length <= MAX_SHOWN ? plain : `${plain.slice(0, MAX_SHOWN - 1)}…`;
}
