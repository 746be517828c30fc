/** What the queue manager counts: mail that came, what became of it, and what waits now. */

import { counter, gauge, histogram } from '../../observe/metrics.ts';
import { type Entry } from '../../mail/entry.ts';
import { type Disposition } from '../../queue/disposition.ts';
import { type Submitted } from '../../receive/ports.ts';
import { type SpoolFigures } from '../../spool/spool.ts';

const SCOPES = ['recipient', 'message', 'connection', 'host', 'path', 'site'] as const;

const messages = counter('postrider_messages_accepted_total', 'Messages taken from clients and committed.');
const recipients = counter('postrider_recipients_accepted_total', 'Recipients of these messages, aliases expanded.');
const notTaken = counter('postrider_messages_not_stored_total', 'Messages that could not be committed.', {
  why: ['full', 'tooMuch', 'unavailable'],
});
const attempts = counter('postrider_attempts_total', 'Dispatches handed to a worker.');
const fates = counter('postrider_recipients_over_total', 'Recipients that reached their end.', {
  fate: ['delivered', 'dropped', 'failed', 'expired'],
});
const deferrals = counter('postrider_deferrals_total', 'Recipients put off, by how far the reason reaches.', {
  scope: SCOPES,
});
const reports = counter('postrider_dsns_total', 'Delivery reports: made, withheld by the cap, summaries of those.', {
  kind: ['made', 'withheld', 'summary'],
});
const commits = counter('postrider_commits_total', 'Commits of the spool that were asked for.', {
  kind: ['accept', 'settle'],
});
const crashes = counter('postrider_worker_deaths_total', 'Workers that died.');
const ages = histogram('postrider_delivery_seconds', 'From the acceptance of a message to a delivery of it.', {
  buckets: [0.1, 0.5, 1, 5, 30, 60, 300, 3600, 21_600, 86_400, 432_000],
});

const waiting = gauge('postrider_queue_entries', 'Entries that wait, in the spool.');
const stored = gauge('postrider_queue_messages', 'Messages in the spool.');
const free = gauge('postrider_spool_free_octets', 'Room left for the spool.');
const reusable = gauge(
  'postrider_spool_reusable_octets',
  'Of that room what is inside the store, freed by mail that went.',
);
const readerLag = gauge(
  'postrider_spool_reader_lag',
  'Commits behind the latest one that the oldest reader of the store looks at. What they freed waits for it: a number that only grows means a process that was stopped while it read.',
);
const inMemory = gauge('postrider_scheduler_entries', 'Entries that the scheduler holds in memory.');
const inFlight = gauge('postrider_in_flight', 'Entries with a worker now.');
const connections = gauge('postrider_connections_out', 'Connections to other servers.', { state: ['busy', 'idle'] });
const sites = gauge('postrider_sites', 'Destinations that mail in memory is for.');

export function countAccepted(entries: readonly Entry[]): void {
  messages.add(1);
  recipients.add(entries.reduce((sum, entry) => sum + entry.recipients.length, 0));
}

export function countNotTaken(result: Exclude<Submitted, { kind: 'accepted' }>): void {
  notTaken.add(1, { why: result.kind });
}

export function countAttempt(): void {
  attempts.add(1);
}

export function countCommit(kind: 'accept' | 'settle'): void {
  commits.add(1, { kind });
}

export function countReport(kind: 'made' | 'withheld' | 'summary'): void {
  reports.add(1, { kind });
}

export function countWorkerDeath(): void {
  crashes.add(1);
}

/** `dropped`: the route throws mail away on purpose. */
export function countDisposition(
  { over, deferred }: Disposition,
  { entry, dropped, now }: { readonly entry: Entry; readonly dropped: boolean; readonly now: number },
): void {
  for (const { kind } of over) {
    fates.add(1, { fate: kind === 'delivered' && dropped ? 'dropped' : kind });
    if (kind === 'delivered') ages.observe(Math.max(0, now - (entry.releaseAt ?? entry.acceptedAt)) / 1000);
  }
  for (const { recipients: some, outcome } of deferred) deferrals.add(some.length, { scope: outcome.scope });
}

/** What can be read at any time is read when somebody asks. */
export function showQueue(spool: SpoolFigures, scheduler: Readonly<Record<string, number>>): void {
  const { slots = 0, idleSlots = 0 } = scheduler;
  waiting.set(spool.entries);
  stored.set(spool.messages);
  free.set(spool.freeOctets);
  reusable.set(spool.reusableOctets);
  readerLag.set(spool.readerLag);
  inMemory.set(scheduler['entries'] ?? 0);
  inFlight.set(scheduler['inFlight'] ?? 0);
  sites.set(scheduler['sites'] ?? 0);
  connections.set(slots - idleSlots, { state: 'busy' });
  connections.set(idleSlots, { state: 'idle' });
}
