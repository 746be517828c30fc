/**
 * What became of mail that was sent while something failed: each promise that was broken, in words.
 *
 * Nothing accepted is lost or changed; nothing comes twice but what was under way when a process died; a refusal
 * is one that lets the client try again, and refused mail does not come; and the event log tells of all of it.
 */

import { type Event } from '../../src/events/event.ts';
import { withoutTrace } from '../../test/lib/arrived.ts';
import { type Copy } from '../../test/lib/fast-sink.ts';
import { type Fate } from '../../test/lib/fast-source.ts';

/** By `performance.now()`. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Evidence {
  readonly fates: ReadonlyMap<string, Fate>;
  /** What was sent to that recipient. */
  readonly sent: (to: string) => Buffer;
  readonly copies: ReadonlyMap<string, readonly Pick<Copy, 'content' | 'answeredAt'>[]>;
  /** In the queue at the end. */
  readonly waiting: ReadonlySet<string>;
  /** Between a failure that ends the process and the end of it: what was delivered then could not be recorded. */
  readonly deaths: readonly Span[];
  readonly events: readonly Event[];
}

const EXAMPLES = 3;

export function judge(evidence: Evidence): readonly string[] {
  const { fates, copies, waiting } = evidence;
  const accepted = [...fates].filter(([, { kind }]) => kind === 'accepted').map(([to]) => to);
  const refused = [...fates].flatMap(([to, fate]) => (fate.kind === 'refused' ? [{ to, ...fate }] : []));
  return [
    told(
      'accepted, and lost',
      accepted.filter((to) => !copies.has(to) && !waiting.has(to)),
    ),
    told(
      'arrived changed',
      [...copies].filter(([to, own]) => !isAsSent(evidence, to, own)).map(([to]) => to),
    ),
    told(
      'arrived twice without an excuse',
      [...copies].filter(([, own]) => isTwice(own, evidence.deaths)).map(([to]) => to),
    ),
    told(
      'refused for good',
      refused.filter(({ code }) => code >= 500).map(({ to, text }) => `${to} (${text})`),
    ),
    told(
      'refused, and arrived',
      refused.filter(({ to }) => copies.has(to)).map(({ to }) => to),
    ),
    ...judgeLog(evidence, accepted),
  ].filter((failure) => failure !== undefined);
}

/** Each acceptance, and each end of what is no longer in the queue, is in the log once. */
function judgeLog({ events, copies, waiting, fates }: Evidence, accepted: readonly string[]): (string | undefined)[] {
  const acceptances = countsOf(events, 'accepted');
  const deliveries = countsOf(events, 'delivered');
  const over = [...copies.keys()].filter((to) => !waiting.has(to) && fates.has(to));
  return [
    told(
      'accepted, and the log does not tell',
      accepted.filter((to) => !acceptances.has(to)),
    ),
    told(
      'delivered, and the log does not tell',
      over.filter((to) => !deliveries.has(to)),
    ),
    told(
      'twice accepted by the log',
      [...acceptances].filter(([, count]) => count > 1).map(([to]) => to),
    ),
    told(
      'twice delivered by the log',
      [...deliveries].filter(([, count]) => count > 1).map(([to]) => to),
    ),
  ];
}

function countsOf(events: readonly Event[], kind: 'accepted' | 'delivered'): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const event of events) {
    if (event.kind !== kind) continue;
    for (const to of event.recipients) counts.set(to, (counts.get(to) ?? 0) + 1);
  }
  return counts;
}

function isAsSent({ sent }: Evidence, to: string, copies: readonly Pick<Copy, 'content'>[]): boolean {
  const wanted = sent(to);
  return copies.every(({ content }) => withoutTrace(Buffer.from(content, 'latin1')).equals(wanted));
}

function isTwice(copies: readonly Pick<Copy, 'answeredAt'>[], deaths: readonly Span[]): boolean {
  return copies.slice(0, -1).some(({ answeredAt: at }) => !deaths.some(({ from, to }) => at >= from && at <= to));
}

function told(what: string, which: readonly string[]): string | undefined {
  if (which.length === 0) return undefined;
  const more = which.length > EXAMPLES ? ', …' : '';
  return `${which.length} ${what}: ${which.slice(0, EXAMPLES).join(', ')}${more}`;
}
