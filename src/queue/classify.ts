/**
 * What a refusal is about, from its enhanced status and its words; and the wait that it names.
 *
 * Replies are hostile text. Each pattern is a plain alternation with bounded repeats, run on at most
 * 1,000 characters, so that its time is linear. Our own words (`postrider: …`) are never matched: a rule that
 * matches what it caused would feed itself.
 */

import { DAY, HOUR, MINUTE, SECOND, type Duration } from '../lib/time.ts';
import { type HoldReason } from '../mail/hold-reason.ts';
import { type Undelivered } from '../mail/outcome.ts';

const OWN_WORDS = 'postrider:';

const MOST_CHARACTERS = 1000;

type Classified = Exclude<HoldReason, 'new' | 'held' | 'crashLoop'>;

interface TextRule {
  readonly pattern: RegExp;
  readonly reason: Classified;
}

/** The first that matches decides. The words are those of real servers; `classify.test.ts` quotes them. */
const TEXT_RULES: readonly TextRule[] = [
  {
    reason: 'greylisted',
    pattern: /gr[ea]y-? ?list|postgrey|gr[ea]ylst|early-retry|first (?:time|contact) (?:sender|deliver)/i,
  },
  {
    reason: 'mailboxFull',
    pattern:
      /(?:mail ?box|inbox|account|user|recipient)(?:'s)?[^.]{0,30} (?:is |are |has been )?(?:full\b|over ?quota|overquota|exceeded)|over ?quota|quota (?:is )?(?:exceeded|full)|exceed\w{0,3} (?:the |its |his |their |allowed |storage |disk |mailbox ){0,4}quota|out of storage|mailbox size limit/i,
  },
  {
    reason: 'rateLimited',
    pattern:
      /\btss0[4-9]\b|unusual rate|rate.?limit|too (?:many|much) (?:connection|message|mail|recipient|concurrent|session|email|request|smtp)|unexpected volume|throttl|too fast|slow down|\brl0{3}\d|limit (?:is )?exceeded|exceeded (?:the |your )?(?:rate|maximum|allowed|hourly|daily|connection)|max(?:imum)? (?:number of )?(?:connections|messages)|concurren\w{1,6} (?:limit|connection)|receiving mail at a rate|connection (?:frequency|rate)|reached (?:a|the|your) (?:rate |sending |hourly |daily )?limit/i,
  },
  {
    reason: 'reputation',
    pattern:
      /\bts0[1-3]\b|\[ts0[1-3]\]|reputation|block ?list|black ?list|deny ?list|\brbl\b|\bdnsbl\b|spamhaus|spamcop|barracudacentral|proofpoint\.com|senderscore|\bipts0\d|ip (?:address )?(?:is |has been )?(?:blocked|banned)|part of (?:their|your) network is on our block/i,
  },
  {
    reason: 'content',
    pattern:
      /\bspam\b|virus|malware|phish|suspicious|content (?:rejected|blocked|filter)|message (?:looks|appears) (?:like|to be)|prohibited attachment|attachment (?:type|rejected)|unsolicited|\burl\b[^.]{0,30}(?:blocked|listed)/i,
  },
  {
    reason: 'policy',
    pattern:
      /\bdmarc\b|\bspf\b|\bdkim\b|unauthenticated|not authenticated|authentication (?:required|checks)|relay(?:ing)? (?:access )?denied|relaying (?:not|is not)|not permitted|administrative|prohibited|reverse (?:dns|hostname)|\bptr\b|policy/i,
  },
  {
    reason: 'badAddress',
    pattern:
      /(?:user|recipient|mailbox|address|account|addressee)[^.]{0,40}(?:unknown|not found|does ?n[o']t exist|invalid|no such|disabled|inactive|unavailable|rejected|suspended)|no such (?:user|person|recipient|mailbox)|unknown (?:user|recipient|local)|invalid (?:recipient|mailbox|user)|no mailbox here|undeliverable address|recipient address rejected/i,
  },
];

/** By `subject.detail`; a subject alone for the rest of it (RFC 3463 §3, and the registry's later codes). */
const STATUS_RULES: Readonly<Record<string, Classified>> = {
  '2.2': 'mailboxFull',
  '2.1': 'badAddress',
  '1.1': 'badAddress',
  '1.2': 'badAddress',
  '1.3': 'badAddress',
  '1.6': 'badAddress',
  '1.10': 'badAddress',
  '3.4': 'content',
  '4.2': 'connection',
  '4.3': 'dns',
  '4.4': 'dns',
  '4.5': 'rateLimited',
  '5': 'protocol',
  '6': 'content',
  '7.4': 'tls',
  '7.5': 'tls',
  '7.10': 'tls',
  '7.28': 'rateLimited',
  '7.650': 'reputation',
  '7': 'policy',
};

/** Codes that say more than the words beside them. */
const FIRST_BY_STATUS: ReadonlySet<string> = new Set(['2.2', '7.28', '7.650']);

const BY_CAUSE = {
  reply: undefined,
  dns: 'dns',
  connection: 'connection',
  tls: 'tls',
  protocol: 'protocol',
  local: 'local',
  policy: 'policy',
} as const;

export function classify({
  diagnostic,
  status,
  cause,
}: Pick<Undelivered, 'diagnostic' | 'status' | 'cause'>): Classified {
  const known = BY_CAUSE[cause];
  if (known !== undefined) return known;
  if (diagnostic.startsWith(OWN_WORDS)) return 'transient';
  return classifyReply(diagnostic, status);
}

/** Classifies a reply on one line; `status` where it is known apart from the text. */
export function classifyReply(text: string, status: string = statusIn(text)): Classified {
  const detail = status.slice(2);
  const known = STATUS_RULES[detail];
  if (known !== undefined && FIRST_BY_STATUS.has(detail)) return known;
  const words = text.slice(0, MOST_CHARACTERS);
  const rule = TEXT_RULES.find(({ pattern }) => pattern.test(words));
  return rule?.reason ?? known ?? STATUS_RULES[detail.slice(0, detail.indexOf('.'))] ?? 'transient';
}

function statusIn(text: string): string {
  return /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})\b/.exec(text)?.[1] ?? '';
}

const CLOCK_WAIT = /(?:again|retry|back|wait|list\w{0,3}|for|in)\D{1,60}(\d{1,3}):(\d{2}):(\d{2})\b/i;
const UNIT_WAIT =
  /(?:try|again|retry|retries|back|wait|resend|gr[ea]y-?list\w{0,3}|deferred|delay\w{0,3})\D{0,60}(\d{1,7})\s{0,3}(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)\b/i;

const UNITS: Readonly<Record<string, Duration>> = { s: SECOND, m: MINUTE, h: HOUR, d: DAY };

// Beyond this it is a typing error or a joke; the schedule knows better.
const LONGEST_BELIEVED = 7 * DAY;

/** The wait that a reply names: "try again in 300 seconds". */
export function namedWait(text: string): Duration | undefined {
  if (text.startsWith(OWN_WORDS)) return undefined;
  const words = text.slice(0, MOST_CHARACTERS);
  const wait = clockWait(words) ?? unitWait(words);
  return wait === undefined || wait <= 0 || wait > LONGEST_BELIEVED ? undefined : wait;
}

function clockWait(words: string): Duration | undefined {
  const found = CLOCK_WAIT.exec(words);
  if (found === null) return undefined;
  return Number(found[1]) * HOUR + Number(found[2]) * MINUTE + Number(found[3]) * SECOND;
}

function unitWait(words: string): Duration | undefined {
  const found = UNIT_WAIT.exec(words);
  const unit = UNITS[found?.[2]?.charAt(0).toLowerCase() ?? ''];
  return found === null || unit === undefined ? undefined : Number(found[1]) * unit;
}
