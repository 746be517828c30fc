/**
 * The main thread's answers to the faces: the `Admin` contract, joined from the threads that know.
 *
 * It decides nothing about mail. Reload is in two halves, so that a configuration that cannot be used
 * everywhere is used nowhere.
 */

import process from 'node:process';
import { type CertificatesView } from '../api/certificate-view.ts';
import {
  type Admin,
  type BackedUp,
  type Changed,
  type Checked,
  type EventsPage,
  type EventsQuery,
  type ExplanationView,
  type MessageStory,
  type PageQuery,
  type PauseRequest,
  type QueueChange,
  type QueuePage,
  type QueueQuery,
  type QueueRemoval,
  Refusal,
  type Reloaded,
  type Resumed,
  type ResumeRequest,
  type SitesPage,
  type Status,
  type Suspended,
  type SuspendRequest,
  type TlsReportsPage,
  type TlsReportsQuery,
} from '../api/contract.ts';
import { type DirectoryAdmin, type DirectoryChecks } from '../api/directory-contract.ts';
import { type EventPage } from '../events/search.ts';
import { parseMailbox } from '../mail/path.ts';
import { parseQueueId } from '../mail/queue-id.ts';
import { type Rule } from '../mail/rule.ts';
import { type Clock } from '../ports/clock.ts';
import { type Resolver } from '../ports/resolver.ts';
import { directoryCalls, type DirectoryOperations } from './directory-operations.ts';
import { eventsPage } from './events-page.ts';
import { type Explaining, explainAddress, explainMessage } from './explaining.ts';
import { type ListeningAddress, type Threads } from './threads.ts';
import { VERSION } from './version.ts';

export interface ControlDeps {
  readonly threads: Threads;
  readonly clock: Clock;
  readonly facts: () => ControlFacts;
  readonly reload: () => Promise<Reloaded>;
  /** Begins to stop; returns at once. */
  readonly drain: () => void;
  readonly explaining: () => Explaining;
  readonly directory: DirectoryOperations;
  /** Asks a worker, which has a cache of answers. */
  readonly resolver: Resolver;
  readonly certificates: { view(): CertificatesView; renew(): void };
}

export interface ControlFacts {
  readonly hostname: string;
  readonly configFile: string;
  readonly startedAt: number;
  readonly draining: boolean;
  readonly listeners: readonly (ListeningAddress & { readonly protocol: string })[];
}

interface QueueManagerStatus {
  readonly figures: Readonly<Record<string, number>>;
  readonly intake: Status['intake'];
  readonly delivery: Status['delivery'];
  readonly softBounce: boolean;
  readonly spool: Status['spool'];
}

/** Of the contract what concerns the queue and the server; `controlOf` adds the directory's half. */
class ServerControl implements Omit<Admin, keyof DirectoryAdmin | keyof DirectoryChecks> {
  readonly #deps: ControlDeps;

  constructor(deps: ControlDeps) {
    this.#deps = deps;
  }

  list(query: QueueQuery): Promise<QueuePage> {
    return this.#ask('list', query);
  }

  retry(change: QueueChange): Promise<Changed> {
    return this.#ask('retry', change);
  }

  hold(change: QueueChange): Promise<Changed> {
    return this.#ask('hold', change);
  }

  release(change: QueueChange): Promise<Changed> {
    return this.#ask('release', change);
  }

  remove(change: QueueRemoval): Promise<Changed> {
    return this.#ask('remove', change);
  }

  flush(change: QueueChange): Promise<Changed> {
    return this.#ask('flush', change);
  }

  /** The queue knows what waits, the archivist what happened; either alone is enough. */
  async message(query: { readonly id: string }): Promise<MessageStory> {
    const events = parseQueueId(query.id) === undefined ? [] : await this.#story(query.id);
    try {
      return { ...(await this.#ask<MessageStory>('message', query)), events };
    } catch (error) {
      if (!(error instanceof Refusal) || error.kind !== 'notFound' || events.length === 0) throw error;
      return { id: query.id, message: undefined, entries: [], events };
    }
  }

  content(query: { readonly id: string }): Promise<Uint8Array> {
    return this.#ask('content', query);
  }

  rules(): Promise<{ readonly rules: readonly Rule[] }> {
    return this.#ask('rules');
  }

  check(): Promise<Checked> {
    return this.#ask('check');
  }

  backup(request: { readonly folder: string }): Promise<BackedUp> {
    return this.#ask('backup', request);
  }

  suspend(request: SuspendRequest): Promise<Suspended> {
    return this.#ask('suspend', request);
  }

  resume(request: ResumeRequest): Promise<Resumed> {
    return this.#ask('resume', request);
  }

  async explain({ target }: { readonly target: string }): Promise<ExplanationView> {
    const id = parseQueueId(target.split('/')[0] ?? '');
    if (id !== undefined) return explainMessage(this.#deps.explaining(), target);
    const mailbox = parseMailbox(target);
    if (mailbox.ok) return explainAddress(this.#deps.explaining(), mailbox.value);
    throw new Refusal('invalid', `"${target}" is neither a queue id nor an address: ${mailbox.reason}`);
  }

  async pause({ what }: PauseRequest): Promise<Status> {
    await this.#ask('pause', what);
    return this.status();
  }

  async unpause({ what }: PauseRequest): Promise<Status> {
    await this.#ask('unpause', what);
    return this.status();
  }

  async softBounce({ on }: { readonly on: boolean }): Promise<Status> {
    await this.#ask('softBounce', on);
    return this.status();
  }

  reload(): Promise<Reloaded> {
    return this.#deps.reload();
  }

  async drain(): Promise<Status> {
    const status = await this.status();
    this.#deps.drain();
    return { ...status, state: 'draining' };
  }

  async status(): Promise<Status> {
    const { clock, facts } = this.#deps;
    const { hostname, configFile, startedAt, draining, listeners } = facts();
    const queue = await this.#ask<QueueManagerStatus>('status');
    const workers = await this.#workers();
    return {
      ...{ version: VERSION, hostname, pid: process.pid, now: clock.now(), startedAt, configFile, workers },
      ...{ state: draining ? 'draining' : 'running', intake: queue.intake, delivery: queue.delivery },
      ...{ softBounce: queue.softBounce, spool: queue.spool, inFlight: queue.figures['inFlight'] ?? 0 },
      listeners: listeners.map(({ name, address, port, protocol }) => ({
        ...{ name, protocol },
        address: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
      })),
    };
  }

  /** One that dies while it is asked is not listed. */
  async #workers(): Promise<Status['workers']> {
    const answers = await Promise.allSettled(
      this.#deps.threads.workers.map(async ({ id, thread }) => {
        const figures = (await thread.ask('figures')) as { readonly sessions: number; readonly deliveries: number };
        return { slot: id, ...figures };
      }),
    );
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  }

  async certificates(): Promise<CertificatesView> {
    return this.#deps.certificates.view();
  }

  async renewCertificate(): Promise<CertificatesView> {
    this.#deps.certificates.renew();
    return this.#deps.certificates.view();
  }

  sites(query: PageQuery): Promise<SitesPage> {
    return this.#ask('sites', query);
  }

  events(query: EventsQuery): Promise<EventsPage> {
    return eventsPage(query, async (wanted) => (await this.#deps.threads.archivist.ask('search', wanted)) as EventPage);
  }

  /** A page may be short where another domain is asked for: the next goes on. */
  async tlsReports({ kind = 'received', domain, limit = 100, after }: TlsReportsQuery): Promise<TlsReportsPage> {
    const wanted = { kind: kind === 'sent' ? 'tlsReportSent' : 'tlsReportReceived', limit } as const;
    const { events, next } = await this.events(after === undefined ? wanted : { ...wanted, after });
    const reports = events.filter((event) => domain === undefined || ('domain' in event && event.domain === domain));
    return { reports, next };
  }

  async #story(id: string): Promise<MessageStory['events']> {
    return (await this.#deps.threads.archivist.ask('story', id)) as MessageStory['events'];
  }

  /** The queue manager answers what the contract says: the same types are on both sides of the link. */
  #ask<Result>(method: string, argument?: unknown): Promise<Result> {
    return this.#deps.threads.queueManager.ask(method, argument) as Promise<Result>;
  }
}

export type Control = Admin;

export function controlOf(deps: ControlDeps): Admin {
  const server = new ServerControl(deps);
  const { directory, resolver } = deps;
  return Object.assign(server, directoryCalls(directory), {
    checkDomain: (request: { readonly domain: string }) => directory.check(request, resolver),
  });
}
