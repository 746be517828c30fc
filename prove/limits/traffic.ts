/**
 * Traffic beside a mountain: for each message that has arrived a new one is sent, to a site that takes it, until so many
 * have arrived or were refused. So the queue keeps its length while a product does the work that another with a longer
 * queue does.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { FastSource, type Mail } from '../../test/lib/fast-source.ts';
import { domainOf, mailOf, type Mountain } from './mountain.ts';
import { characterOf, type Receivers } from './receivers.ts';

export interface TrafficOptions {
  readonly mountain: Mountain;
  readonly sites: number;
  /** Of the product. */
  readonly port: number;
  readonly receivers: Receivers;
  /** Attempts that come to a reply: messages that arrive and recipients that are refused, those of the mountain among them. */
  readonly attempts: number;
}

export interface Traffic {
  /** Messages that the product took while it drained. */
  readonly accepted: number;
  /** Messages that it did not take, or did not answer. */
  readonly refused: number;
  readonly drainedMs: number;
}

const SESSIONS = 4;
/** Messages between two looks: a product allows a client so many connections a minute. */
const AT_ONCE = 400;
const LOOK = 100;
/** Milliseconds for which nothing may arrive, on a machine that has no time for it. */
const PATIENCE = 120_000;

export async function runTraffic(options: TrafficOptions): Promise<Traffic> {
  const { mountain, sites, port, receivers, attempts } = options;
  const begun = performance.now();
  const counts = { accepted: 0, refused: 0 };
  let sent = 0;
  let moved = { delivered: 0, at: begun };
  for (;;) {
    const { delivered, refused } = await receivers.arrived();
    const now = performance.now();
    if (delivered + refused >= attempts) return { ...counts, drainedMs: now - begun };
    if (delivered > moved.delivered) moved = { delivered, at: now };
    else if (now - moved.at > PATIENCE) throw new Error(`${delivered} messages have arrived, and then no more`);
    const until = Math.min(delivered, sent + AT_ONCE);
    const next = (): Mail | undefined =>
      sent < until ? newMail(mountain, sites, mountain.messages + sent++) : undefined;
    const source = new FastSource({ port, sessions: SESSIONS, next });
    if (sent < until) await source.run();
    counts.accepted += source.countOf('accepted');
    counts.refused += source.countOf('refused') + source.countOf('unanswered');
    await pause(LOOK);
  }
}

/** The domain of its own, or the one before: every other site takes mail. */
export function newMail(mountain: Mountain, sites: number, n: number): Mail {
  const { campaign, class: priority } = mailOf(mountain, n, 0);
  const own = domainOf(mountain, n);
  const domain = characterOf(own % sites) === 'takes' ? own : own - 1;
  return {
    to: `${n}@d${domain}.mountain.test`,
    fields: `X-Postrider-Campaign: ${campaign}\r\nX-Postrider-Class: ${priority}\r\n`,
  };
}
