/**
 * Look-ups of destinations: which worker was asked, so that no question dies with it.
 *
 * Routes that need no DNS are answered here; the others by a worker, always the same for a domain, whose cache
 * then knows it. While no worker is there (at the start, after a death) a question waits for one: what no worker
 * could deliver anyway costs no mail an attempt.
 */

import { type Route } from '../../mail/route.ts';
import { type WorkerId } from '../../queue/scheduling.ts';
import { type SiteAnswer } from '../../queue/site.ts';
import { ownSite } from './own-site.ts';

export interface Question {
  readonly routingDomain: string;
  readonly route: Route;
}

export interface LookupSinks {
  /** The workers that are there now. */
  readonly workers: () => readonly WorkerId[];
  readonly ask: (worker: WorkerId, question: Question) => void;
  /** Never called before `look` has returned. */
  readonly answered: (routingDomain: string, route: string, answer: SiteAnswer) => void;
}

/** Without a worker: it waits for one. */
interface Open extends Question {
  readonly worker: WorkerId | undefined;
}

export class Lookups {
  readonly #sinks: LookupSinks;
  /** As many as the scheduler has open. */
  readonly #open = new Map<string, Open>();

  constructor(sinks: LookupSinks) {
    this.#sinks = sinks;
  }

  get open(): number {
    return this.#open.size;
  }

  look(question: Question): void {
    const { routingDomain, route } = question;
    const own = ownSite(route);
    if (own !== undefined) return this.#answerLater(question, own);
    const worker = this.#workerFor(routingDomain);
    this.#open.set(keyOf(routingDomain, route.name), { routingDomain, route, worker });
    if (worker !== undefined) this.#sinks.ask(worker, question);
    return undefined;
  }

  /** A worker has answered. */
  resolved(routingDomain: string, route: string, answer: SiteAnswer): void {
    this.#open.delete(keyOf(routingDomain, route));
    this.#sinks.answered(routingDomain, route, answer);
  }

  /** What nobody could be asked is asked now. */
  workerJoined(): void {
    this.#askAgain(undefined);
  }

  /** What it was asked, another is asked. */
  workerLeft(worker: WorkerId): void {
    this.#askAgain(worker);
  }

  #askAgain(asked: WorkerId | undefined): void {
    for (const { worker, routingDomain, route } of [...this.#open.values()])
      if (worker === asked) this.look({ routingDomain, route });
  }

  #answerLater({ routingDomain, route }: Question, answer: SiteAnswer): void {
    setImmediate(() => this.#sinks.answered(routingDomain, route.name, answer));
  }

  #workerFor(routingDomain: string): WorkerId | undefined {
    const workers = this.#sinks.workers();
    let hash = 0;
    for (let i = 0; i < routingDomain.length; i++) hash = (hash * 31 + routingDomain.charCodeAt(i)) >>> 0;
    return workers[hash % Math.max(1, workers.length)];
  }
}

function keyOf(routingDomain: string, route: string): string {
  return `${route}\n${routingDomain}`;
}
