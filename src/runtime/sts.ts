/**
 * MTA-STS in a worker: joins the policies to the look-ups of domains, and looks through what is kept from time to time.
 */

import { join } from 'node:path';
import { type AddressFamily } from '../deliver/smtp/addresses.ts';
import { fetchStsPolicy, type StsProblem } from '../deliver/sts/fetch.ts';
import { PENDING_TTL, type StsFinding, StsPolicies } from '../deliver/sts/policies.ts';
import { openPolicyFolder, type PolicyFolder } from '../deliver/sts/policy-folder.ts';
import { isPrivate } from '../lib/ip.ts';
import { HOUR, MINUTE } from '../lib/time.ts';
import { type Route } from '../mail/route.ts';
import { type TlsSession } from '../mail/tls-result.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Resolver } from '../ports/resolver.ts';
import { type Timer, type Timers } from '../ports/timers.ts';
import { type SiteAnswer } from '../queue/site.ts';
import { stsPolicyFor } from '../tlspolicy/mta-sts.ts';

export interface StsSettings {
  readonly port: number;
  /** PEM. */
  readonly ca: string | undefined;
  readonly privateAddresses: boolean;
  readonly family: AddressFamily;
}

export interface WorkerStsDeps {
  readonly settings: StsSettings;
  readonly folder: PolicyFolder;
  /** Of all workers one looks through what is kept. */
  readonly sweeps: boolean;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/** RFC 8461 §3.3 suggests one minute. */
const FETCH_TIME = MINUTE;

export function openPolicies(spool: string, worker: number): Promise<PolicyFolder> {
  return openPolicyFolder(join(spool, 'mta-sts'), String(worker));
}

export class WorkerSts {
  readonly #deps: WorkerStsDeps;
  readonly #policies: StsPolicies;
  #sweeping: Timer | undefined;
  #closed = false;

  constructor(deps: WorkerStsDeps) {
    this.#deps = deps;
    const { resolver, timers, clock, log, folder, settings } = deps;
    const { port, ca, family, privateAddresses } = settings;
    const prohibited = (address: string): boolean => !privateAddresses && isPrivate(address);
    this.#policies = new StsPolicies({
      ...{ resolver, clock, timers, log, folder },
      fetch: (domain) =>
        fetchStsPolicy(domain, { ...{ resolver, timers, family, port, ca, prohibited }, timeout: FETCH_TIME }),
    });
    if (deps.sweeps) this.#sweepLater();
  }

  /** Undefined: nobody has to be asked. */
  policyFor(routingDomain: string, route: Route): Promise<StsFinding> | undefined {
    if (route.kind !== 'mx' || route.tls === 'none' || routingDomain.startsWith('[')) return undefined;
    return this.#policies.policyFor(routingDomain);
  }

  close(): void {
    this.#closed = true;
    this.#sweeping?.cancel();
    this.#policies.close();
  }

  #sweepLater(): void {
    if (this.#closed) return;
    this.#sweeping = this.#deps.timers.after(HOUR, () => {
      this.#policies
        .sweep()
        .catch((error: unknown) =>
          this.#deps.log.warn('MTA-STS policies cannot be refreshed', { error: String(error) }),
        )
        .finally(() => this.#sweepLater());
    });
  }
}

/** A policy that could not be had, as reports tell it: no session was begun for it. */
function problemSession({ resultType, reason }: StsProblem): TlsSession {
  return { policy: 'opportunistic', policyType: 'sts', host: '', address: '', result: resultType, reason };
}

/** Undefined: no policy is asked for. */
export function workerSts(
  deps: { readonly [K in Optional]: WorkerStsDeps[K] | undefined } & Omit<WorkerStsDeps, Optional>,
): WorkerSts | undefined {
  const { settings, folder } = deps;
  return settings === undefined || folder === undefined ? undefined : new WorkerSts({ ...deps, settings, folder });
}

type Optional = 'settings' | 'folder';

/** The answer to a look-up with the policy of its domain. `tell`: of a policy that could not be had. */
export function withSts(
  answer: SiteAnswer,
  { policy, pending, problem }: StsFinding,
  tell: (session: TlsSession) => void,
): SiteAnswer {
  if (answer.kind !== 'site') return answer;
  if (problem !== undefined) tell(problemSession(problem));
  const ttl = pending ? Math.min(answer.ttl, PENDING_TTL) : answer.ttl;
  return { ...answer, ttl, sts: policy === undefined ? undefined : stsPolicyFor(policy, answer.hosts) };
}
