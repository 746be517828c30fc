/**
 * What is wrong with the SPF record of a domain, and with the records that it leads to by `include:` and `redirect=`.
 *
 * Looked at as a receiver would read it, not evaluated for a client: each term counts that may need a look-up, whoever
 * connects. What a macro stands for depends on the client, so that it is counted and not followed. What others publish
 * is bounded: so many look-ups, so many complaints.
 *
 * RFC 7208 §4.6 (syntax, limit of ten look-ups), §5 (mechanisms), §6.1 (redirect).
 */

import { isPrivate } from '../lib/ip.ts';
import { type Resolver } from '../ports/resolver.ts';
import { type Finding, noAnswer, notChecked, quoted, RIGHT, wrong } from './finding.ts';
import { type AddressType, type HostAddresses } from './host-addresses.ts';
import { type Reach, reachOf } from './spf-reach.ts';
import { isName, type Mechanism, readSpf, spfTexts } from './spf-terms.ts';

/** RFC 7208 §4.6.4: beyond that, a permanent error. */
const MAX_LOOKUPS = 10;
/** So far a record is followed, to say how many it needs. */
const MAX_COUNTED = 40;
const MAX_PROBLEMS = 4;
const MAX_TERMS_SHOWN = 12;

export interface OwnSpf {
  readonly domain: string;
  readonly text: string;
  /** The term that names this server. */
  readonly wanted: string;
  /** This server. */
  readonly host: HostAddresses;
  /** Of which kinds are the addresses that mail leaves from. */
  readonly sendsBy: readonly AddressType[];
}

/** In one sentence or more. */
export async function spfFinding(own: OwnSpf, resolver: Resolver): Promise<Finding> {
  const { domain, text } = own;
  const walk = new Walk(resolver);
  const { everybody, counts } = await walk.record(text, [domain.toLowerCase()]);
  const problems = [...walk.problems];
  if (walk.lookups > MAX_LOOKUPS) problems.unshift(tooMany(walk.lookups, counts));
  if (everybody !== undefined) problems.push(`${everybody}: end it with ~all or -all`);
  if (problems.length > 0) return wrong(problems.join('; '));
  return walk.unanswered ?? serverFinding(own, resolver);
}

/** Whether the record lets each address of this server send. It is whole, and needs no more look-ups than are allowed. */
async function serverFinding({ domain, text, wanted, host, sendsBy }: OwnSpf, resolver: Resolver): Promise<Finding> {
  if (sendsBy.length === 0)
    return notChecked(
      'mail leaves by the hosts of routes only: see that the record names the addresses they send from',
    );
  if (host.unanswered !== undefined) return noAnswer(host.host, host.unanswered);
  const addresses = sendsBy.flatMap((type) => host.addresses[type]);
  if (addresses.length === 0)
    return wrong(
      `${host.host} has no address in DNS (${sendsBy.join(', ')}), which SPF needs: publish the one that mail leaves from`,
    );
  for (const address of addresses) {
    const reach = await reachOf({ domain, text, address }, resolver);
    if (reach.kind === 'pass') continue;
    return isPrivate(address) ? inside(host.host, address) : notPassed(reach, `${address} (${host.host})`, wanted);
  }
  return RIGHT;
}

/** A server behind a translator of addresses, or a resolver that answers those inside otherwise. */
function inside(host: string, address: string): Finding {
  return notChecked(
    `${host} is ${address} here, which nobody on the Internet sees: see that the record names the address that mail leaves from`,
  );
}

function notPassed(reach: Exclude<Reach, { kind: 'pass' }>, server: string, wanted: string): Finding {
  switch (reach.kind) {
    case 'noAnswer':
      return noAnswer(reach.name, reach.reason);
    case 'unknown':
      return notChecked(
        `whether it names ${server} depends on "${quoted(reach.term)}", which is not followed: add ${wanted}, to be sure`,
      );
    case 'refused':
      return wrong(
        `"${quoted(reach.term)}" stands before, and keeps ${server} from sending: take it out, and add ${wanted}`,
      );
    case 'unnamed':
      return wrong(`nothing in it names ${server}: add ${wanted}`);
  }
}

function tooMany(lookups: number, counts: readonly string[]): string {
  const many = lookups > MAX_COUNTED ? `more than ${MAX_COUNTED}` : String(lookups);
  const shownCounts = counts.slice(0, MAX_TERMS_SHOWN).join(', ');
  const more = counts.length > MAX_TERMS_SHOWN ? ', …' : '';
  return `it needs ${many} look-ups (${shownCounts}${more}), and receivers stop after ${MAX_LOOKUPS} with an error: take some out`;
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
  /** The first name that was not answered for. */
  unanswered: Finding | undefined;
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
      counts.push(`${quoted(written)} ${count}`);
      if (led.everybody !== undefined && passes)
        everybody ??= redirects
          ? led.everybody
          : `"${quoted(written)}" lets everybody send as the domain, for "+all" is in what it leads to`;
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
    if (!isName(name)) return this.#complain(`"${quoted(term)}" names no domain`, path);
    if (path.includes(name))
      return this.#complain(`it leads in a circle: ${[...path, name].map(quoted).join(' → ')}`, []);
    const answer = await this.#resolver.resolve(name, 'TXT');
    if (answer.kind === 'temporary') {
      this.unanswered ??= noAnswer(name, answer.reason);
      return NOTHING;
    }
    const texts = spfTexts(answer.kind === 'found' ? answer.records : []);
    const [text, other] = texts;
    if (text === undefined)
      return this.#complain(`"${quoted(term)}" leads to no SPF record, and receivers take that for an error`, path);
    if (other !== undefined)
      return this.#complain(
        `"${quoted(term)}" leads to ${texts.length} SPF records, and receivers take that for an error`,
        path,
      );
    return this.record(text, [...path, name]);
  }

  #complain(problem: string, path: readonly string[]): Followed {
    const where = path.length > 1 ? `in the record of ${quoted(path.at(-1) ?? '')}: ` : '';
    if (this.problems.length < MAX_PROBLEMS) this.problems.push(`${where}${problem}`);
    return NOTHING;
  }
}
