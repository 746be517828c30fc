/**
 * Where routing domains lead, and the sites and groups that are known: bounded caches.
 *
 * Many domains with one MX set share one site. A site keeps its identity while the new MX set of a domain
 * shares a host with the old, so that limits and what was learned survive a changed record.
 */

import { SmallSet } from '../lib/small-set.ts';
import { HOUR, SECOND, type Instant } from '../lib/time.ts';
import { type Route } from '../mail/route.ts';
import { type StsPolicy } from '../mail/sts-policy.ts';
import { type Host } from './dispatch.ts';
import { pacingFor, type Pacing } from './pace.ts';
import { Site, SiteGroup } from './site-state.ts';
import { type SiteAnswer } from './site.ts';
import { type LaneReader } from './lanes.ts';
import { type Waiting } from './window.ts';

export interface Resolution {
  readonly key: string;
  readonly routingDomain: string;
  route: Route;
  /** An answer is on its way. */
  asking: boolean;
  /** The answer is good until then. */
  until: Instant;
  site: Site | undefined;
  hosts: readonly Host[];
  /** Of the domain alone: others may share its site. */
  sts: StsPolicy | undefined;
  /** DNSSEC vouches for the names of the hosts. */
  secure: boolean;
  /** No site: why. */
  refusal: Extract<SiteAnswer, { kind: 'failed' | 'deferred' }> | undefined;
  /** What the answer is waited for with. */
  readonly entries: SmallSet<Waiting>;
  readonly readers: SmallSet<LaneReader>;
}

export interface SiteTableOptions {
  readonly pacing: Pacing;
  readonly sources: readonly string[];
  readonly maxResolutions: number;
  /** The site is forgotten. */
  readonly released: (site: Site) => void;
}

// Bounds on what a DNS answer may ask of us: never asked again for each message, never believed for a day.
const SHORTEST_TTL = SECOND;
const LONGEST_TTL = HOUR;

export class SiteTable {
  #pacing: Pacing;
  readonly #options: SiteTableOptions;
  /** The least recently used first. */
  readonly #resolutions = new Map<string, Resolution>();
  readonly #sites = new Map<string, Site>();
  readonly #groups = new Map<string, SiteGroup>();

  constructor(options: SiteTableOptions) {
    this.#options = options;
    this.#pacing = options.pacing;
  }

  get size(): number {
    return this.#sites.size;
  }

  get resolutions(): number {
    return this.#resolutions.size;
  }

  groups(): Iterable<SiteGroup> {
    return this.#groups.values();
  }

  sites(): Iterable<Site> {
    return this.#sites.values();
  }

  site(name: string): Site | undefined {
    return this.#sites.get(name);
  }

  /** What is known of the way, without asking or counting as a use. */
  peek(route: Route, routingDomain: string): Resolution | undefined {
    return this.#resolutions.get(keyOf(route, routingDomain));
  }

  /** The resolution of the way; made when there is none. Whoever uses it sees to it that it is asked for. */
  lookUp(route: Route, routingDomain: string): Resolution {
    const key = keyOf(route, routingDomain);
    const known = this.#resolutions.get(key);
    if (known !== undefined) {
      this.#resolutions.delete(key);
      this.#resolutions.set(key, known);
      if (known.route !== route) {
        // The configuration was swapped: the same name may lead elsewhere now.
        known.route = route;
        known.until = Number.NEGATIVE_INFINITY;
        this.#leadLocally(known);
      }
      return known;
    }
    const made: Resolution = {
      key,
      routingDomain,
      route,
      asking: false,
      until: Number.NEGATIVE_INFINITY,
      site: undefined,
      hosts: [],
      sts: undefined,
      secure: false,
      refusal: undefined,
      entries: new SmallSet(),
      readers: new SmallSet(),
    };
    this.#resolutions.set(key, made);
    this.#leadLocally(made);
    this.#trim();
    return made;
  }

  /** The answer has come. Undefined when nobody asked. */
  resolved(
    routingDomain: string,
    routeName: string,
    { answer, now }: { answer: SiteAnswer; now: Instant },
  ): Resolution | undefined {
    const resolution = this.#resolutions.get(`${routeName}\n${routingDomain}`);
    if (resolution?.asking !== true) return undefined;
    resolution.asking = false;
    const until = now + Math.min(Math.max(answer.ttl, SHORTEST_TTL), LONGEST_TTL);
    if (answer.kind === 'site') {
      resolution.refusal = undefined;
      resolution.sts = answer.sts;
      resolution.secure = answer.authenticated;
      const name = siteNameOf(resolution.route, answer.site);
      this.#lead(resolution, { name, hosts: answer.hosts, until });
    } else {
      resolution.refusal = answer;
      resolution.until = until;
    }
    return resolution;
  }

  /** New pacing for the groups that are known. A site whose group would be another moves when it is next made. */
  reconfigure(pacing: Pacing): void {
    this.#pacing = pacing;
    for (const group of this.#groups.values()) {
      const [site] = group.sites;
      if (site === undefined) continue;
      const hosts = [...site.hosts].map((name) => ({ name }));
      const pace = pacingFor({ site: site.name, hosts, domain: '' }, pacing);
      group.pace = pace.group === group.name ? pace : { ...group.pace, values: pacing.defaults };
      for (const path of group.paths.values()) path.reconfigure(group.pace.values);
    }
  }

  /** Forgets a site of which nothing is in memory and to which no resolution leads. */
  release(site: Site): void {
    if (!site.quiet || site.resolutions > 0 || this.#sites.get(site.name) !== site) return;
    this.#sites.delete(site.name);
    this.#options.released(site);
    site.group.sites.delete(site);
    if (site.group.sites.size === 0) this.#groups.delete(site.group.name);
  }

  #leadLocally(resolution: Resolution): void {
    const { kind, name } = resolution.route;
    if (!dials(resolution.route)) this.#lead(resolution, { name: `${kind}:${name}`, hosts: [], until: Infinity });
  }

  #lead(
    resolution: Resolution,
    { name, hosts, until }: { name: string; hosts: readonly Host[]; until: Instant },
  ): void {
    const before = resolution.site;
    const kept =
      before !== undefined &&
      this.#sites.get(before.name) === before &&
      hosts.some((host) => before.hosts.has(host.name));
    const site = kept ? before : this.#siteOf(resolution, name, hosts);
    site.hosts = new Set(hosts.map((host) => host.name));
    resolution.site = site;
    resolution.hosts = hosts;
    resolution.until = until;
    if (before === site) return;
    site.resolutions++;
    if (before === undefined) return;
    before.resolutions--;
    this.release(before);
  }

  #siteOf({ routingDomain }: Resolution, name: string, hosts: readonly Host[]): Site {
    const known = this.#sites.get(name);
    if (known !== undefined) return known;
    const pace = pacingFor({ site: name, hosts, domain: routingDomain }, this.#pacing);
    let group = this.#groups.get(pace.group);
    if (group === undefined) {
      group = new SiteGroup(pace, this.#options.sources);
      this.#groups.set(group.name, group);
    }
    const site = new Site(name, group, new Set(hosts.map((host) => host.name)));
    group.sites.add(site);
    this.#sites.set(name, site);
    return site;
  }

  /** Drops what was used longest ago. Resolutions that something waits for stay: they are few. */
  #trim(): void {
    let looked = 0;
    for (const [key, resolution] of this.#resolutions) {
      if (this.#resolutions.size <= this.#options.maxResolutions || looked++ > 8) return;
      this.#resolutions.delete(key);
      if (resolution.asking || resolution.entries.size > 0 || resolution.readers.size > 0) {
        this.#resolutions.set(key, resolution);
        continue;
      }
      if (resolution.site === undefined) continue;
      resolution.site.resolutions--;
      this.release(resolution.site);
    }
  }
}

/** Whether the route leads to another server, which has to be looked up. */
export function dials(route: Route): boolean {
  switch (route.kind) {
    case 'mx':
    case 'smarthost':
    case 'relay':
      return true;
    case 'lmtp':
      return !('socket' in route.to);
    default:
      return false;
  }
}

/** Credentials and protocol are part of what a connection is, and so of the site's name. */
export function siteNameOf(route: Route, site: string): string {
  if (route.kind === 'lmtp') return `lmtp:${site}`;
  if (route.kind === 'smarthost' && route.auth !== undefined) return `${site}/${route.name}`;
  if (route.kind === 'mx' && route.port !== 25) return `${site}:${route.port}`;
  return site;
}

function keyOf(route: Route, routingDomain: string): string {
  return `${route.name}\n${routingDomain}`;
}
