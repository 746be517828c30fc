/**
 * Gathers how sessions were secured into events: like ones of a minute are one, so that a busy receiver costs a line a
 * minute and not a line for each connection.
 *
 * Failures of what the domain publishes are always told. All else only where the domain asks for reports and we send them: whether it does is looked
 * up when its first session is over, beside everything else, and is answered from the resolver's cache after that.
 */

import { type TlsEvent } from '../events/event.ts';
import { DAY, type Duration, type Instant, MINUTE } from '../lib/time.ts';
import { type TlsSession } from '../mail/tls-result.ts';
import { type Clock } from '../ports/clock.ts';
import { type Resolver } from '../ports/resolver.ts';
import { type Timer, type Timers } from '../ports/timers.ts';
import { type Dispatch } from '../queue/dispatch.ts';
import { parseTlsRptRecord, tlsRptRecordName } from '../tlspolicy/tls-report.ts';

export interface TlsCountsDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  /** As it is after the last reload. */
  readonly resolver: () => Resolver;
  /** Whether reports are sent. */
  readonly reports: () => boolean;
  readonly tell: (event: TlsEvent) => void;
}

type Sent = Pick<Dispatch, 'route' | 'recipients' | 'sender'>;

const GATHER: Duration = MINUTE;
/** Of one minute; more are told at once. */
const MAX_KINDS = 5000;

export class TlsCounts {
  readonly #deps: TlsCountsDeps;
  readonly #events = new Map<string, TlsEvent>();
  #timer: Timer | undefined;

  constructor(deps: TlsCountsDeps) {
    this.#deps = deps;
  }

  /** Returns at once. */
  add(domain: string, session: TlsSession): void {
    const at = this.#deps.clock.now();
    if (isNews(session)) this.#count(domain, session, at);
    else if (this.#deps.reports()) void this.#countIfAsked(domain, session, at); // A resolver never rejects.
  }

  /**
   * The sessions of one dispatch. Other routes than by MX follow no policy of the domain; and what has the null
   * reverse-path may be a report, and there are no reports about reports (RFC 8460 §5.3 and what would follow).
   */
  addAll({ route, recipients, sender }: Sent, sessions: readonly TlsSession[]): void {
    const domain = recipients[0]?.forwardPath.domain;
    if (route.kind !== 'mx' || sender.reversePath === null || domain === undefined || domain.startsWith('[')) return;
    for (const session of sessions) this.add(domain, session);
  }

  /** Tells what is gathered. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const event of this.#events.values()) this.#deps.tell(event);
    this.#events.clear();
  }

  async #countIfAsked(domain: string, session: TlsSession, at: Instant): Promise<void> {
    const answer = await this.#deps.resolver().resolve(tlsRptRecordName(domain), 'TXT');
    if (answer.kind === 'found' && parseTlsRptRecord(answer.records).kind === 'found') this.#count(domain, session, at);
  }

  #count(domain: string, session: TlsSession, at: Instant): void {
    const { policy, policyType, host, address, sourceAddress, result, reason } = session;
    const day = Math.floor(at / DAY);
    const key = [day, domain, policy, policyType, host, address, sourceAddress, result].join('\n');
    const before = this.#events.get(key);
    if (before === undefined && this.#events.size >= MAX_KINDS) this.flush();
    const sessions = (before?.sessions ?? 0) + 1;
    const first = before?.at ?? at;
    this.#events.set(key, {
      ...{ kind: 'tls', at: first, domain, policy, policyType, host, address, sourceAddress },
      ...{ result, reason, sessions },
    });
    this.#timer ??= this.#deps.timers.after(GATHER, () => this.flush());
  }
}

/** That a server which asks for nothing offers no encryption is nothing new, unless it did before. */
function isNews({ result, policyType, downgraded }: TlsSession): boolean {
  if (result === 'successful') return false;
  return policyType !== 'no-policy-found' || downgraded === true;
}
