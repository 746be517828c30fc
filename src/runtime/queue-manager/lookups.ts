/**
 * Look-ups of destinations: which worker was asked, so that no question dies with it.
 *
 * Routes that need no DNS are answered here; the others by a worker, always the same for a domain, whose cache
 * then knows it.
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

const NO_WORKER: SiteAnswer = {
  kind: 'deferred',
  status: '4.3.2',
  diagnostic: 'postrider: no worker is there to look the destination up',
  ttl: 1000,
};

export class Lookups {
  readonly #sinks: LookupSinks;
  /** As many as the scheduler has open. */
  readonly #open = new Map<string, Question & { readonly worker: WorkerId }>();

  constructor(sinks: LookupSinks) {
    this.#sinks = sinks;
  }

  get open(): number {
    return this.#open.size;
  }

  look(question: Question): void {
    const { routingDomain, route } = question;
    const own = ownSite(route);
    const worker = own === undefined ? this.#workerFor(routingDomain) : undefined;
    if (worker === undefined) return this.#answerLater(question, own ?? NO_WORKER);
    this.#open.set(keyOf(routingDomain, route.name), { ...question, worker });
    return this.#sinks.ask(worker, question);
  }

  /** A worker has answered. */
  resolved(routingDomain: string, route: string, answer: SiteAnswer): void {
    this.#open.delete(keyOf(routingDomain, route));
    this.#sinks.answered(routingDomain, route, answer);
  }

  /** What it was asked, another is asked. */
  workerLeft(worker: WorkerId): void {
    for (const [key, question] of [...this.#open]) {
      if (question.worker !== worker) continue;
      this.#open.delete(key);
      this.look(question);
    }
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
