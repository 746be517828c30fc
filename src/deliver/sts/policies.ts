/**
 * The MTA-STS policies of the domains that mail goes to: kept in memory and on disk, fetched when they must be.
 *
 * Asked when a domain is looked up and never for a message: what it answers goes along with the domain's mail. A domain
 * without a policy costs one DNS question, answered from the cache of the resolver like any other. A fetch is waited for
 * ten seconds and goes on behind that; meanwhile, and when it fails, what was kept before counts, or there is no policy.
 * One fetch serves all who wait for it, so many go on at a time, and one that failed is not made again for some minutes.
 *
 * Look-ups of a domain always come to the same worker (`queue-manager/lookups.ts`), so that no two fetch the same. The
 * policies are on disk for whoever comes next.
 */

import { Lru } from '../../lib/lru.ts';
import { DAY, type Duration, MINUTE, SECOND } from '../../lib/time.ts';
import { type StsPolicy } from '../../mail/sts-policy.ts';
import { counter } from '../../observe/metrics.ts';
import { type Clock } from '../../ports/clock.ts';
import { type Log } from '../../ports/log.ts';
import { type Resolver } from '../../ports/resolver.ts';
import { type Timers } from '../../ports/timers.ts';
import { parseStsRecord, type StsRecord, stsRecordName } from '../../tlspolicy/mta-sts.ts';
import { isGood, type KeptPolicy, stsStep, wantsRefresh } from '../../tlspolicy/sts-step.ts';
import { type Fetched, type StsProblem } from './fetch.ts';
import { type PolicyFolder } from './policy-folder.ts';

const fetches = counter('postrider_mta_sts_fetches_total', 'MTA-STS policies asked for, by what came of it.', {
  result: ['policy', 'sts-policy-fetch-error', 'sts-policy-invalid', 'sts-webpki-invalid'],
});

export interface StsPoliciesDeps {
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly folder: PolicyFolder;
  readonly fetch: (domain: string) => Promise<Fetched>;
}

export interface StsFinding {
  /** What counts now. */
  readonly policy: StsPolicy | undefined;
  /** Why the last fetch gave nothing; told once. */
  readonly problem: StsProblem | undefined;
  /** A fetch is still under way: ask again soon. */
  readonly pending: boolean;
}

/** A look-up waits no longer. */
const WAIT: Duration = 10 * SECOND;
const MAX_FETCHES = 64;
/** Behind those under way; one more is given up as if it had failed. */
const MAX_WAITING = 1000;
const MEMORY_OCTETS = 4 * 1024 * 1024;
const ENTRY_OCTETS = 400;
const MAX_FAILURES = 10_000;
/** Of policies whose time is up; who looks at the folder may want to see what there was. */
const FORGET_AFTER = 7 * DAY;

const NOTHING: StsFinding = { policy: undefined, problem: undefined, pending: false };

/** A file that another worker writes is seen so much later, where no record says that there may be one. */
const MISSING_FOR: Duration = MINUTE;

export class StsPolicies {
  readonly #deps: StsPoliciesDeps;
  readonly #memory = new Lru<string, KeptPolicy>(MEMORY_OCTETS, weigh);
  readonly #failures = new Lru<string, number>(MAX_FAILURES);
  /** When there was no file; another worker may have written one since. */
  readonly #missing = new Lru<string, number>(MAX_FAILURES);
  readonly #underWay = new Map<string, Promise<Fetched>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #closed = false;

  constructor(deps: StsPoliciesDeps) {
    this.#deps = deps;
  }

  /** Never rejects. */
  async policyFor(domain: string): Promise<StsFinding> {
    const { clock } = this.#deps;
    const record = await this.#record(domain);
    const kept = record?.kind === 'found' || this.#mayBeKept(domain) ? await this.#kept(domain) : undefined;
    const step = stsStep({ kept, record, failedAt: this.#failures.get(domain), now: clock.now() });
    if (step === 'none') return NOTHING;
    if (step === 'use' || record?.kind !== 'found') return finding(kept);
    const fetched = this.#fetch(domain, record.id);
    if (step === 'refresh') return finding(kept);
    return this.#outcome(await this.#withinWait(fetched), isUsable(kept, clock.now()) ? kept : undefined);
  }

  /** Refreshes what will soon be over, and forgets what has been for long. */
  async sweep(): Promise<void> {
    const { folder, clock } = this.#deps;
    for (const domain of await folder.list()) {
      if (this.#closed) return;
      const kept = await folder.read(domain);
      const now = clock.now();
      if (kept === undefined || now > kept.fetchedAt + kept.policy.maxAge * SECOND + FORGET_AFTER)
        await folder.remove(domain);
      else if (isGood(kept, now) && wantsRefresh(kept, now)) await this.#renew(domain, kept);
    }
  }

  /** Those who wait for a fetch get what was kept. */
  close(): void {
    this.#closed = true;
    for (const go of this.#waiting.splice(0)) go();
  }

  async #record(domain: string): Promise<StsRecord | undefined> {
    const answer = await this.#deps.resolver.resolve(stsRecordName(domain), 'TXT');
    if (answer.kind === 'found') return parseStsRecord(answer.records);
    return answer.kind === 'temporary' ? undefined : { kind: 'none' };
  }

  /** Also where its record is not to be had: the policy holds to its end (RFC 8461 §3.3), and may not be let run out. */
  async #renew(domain: string, { id }: KeptPolicy): Promise<void> {
    await this.policyFor(domain);
    const record = await this.#record(domain);
    const failedAt = this.#failures.get(domain);
    const tried = failedAt !== undefined && failedAt > this.#deps.clock.now() - DAY;
    if (record?.kind !== 'found' && !tried) await this.#fetch(domain, id);
  }

  /** Not for most of the domains that have none is a file looked for each time. */
  #mayBeKept(domain: string): boolean {
    const missedAt = this.#missing.get(domain) ?? Number.NEGATIVE_INFINITY;
    const now = this.#deps.clock.now();
    const isMissing = missedAt <= now && missedAt > now - MISSING_FOR;
    return !isMissing || this.#deps.folder.knows(domain) || this.#memory.get(domain) !== undefined;
  }

  async #kept(domain: string): Promise<KeptPolicy | undefined> {
    const known = this.#memory.get(domain);
    if (known !== undefined && !wantsRefresh(known, this.#deps.clock.now())) return known;
    // Another worker may have a newer one.
    const read = await this.#deps.folder.read(domain);
    if (read !== undefined) this.#memory.set(domain, read);
    else this.#missing.set(domain, this.#deps.clock.now());
    return read ?? known;
  }

  #fetch(domain: string, id: string): Promise<Fetched> {
    const known = this.#underWay.get(domain);
    if (known !== undefined) return known;
    const fetching = this.#inTurn(domain).then((fetched) => this.#take(domain, id, fetched));
    this.#underWay.set(domain, fetching);
    return fetching;
  }

  async #inTurn(domain: string): Promise<Fetched> {
    if (this.#running >= MAX_FETCHES) {
      if (this.#waiting.length >= MAX_WAITING) return BUSY;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#closed) return BUSY;
    this.#running++;
    const fetched = await this.#deps.fetch(domain).catch((error: unknown) => this.#bug(error));
    this.#running--;
    this.#waiting.shift()?.();
    return fetched;
  }

  /** A fetch tells of all that the world may do: this must cost the one domain and nothing else. */
  #bug(error: unknown): StsProblem {
    this.#deps.log.error('fetching an MTA-STS policy failed unexpectedly', { error: String(error) });
    return { kind: 'failed', resultType: 'sts-policy-fetch-error', reason: 'the fetch failed here' };
  }

  async #take(domain: string, id: string, fetched: Fetched): Promise<Fetched> {
    const { clock, folder, log } = this.#deps;
    fetches.add(1, { result: fetched.kind === 'policy' ? 'policy' : fetched.resultType });
    this.#underWay.delete(domain);
    if (fetched.kind === 'failed') {
      this.#failures.set(domain, clock.now());
      return fetched;
    }
    this.#failures.delete(domain);
    const kept = { id, fetchedAt: clock.now(), policy: fetched.policy };
    this.#memory.set(domain, kept);
    try {
      await folder.write(domain, kept);
    } catch (error) {
      // A full disk: what is in memory counts, and a restart fetches it again.
      log.warn('an MTA-STS policy could not be kept on disk', { error: String(error) });
    }
    return fetched;
  }

  /** Undefined: it takes longer. */
  #withinWait(fetched: Promise<Fetched>): Promise<Fetched | undefined> {
    return new Promise((resolve) => {
      const timer = this.#deps.timers.after(WAIT, () => resolve(undefined));
      void fetched.then((result) => {
        timer.cancel();
        resolve(result);
      });
    });
  }

  #outcome(fetched: Fetched | undefined, kept: KeptPolicy | undefined): StsFinding {
    if (fetched === undefined) return { ...finding(kept), pending: true };
    if (fetched.kind === 'failed') return { ...finding(kept), problem: fetched };
    return { policy: inForce(fetched.policy), problem: undefined, pending: false };
  }
}

const BUSY: StsProblem = {
  kind: 'failed',
  resultType: 'sts-policy-fetch-error',
  reason: 'too many policies are being fetched',
};

/** How soon to ask again for a domain whose policy is on its way. */
export const PENDING_TTL: Duration = MINUTE;

function isUsable(kept: KeptPolicy | undefined, now: number): boolean {
  return kept !== undefined && isGood(kept, now);
}

function finding(kept: KeptPolicy | undefined): StsFinding {
  return { policy: kept === undefined ? undefined : inForce(kept.policy), problem: undefined, pending: false };
}

/** `none` is kept, so that it is not fetched again, and is no policy to anybody. */
function inForce(policy: StsPolicy): StsPolicy | undefined {
  return policy.mode === 'none' ? undefined : policy;
}

function weigh({ policy }: KeptPolicy, domain: string): number {
  return ENTRY_OCTETS + 2 * (domain.length + policy.mx.reduce((sum, pattern) => sum + pattern.length + 16, 0));
}
