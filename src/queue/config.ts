/** The options of the queue: when to try again, when to stop, and how fast. */

import { DAY } from '../lib/time.ts';
import { type HoldReason } from '../mail/hold-reason.ts';
import { PRIORITY_CLASSES, type PriorityClass } from '../mail/priority-class.ts';
import { domainName, network } from '../mail/config.ts';
import {
  checkedText,
  choice,
  count,
  decimal,
  duration,
  durationOrNever,
  flag,
  group,
  list,
  octets,
  optional,
  partial,
  rate,
  required,
  text,
  type Values,
} from '../lib/schema.ts';
import { formatDuration } from '../lib/schema-units.ts';
import { parsed, unparsed } from '../lib/parsed.ts';
import { DEFAULT_LIMITS } from './pace.ts';
import { type ClassRetry, DEFAULT_RETRY, type Schedule } from './retry.ts';

const FACTOR = { min: 1, max: 10 };

function schedule(defaults: Schedule, doc: string) {
  return group(
    {
      first: duration(formatDuration(defaults.first), 'Wait before the second attempt.', { min: 1000 }),
      factor: decimal(defaults.factor, 'Each wait is this many times the one before it.', FACTOR),
      max: duration(formatDuration(defaults.max), 'The longest wait between two attempts.', { min: 1000 }),
    },
    doc,
  );
}

const REASONS = {
  greylisted: 'When the receiver asks to come back later (greylisting).',
  mailboxFull: "When the recipient's mailbox is full.",
  rateLimited: 'When the receiver limits how much it takes.',
  reputation: 'When the receiver doubts our reputation.',
  content: 'When the receiver objects to the content.',
  policy: 'When a policy of the receiver refuses for now.',
  badAddress: 'When the receiver doubts the address for now.',
  dns: 'When the destination cannot be looked up.',
  connection: 'When the next hop cannot be reached.',
  tls: 'When there is no acceptable encryption.',
  protocol: 'When the next hop does not keep to the protocol.',
  local: 'When something is wrong on this machine.',
  transient: 'When the receiver refuses for another reason.',
} as const satisfies Partial<Record<HoldReason, string>>;

type ScheduleOption = ReturnType<typeof schedule>;

function schedules(standing: Partial<Record<HoldReason, Schedule>>, doc: string) {
  const names = Object.keys(REASONS) as (keyof typeof REASONS)[];
  const fields = names.map((name) => [name, schedule(standing[name] ?? DEFAULT_RETRY.general, REASONS[name])]);
  return partial(Object.fromEntries(fields) as Record<keyof typeof REASONS, ScheduleOption>, doc);
}

function classRetry(defaults: ClassRetry, doc: string) {
  const { giveUpAfter, warnAfter } = defaults;
  const warn = warnAfter === undefined ? 'never' : formatDuration(warnAfter);
  return group(
    {
      giveUpAfter: duration(formatDuration(giveUpAfter), 'Age at which a message is returned to its sender.', {
        min: 1000,
      }),
      warnAfter: durationOrNever(warn, 'Age at which the sender is told that a message is late, or `never`.'),
      schedules: schedules(
        defaults.schedules,
        'What differs for this class; the rest is as in `queue.retry.schedules`.',
      ),
    },
    doc,
  );
}

const RETRY_OPTIONS = {
  general: schedule(DEFAULT_RETRY.general, 'For every kind of refusal that has no schedule of its own.'),
  schedules: schedules(
    DEFAULT_RETRY.schedules,
    'By kind of refusal. Those not written keep the schedules that are shipped with the product.',
  ),
  classes: group(
    {
      transactional: classRetry(DEFAULT_RETRY.classes.transactional, 'Mail that somebody waits for.'),
      normal: classRetry(DEFAULT_RETRY.classes.normal, 'Mail between people.'),
      bulk: classRetry(DEFAULT_RETRY.classes.bulk, 'Mail to many.'),
    } satisfies Record<PriorityClass, unknown>,
    'By priority class.',
  ),
  maxNamedWait: duration(
    formatDuration(DEFAULT_RETRY.maxNamedWait),
    'A wait that the receiver names ("try again in 300 seconds") is obeyed up to this.',
  ),
};

/** Limits of an egress path. In a rule only those that are written stand. */
const LIMIT_OPTIONS = {
  connections: count(DEFAULT_LIMITS.connections, 'Connections open at once.', { min: 1, max: 10_000 }),
  messagesPerConnection: count(DEFAULT_LIMITS.messagesPerConnection, 'Messages before a connection is closed.', {
    min: 1,
    max: 1_000_000,
  }),
  startWindow: count(
    DEFAULT_LIMITS.startWindow,
    'Connections allowed at first; doubled with each round of successes.',
    {
      min: 1,
      max: 10_000,
    },
  ),
  depth: count(
    DEFAULT_LIMITS.depth,
    'Messages handed to one connection ahead of their turn, the running one counted.',
    {
      min: 1,
      max: 100,
    },
  ),
  ahead: duration(
    formatDuration(DEFAULT_LIMITS.ahead),
    'As many more as the next hop takes in this time, by what the last ones took: up to eight, so that a quick one does not wait for us. `0ms`: no more.',
  ),
  idleTimeout: duration(formatDuration(DEFAULT_LIMITS.idleTimeout), 'A connection without mail is closed after this.'),
  ramp: duration(
    formatDuration(DEFAULT_LIMITS.ramp),
    'Between new connections after a refusal, until a round of successes.',
  ),
  backoff: duration(
    formatDuration(DEFAULT_LIMITS.backoff),
    'Rest after a first refusal of the site; doubled with each one after it.',
    {
      min: 100,
    },
  ),
  maxBackoff: duration(formatDuration(DEFAULT_LIMITS.maxBackoff), 'The longest rest of a site.', { min: 1000 }),
  messageRate: optional(rate('100/1h', 'Messages in a time.')),
  octetRate: optional(rate('100000000/1h', 'Octets in a time.')),
};

const suffix = checkedText('.google.com', 'A suffix of host names.', {
  expected: 'a suffix of host names like .google.com',
  parse: (value) =>
    /^\.[a-z0-9.-]+$/i.test(value) ? parsed(value.toLowerCase()) : unparsed('it has to begin with a dot'),
});

const PACE_RULE = group(
  {
    name: required(text('provider', 'Gives the site group its name: all sites that match share one set of limits.')),
    match: partial(
      {
        domains: list(
          domainOrSubdomains(),
          ['example.com'],
          'Recipient domains; `.example.com` means every subdomain.',
        ),
        mxSuffixes: list(
          suffix,
          ['.google.com'],
          'Suffixes of host names; every host of the MX set must end with one.',
        ),
        sites: list(
          text('mx.example.com', 'A site.'),
          ['mx.example.com'],
          'Sites by their names, as `postrider explain` shows them.',
        ),
      },
      'Which destinations; one of the lists must match.',
    ),
    limits: partial(LIMIT_OPTIONS, 'What differs from `queue.pace.defaults`.'),
  },
  'A rule for the pace of some destinations.',
);

function domainOrSubdomains() {
  const bare = domainName('example.com', 'A domain.');
  return checkedText('example.com', 'A domain, or `.example.com`.', {
    expected: 'a domain name, or .example.com',
    parse: (value) => {
      const domain = bare.read(value.replace(/^\./, ''), '');
      if (!domain.ok) return unparsed('it is no domain name');
      return parsed(value.startsWith('.') ? `.${domain.value}` : domain.value);
    },
  });
}

const PACE_OPTIONS = {
  defaults: group(LIMIT_OPTIONS, 'For every egress path, unless a rule says otherwise.'),
  rules: list(PACE_RULE, [], 'Tried in order, before the shipped ones; the first that matches is taken.'),
  shippedRules: flag(true, 'Whether the rules shipped for the big mailbox providers are tried after these.'),
};

export const QUEUE_OPTIONS = {
  retry: group(RETRY_OPTIONS, 'When to try again, and when to stop.'),
  pace: group(PACE_OPTIONS, 'How fast mail goes to a destination.'),
  memory: octets('32MiB', 'Memory for what is read ahead of the spool, whatever the number of messages.', {
    min: 2 ** 20,
  }),
  connections: count(
    4000,
    'Connections to next hops open at once, over all destinations. A quarter is kept for destinations known to take mail quickly; an eighth at most stays open without mail.',
    { min: 4, max: 100_000 },
  ),
  defaultClass: choice(PRIORITY_CLASSES, 'normal', 'Priority class of a message that names none.'),
  trustOptionHeaders: list(
    network('127.0.0.0/8', 'A network.'),
    [],
    'Clients whose option header fields (`X-Postrider-Tenant`, `X-Postrider-Send-At` and so on) and MT-PRIORITY are obeyed, as those of users are who have logged in. The fields are removed from all mail.',
  ),
  longestHold: duration(
    '30d',
    'How far ahead a message may be handed in (`X-Postrider-Send-At`, HOLDFOR and HOLDUNTIL of RFC 4865); `0s`: not at all.',
    { max: 365 * DAY },
  ),
};

export type PaceConfig = Values<typeof PACE_OPTIONS>;
