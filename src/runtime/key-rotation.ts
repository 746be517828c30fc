/**
 * Moves signing keys on by themselves: a published key signs once its record is seen in DNS, and a retired one goes
 * when no mail that it signed can be waiting any more.
 */

import { type Config } from '../config/config.ts';
import { type DirectoryStore, type SigningKeyRecord } from '../directory/directory.ts';
import { dkimRecord } from '../directory/domain-records.ts';
import { keyProblem } from '../directory/key-problem.ts';
import { DAY, type Duration, HOUR, type Instant } from '../lib/time.ts';
import { type Domain } from '../mail/domain.ts';
import { type Log } from '../ports/log.ts';
import { type Resolver } from '../ports/resolver.ts';

export interface RotationDeps {
  readonly store: DirectoryStore;
  readonly resolver: Resolver;
  readonly log: Log;
  readonly now: () => Instant;
  /** The options that say how long mail may wait here. */
  readonly queue: () => QueueTimes;
  readonly switchKeys: (domain: Domain) => Promise<unknown>;
  readonly removed: (key: SigningKeyRecord) => Promise<void>;
}

type QueueTimes = Pick<Config['queue'], 'longestHold' | 'retry'>;

export const ROTATION_EVERY = HOUR;
/** Beyond our own queue: others wait, too, before they verify. */
const BEYOND = 2 * DAY;
/** A record that has just been published is not everywhere yet. */
const SETTLING = HOUR;

export async function moveKeysOn(deps: RotationDeps): Promise<void> {
  const keys = deps.store.keys();
  const published = keys.filter(({ state, since }) => state === 'published' && deps.now() - since >= SETTLING);
  for (const domain of new Set(published.map((key) => key.domain)))
    await switchIfSeen(
      deps,
      domain,
      keys.filter((key) => key.domain === domain && key.state === 'published'),
    );
  for (const key of keys.filter(({ state }) => state === 'retired')) await forgetIfOld(deps, key);
}

async function switchIfSeen(deps: RotationDeps, domain: Domain, keys: readonly SigningKeyRecord[]): Promise<void> {
  for (const key of keys) if (!(await isSeen(deps, key))) return;
  await deps.switchKeys(domain);
  deps.log.info('signing keys were switched: their records are in DNS', {
    domain,
    selectors: keys.map(({ selector }) => selector).join(' '),
  });
}

/** One that verifiers could not use is not there yet. */
async function isSeen({ resolver }: RotationDeps, key: SigningKeyRecord): Promise<boolean> {
  const answer = await resolver.resolve(`${key.selector}._domainkey.${key.domain}`, 'TXT');
  return answer.kind === 'found' && keyProblem(dkimRecord(key), answer.records) === undefined;
}

async function forgetIfOld({ store, log, now, queue, removed }: RotationDeps, key: SigningKeyRecord): Promise<void> {
  if (now() - key.since < longestWait(queue()) + BEYOND) return;
  store.removeKey(key.domain, key.selector);
  await removed(key);
  log.info('a retired signing key is gone: its record may leave DNS', { domain: key.domain, selector: key.selector });
}

/** A message for later is signed when it comes, and its time to give up counts from when it is to go. */
function longestWait({ longestHold, retry }: QueueTimes): Duration {
  return longestHold + Math.max(...Object.values(retry.classes).map(({ giveUpAfter }) => giveUpAfter));
}
