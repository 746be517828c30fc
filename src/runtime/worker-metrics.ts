/** What a worker counts: sessions, refusals, look-ups. */

import { counter, gauge } from '../observe/metrics.ts';
import { type RejectedEvent } from '../events/event.ts';
import { type SiteAnswer } from '../queue/site.ts';

const STAGES = ['connect', 'hello', 'tls', 'login', 'sender', 'recipient', 'content'] as const;

const rejected = counter('postrider_rejected_total', 'Refusals to clients, by stage of the session.', {
  stage: STAGES,
});
const relayed = counter('postrider_relayed_total', 'Messages passed through by stateless relay.');
const lookups = counter('postrider_lookups_total', 'Destinations looked up, by what came of it.', {
  answer: ['site', 'failed', 'deferred'],
});
const sessions = gauge('postrider_sessions', 'Connections of clients.');
const deliveries = gauge('postrider_deliveries', 'Deliveries under way.');
const content = gauge('postrider_content_octets', 'Content of messages that come in, held in memory.');
const contentOut = gauge(
  'postrider_content_out_octets',
  'Content of deliveries under way, held in memory, as the queue manager hands it out: whole, or a block at a time.',
);

export function countRejected(stage: RejectedEvent['stage']): void {
  rejected.add(1, { stage });
}

export function countRelayed(): void {
  relayed.add(1);
}

export function countLookup({ kind }: SiteAnswer): void {
  lookups.add(1, { answer: kind });
}

export interface WorkerLoad {
  readonly sessions: number;
  readonly deliveries: number;
  readonly contentOctets: number;
  readonly contentOutOctets: number;
}

export function showWorker(load: WorkerLoad): void {
  sessions.set(load.sessions);
  deliveries.set(load.deliveries);
  content.set(load.contentOctets);
  contentOut.set(load.contentOutOctets);
}
