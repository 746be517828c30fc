/** What cannot work is refused, with its path and what to write. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatProblem } from '../lib/schema-reading.ts';
import { readConfig } from './config.ts';

function problems(written: object): readonly string[] {
  const read = readConfig({ hostname: 'mx.example.com', ...written }, '/etc/postrider');
  return read.ok ? [] : read.problems.map(formatProblem);
}

const SMARTHOST = { kind: 'smarthost', name: 'out', host: 'smtp.example.net' };
const SUBMISSION = { name: 'a', port: 587, auth: 'required' };
const CLIENT_CA = { clientCa: 'ca.pem' };
const PIPE = { kind: 'pipe', name: 'p', match: { recipients: ['p.test'] } };

type Case = readonly [name: string, written: object, want: string];
type Good = readonly [name: string, written: object];

function refused(title: string, cases: readonly Case[]): void {
  describe(title, () => {
    for (const [name, written, want] of cases) test(name, () => assert.deepEqual(problems(written), [want]));
  });
}

function taken(title: string, cases: readonly Good[]): void {
  describe(title, () => {
    for (const [name, written] of cases) test(name, () => assert.deepEqual(problems(written), []));
  });
}

refused('listeners on which nobody could log in', [
  [
    'no mechanism',
    { listeners: [{ ...SUBMISSION, authMechanisms: [] }] },
    "listeners[0].authMechanisms: nobody could log in: there is no mechanism; leave it out, or write ['SCRAM-SHA-256', 'PLAIN']",
  ],
  [
    'by certificate alone, and none is asked for',
    { listeners: [{ ...SUBMISSION, authMechanisms: ['EXTERNAL'] }] },
    'listeners[0].authMechanisms: nobody could log in: EXTERNAL is by certificate, and clients are not asked for one; write clientCertificates: true, or name others too',
  ],
  [
    'mechanisms without logins',
    { listeners: [{ name: 'a', authMechanisms: ['PLAIN'] }] },
    "listeners[0].authMechanisms: nobody logs in here; write auth: 'required', or leave it out",
  ],
]);

taken('listeners with logins', [
  [
    'by certificate alone',
    { listeners: [{ ...SUBMISSION, authMechanisms: ['EXTERNAL'], clientCertificates: true }], tls: CLIENT_CA },
  ],
  ['by some mechanisms', { listeners: [{ ...SUBMISSION, authMechanisms: ['EXTERNAL', 'PLAIN'] }] }],
]);

refused('routes that lead nowhere', [
  [
    'one behind a route that takes everything',
    { routes: [{ kind: 'mx', name: 'mx' }, SMARTHOST] },
    'routes[1]: nothing ever goes by out: routes[0], mx, stands before it and takes everything; put it before mx, or let that have a match',
  ],
  [
    'one that matches nothing',
    { routes: [{ ...SMARTHOST, match: { senders: [] } }] },
    'routes[0].match.senders: it matches nothing; leave it out, or name some',
  ],
  [
    'a login without a password',
    { routes: [{ ...SMARTHOST, auth: { user: 'u', password: '' } }] },
    'routes[0].auth.password: it is empty, and the login would be refused; set the variable that it comes from, if it comes from one',
  ],
  [
    'a program that would be given the name of nothing',
    { routes: [{ ...PIPE, argv: ['/bin/cat', '--to={recpient}'] }] },
    'routes[0].argv: ["/bin/cat","--to={recpient}"] is not a program and its arguments ({recpient} would stay as it is; what is replaced is {recipient}, {sender}, {user}, {domain}, {queueId}); mend it as said',
  ],
  [
    'a Maildir at the name of nothing',
    { routes: [{ kind: 'maildir', name: 'm', path: '/mail/{domian}/{user}', match: { recipients: ['m.test'] } }] },
    'routes[0].path: "/mail/{domian}/{user}" is not an absolute path in which {user} and {domain} may stand ({domian} is neither of them); write "/var/mail/{domain}/{user}"',
  ],
]);

taken('routes that lead somewhere', [
  ['braces that are no name', { routes: [{ ...PIPE, argv: ['/bin/awk', '{ print }', '{user}@{domain}'] }] }],
  [
    'one to the mailboxes behind all others, and one that takes everything once',
    {
      local: { domains: ['example.com'], route: 'm' },
      routes: [SMARTHOST, { kind: 'maildir', name: 'm', path: '/var/mail/{user}' }],
    },
  ],
]);

const RETRY = (retry: object): object => ({ queue: { retry } });
const PACE = (pace: object): object => ({ queue: { pace } });

refused('values of which one is beyond another', [
  [
    'a first wait longer than the longest',
    RETRY({ general: { first: '5h' } }),
    'queue.retry.general.first: 5h is more than queue.retry.general.max, 4h; write less, or raise queue.retry.general.max',
  ],
  [
    'the same for a reason',
    RETRY({ schedules: { greylisted: { first: '2h' } } }),
    'queue.retry.schedules.greylisted.first: 2h is more than queue.retry.schedules.greylisted.max, 1h; write less, or raise queue.retry.schedules.greylisted.max',
  ],
  [
    'the same for a reason and a class',
    RETRY({ classes: { bulk: { schedules: { local: { first: '2h', max: '1h' } } } } }),
    'queue.retry.classes.bulk.schedules.local.first: 2h is more than queue.retry.classes.bulk.schedules.local.max, 1h; write less, or raise queue.retry.classes.bulk.schedules.local.max',
  ],
  [
    'a warning after the end',
    RETRY({ classes: { normal: { warnAfter: '2d', giveUpAfter: '2d' } } }),
    "queue.retry.classes.normal.warnAfter: nobody would be warned: mail is given up after 2d; write less, or 'never', or raise queue.retry.classes.normal.giveUpAfter",
  ],
  [
    'a rest longer than the longest',
    PACE({ defaults: { backoff: '2h' } }),
    'queue.pace.defaults.backoff: 2h is more than queue.pace.defaults.maxBackoff, 1h; write less, or raise queue.pace.defaults.maxBackoff',
  ],
  [
    'more connections at first than at all',
    PACE({ defaults: { startWindow: 11 } }),
    'queue.pace.defaults.startWindow: 11 is more than queue.pace.defaults.connections, 10; write less, or raise queue.pace.defaults.connections',
  ],
  [
    'the same in a rule',
    PACE({ rules: [{ name: 'a', match: { domains: ['a.test'] }, limits: { startWindow: 3, connections: 2 } }] }),
    'queue.pace.rules[0].limits.startWindow: 3 is more than queue.pace.rules[0].limits.connections, 2; write less, or raise queue.pace.rules[0].limits.connections',
  ],
  [
    'a wait for a command longer than the session',
    { limits: { timeouts: { session: '10m', command: '20m' } } },
    'limits.timeouts.command: 20m is more than limits.timeouts.session, 10m; write less, or raise limits.timeouts.session',
  ],
  [
    'a header section larger than the message',
    { limits: { messageOctets: '1MiB', headerOctets: '2MiB' } },
    'limits.headerOctets: 2MiB is more than limits.messageOctets, 1MiB; write less, or raise limits.messageOctets',
  ],
]);

taken('a default beyond what is written', [
  ['one connection', PACE({ defaults: { connections: 1, maxBackoff: '30s' } })],
  [
    'one connection of a rule',
    PACE({ rules: [{ name: 'a', match: { domains: ['a.test'] }, limits: { connections: 1 } }] }),
  ],
  ['short waits', RETRY({ general: { max: '1m' }, schedules: { greylisted: { max: '1m' } } })],
  ['an end before the warning', RETRY({ classes: { normal: { giveUpAfter: '1h' } } })],
  ['short sessions of small messages', { limits: { timeouts: { session: '1m' }, messageOctets: '100KiB' } }],
]);

refused('addresses that are none', [
  [
    'an IPv6 address to send from by IPv4',
    { deliver: { address4: '::1' } },
    'deliver.address4: "::1" is not an IPv4 address (it is one of IPv6); write "192.0.2.25"',
  ],
  [
    'an IPv4 address to send from by IPv6',
    { deliver: { address6: '192.0.2.1' } },
    'deliver.address6: "192.0.2.1" is not an IPv6 address (it is one of IPv4); write "2001:db8::25"',
  ],
  [
    'nobody to write to about a certificate',
    { acme: { email: 'admin' } },
    'acme.email: "admin" is not an address (domain is missing); write "admin@example.com"',
  ],
  [
    'a policy of no domain',
    { mtaSts: { mode: 'enforce' } },
    "mtaSts.mode: there is no domain whose policy it would be; name it in local.domains or relay.domains, or write 'off'",
  ],
]);

taken('a policy', [
  ['of a domain', { mtaSts: { mode: 'enforce' }, relay: { domains: ['example.com'] } }],
  ['that is taken back', { mtaSts: { mode: 'none' } }],
]);

refused('what JSON has no form for is named', [
  [
    'a regular expression',
    { routes: [{ ...SMARTHOST, match: { recipients: [/example/] } }] },
    'routes[0].match.recipients[0]: /example/ is not example.com, .example.com, *, <> or user@example.com; write "example.com"',
  ],
  ['a set', { relay: { domains: new Set(['a.test']) } }, 'relay.domains: a Set is not a list; write ["example.org"]'],
]);
