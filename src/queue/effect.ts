/** How the outcome of an attempt bears on its egress path: what moves windows and backs off. */

import { type Outcome, type Undelivered } from '../mail/outcome.ts';
import { classify, namedWait } from './classify.ts';
import { type AttemptReport } from './dispatch.ts';
import { type Finished } from './scheduling.ts';

export type PathEffect = Pick<Finished, 'effect' | 'diagnostic' | 'wait'>;

const NEUTRAL: PathEffect = { effect: 'neutral', diagnostic: '', wait: undefined };

/** Only what reaches as far as a host, the path or the site moves anything; a lost connection alone does not. */
export function effectOf({ outcomes, refused }: Pick<AttemptReport, 'outcomes' | 'refused'>): PathEffect {
  const wide = outcomes.find(reachesPath);
  // Encryption that one route demands and the receiver lacks says nothing about mail that does not demand it.
  if (wide?.cause === 'tls') return NEUTRAL;
  if (wide !== undefined) {
    const limited = classify(wide) === 'rateLimited' || classify(wide) === 'reputation';
    const wait = wide.cause === 'reply' ? namedWait(wide.diagnostic) : undefined;
    return { effect: limited ? 'limited' : 'refused', diagnostic: wide.diagnostic, wait };
  }
  // One host of several may be down: what counts is that another took the mail.
  if (outcomes.some(isAboutMail)) return { ...NEUTRAL, effect: 'success' };
  return refused ? { ...NEUTRAL, effect: 'refused' } : NEUTRAL;
}

function reachesPath(outcome: Outcome): outcome is Undelivered {
  return (
    outcome.kind !== 'delivered' && (outcome.scope === 'host' || outcome.scope === 'path' || outcome.scope === 'site')
  );
}

/** The receiver spoke about the mail and not about us: the path works. */
function isAboutMail(outcome: Outcome): boolean {
  return outcome.kind === 'delivered' || (outcome.cause === 'reply' && outcome.scope !== 'connection');
}
