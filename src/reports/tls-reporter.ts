/**
 * Tells domains once a day how our sessions with them were secured (RFC 8460 §4, §5).
 *
 * All of it follows from the event log: a crash loses nothing, and what was sent is noted on disk, so that no restart
 * sends it twice. Reports go out at a time by chance after midnight, UTC. What could not be handed in is tried again
 * each hour until the next day's report; a day that passed while the server was down is reported on when it comes back,
 * unless another has passed since.
 */

import { gzipSync } from 'node:zlib';
import { DAY, type Duration, HOUR, type Instant, SECOND } from '../lib/time.ts';
import { type StsPolicy } from '../mail/sts-policy.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Resolver } from '../ports/resolver.ts';
import { type Timer, type Timers } from '../ports/timers.ts';
import { stsPolicyLines } from '../tlspolicy/mta-sts.ts';
import {
  buildTlsReport,
  type DomainResults,
  parseTlsRptRecord,
  type PolicyResults,
  type ReportTarget,
  tlsRptRecordName,
} from '../tlspolicy/tls-report.ts';
import { type CountedSession, TlsResults } from '../tlspolicy/tls-results.ts';
import { composeTlsReport, type TlsReportMail } from './tls-report-mail.ts';
import { tlsaLines } from './tlsa-lines.ts';

export interface ReporterSettings {
  readonly organization: string;
  readonly contact: string;
  readonly from: string;
  readonly submitter: string;
}

export interface SessionPage {
  readonly sessions: readonly CountedSession[];
  readonly next: number | undefined;
}

/** What was handed in, on disk. */
export interface SentReports {
  load(day: string): Promise<ReadonlySet<string>>;
  add(day: string, key: string): Promise<void>;
}

export interface SentReport {
  readonly domain: string;
  readonly day: string;
  readonly to: string;
  readonly successful: number;
  readonly failed: number;
}

export interface TlsReporterDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly resolver: Resolver;
  readonly settings: ReporterSettings;
  /** How long after midnight. */
  readonly delay: Duration;
  readonly sessions: (since: Instant, until: Instant, after: number | undefined) => Promise<SessionPage>;
  readonly policyOf: (domain: string) => Promise<StsPolicy | undefined>;
  readonly sent: SentReports;
  /** Resolves when the message is ours for good. */
  readonly mail: (to: string, content: Buffer) => Promise<void>;
  /** Resolves with what is wrong, if anything. */
  readonly post: (url: string, compressed: Buffer) => Promise<string | undefined>;
  readonly tell: (sent: SentReport) => void;
}

/** Domains told side by side: some name receivers that let us wait. */
const AT_ONCE = 16;

export class TlsReporter {
  readonly #deps: TlsReporterDeps;
  #timer: Timer | undefined;
  /** Waiting for its time; undefined while reports are being made. */
  #at: Instant | undefined;
  #stopped = false;

  constructor(deps: TlsReporterDeps) {
    this.#deps = deps;
  }

  /** For yesterday, unless that is done. */
  start(): void {
    const { clock, delay } = this.#deps;
    this.#wakeAt(startOfDay(clock.now()) + delay);
  }

  /** A clock that is moved on purpose: what is due by it is due. */
  clockMoved(): void {
    if (this.#at !== undefined) this.#wakeAt(this.#at);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** The reports of the day before. Rejects when the history or the disk cannot be used. */
  async report(): Promise<'done' | 'again'> {
    const begin = startOfDay(this.#deps.clock.now()) - DAY;
    const day = new Date(begin).toISOString().slice(0, 10);
    const done = new Set(await this.#deps.sent.load(day));
    const results = await this.#resultsOf(begin);
    const waiting = [...results.results()].values();
    const sides = Array.from({ length: AT_ONCE }, () => this.#tellEach(waiting, { begin, day, done }));
    return (await Promise.all(sides)).includes('again') ? 'again' : 'done';
  }

  /** Of those that nobody has begun with. */
  async #tellEach(waiting: IterableIterator<DomainResults>, facts: DayFacts): Promise<'done' | 'again'> {
    let state: 'done' | 'again' = 'done';
    for (const each of waiting) {
      if (this.#stopped) return 'again';
      if ((await this.#tellDomain(each, facts)) === 'again') state = 'again';
    }
    return state;
  }

  #wakeAt(at: Instant): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.#at = at;
    this.#timer = this.#deps.timers.after(Math.max(0, at - this.#deps.clock.now()), () => {
      this.#at = undefined;
      // Not the time when it is done: that may be another day.
      const began = this.#deps.clock.now();
      this.report().then(
        (state) => this.#next(state, began),
        (error: unknown) => {
          this.#deps.log.warn('TLS reports could not be sent, trying again', { error: String(error) });
          this.#next('again', began);
        },
      );
    });
  }

  #next(state: 'done' | 'again', began: Instant): void {
    const { clock, delay } = this.#deps;
    const tomorrow = startOfDay(began) + DAY + delay;
    this.#wakeAt(state === 'done' ? tomorrow : Math.min(clock.now() + HOUR, tomorrow));
  }

  async #resultsOf(begin: Instant): Promise<TlsResults> {
    const results = new TlsResults();
    let after: number | undefined;
    do {
      const page = await this.#deps.sessions(begin, begin + DAY, after);
      for (const session of page.sessions) results.add(session);
      after = page.next;
    } while (after !== undefined);
    const { overflow } = results;
    if (overflow > 0) this.#deps.log.warn('of some domains no TLS report is sent: there are too many', { overflow });
    return results;
  }

  async #tellDomain(results: DomainResults, { begin, day, done }: DayFacts): Promise<'done' | 'again'> {
    const answer = await this.#deps.resolver.resolve(tlsRptRecordName(results.domain), 'TXT');
    if (answer.kind === 'temporary') return 'again';
    const record = parseTlsRptRecord(answer.kind === 'found' ? answer.records : []);
    if (record.kind === 'none') return 'done';
    const open = record.targets.filter((target) => !done.has(keyOf(results.domain, target)));
    if (open.length === 0) return 'done';
    const report = this.#reportOf(await this.#withPolicies(results), begin);
    let state: 'done' | 'again' = 'done';
    for (const target of open) {
      const problem = await this.#handIn(target, report);
      if (problem === undefined) {
        await this.#deps.sent.add(day, keyOf(results.domain, target));
        const { successful, failed } = report;
        this.#deps.tell({ domain: results.domain, day, to: placeOf(target), successful, failed });
        continue;
      }
      state = 'again';
      this.#deps.log.info('a TLS report could not be handed in', { to: placeOf(target), problem });
    }
    return state;
  }

  #reportOf(results: DomainResults, begin: Instant): Omit<TlsReportMail, 'to'> {
    const { settings, clock } = this.#deps;
    const end = begin + DAY - SECOND;
    const reportId = `${new Date(begin).toISOString().slice(0, 10)}_${results.domain}`;
    const json = JSON.stringify(buildTlsReport(results, { ...settings, reportId, begin, end }));
    return {
      ...{ from: settings.from, domain: results.domain, submitter: settings.submitter },
      ...{ reportId, begin, end, now: clock.now(), compressed: gzipSync(json) },
      successful: results.policies.reduce((sum, policy) => sum + policy.successful, 0),
      failed: results.policies.reduce((sum, policy) => sum + policy.failed, 0),
    };
  }

  async #handIn(target: ReportTarget, report: Omit<TlsReportMail, 'to'>): Promise<string | undefined> {
    if (target.kind === 'https') return this.#deps.post(target.url, report.compressed);
    await this.#deps.mail(target.address, composeTlsReport({ ...report, to: target.address }));
    return undefined;
  }

  /** The policies in their own words, as they are kept or published now. */
  async #withPolicies({ domain, policies }: DomainResults): Promise<DomainResults> {
    return { domain, policies: await Promise.all(policies.map((results) => this.#worded(domain, results))) };
  }

  async #worded(domain: string, results: PolicyResults): Promise<PolicyResults> {
    const { policyType, mxHosts } = results;
    if (policyType === 'tlsa') return { ...results, policyLines: await tlsaLines(mxHosts, this.#deps.resolver) };
    const sts = policyType === 'sts' ? await this.#deps.policyOf(domain) : undefined;
    return sts === undefined ? results : { ...results, policyLines: stsPolicyLines(sts), mxHosts: sts.mx };
  }
}

interface DayFacts {
  readonly begin: Instant;
  readonly day: string;
  readonly done: ReadonlySet<string>;
}

function startOfDay(at: Instant): Instant {
  return at - (at % DAY);
}

function placeOf(target: ReportTarget): string {
  return target.kind === 'mail' ? target.address : target.url;
}

function keyOf(domain: string, target: ReportTarget): string {
  return `${domain} ${placeOf(target)}`;
}
