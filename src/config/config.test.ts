import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatProblem } from '../lib/schema-reading.ts';
import { type Route } from '../mail/route.ts';
import { DEFAULT_LIMITS } from '../queue/pace.ts';
import { DEFAULT_RETRY } from '../queue/retry.ts';
import { type Config, defineConfig, OPTIONS, type PostriderConfig, readConfig } from './config.ts';

const BASE = { hostname: 'mx.example.com' };
const MAILBOXES = { kind: 'maildir', name: 'mailboxes', path: '/var/mail/{user}' } as const;

function config(written: Partial<PostriderConfig>): Config {
  const read = readConfig({ ...BASE, ...written }, '/etc/postrider');
  if (!read.ok) assert.fail(read.problems.map(formatProblem).join('\n'));
  return read.value;
}

function problems(written: object): readonly string[] {
  const read = readConfig({ ...BASE, ...written }, '/etc/postrider');
  return read.ok ? [] : read.problems.map(formatProblem);
}

const FINGERPRINT = Array.from({ length: 32 }, () => 'AB').join(':');
const REMOTE = { kind: 'smarthost', name: 'a', host: 'smtp.example.net' } as const;

describe('a configuration of one line', () => {
  const standing = config({});
  test('listens on port 25 and offers STARTTLS with a certificate of its own making', () => {
    assert.deepEqual(
      standing.listeners.map(({ port, tls, protocol }) => ({ port, tls, protocol })),
      [{ port: 25, tls: 'starttls', protocol: 'smtp' }],
    );
    assert.equal(standing.tls.selfSigned, true);
  });
  test('relays for this machine only', () => {
    assert.deepEqual(standing.relay.networks, ['127.0.0.0/8', '::1']);
    assert.deepEqual(standing.relay.domains, []);
  });
  test('sends by MX', () => {
    assert.deepEqual(standing.routes, [{ kind: 'mx', name: 'mx', match: {}, port: 25, tls: 'opportunistic' }]);
  });
  test('keeps its spool beside the file', () => {
    assert.equal(standing.spool.folder, '/etc/postrider/.postrider/spool');
    assert.equal(standing.events.folder, '/etc/postrider/.postrider/spool/events');
  });
  test('has a postmaster', () => assert.equal(standing.local.postmaster, 'postmaster@mx.example.com'));
  test('has HTTP on loopback', () => assert.equal(standing.http.host, '127.0.0.1'));
  test('keeps the retry defaults of the queue', () => {
    const { general, maxNamedWait, classes } = standing.queue.retry;
    assert.deepEqual(
      { general, maxNamedWait },
      { general: DEFAULT_RETRY.general, maxNamedWait: DEFAULT_RETRY.maxNamedWait },
    );
    for (const name of ['transactional', 'normal', 'bulk'] as const) {
      assert.equal(classes[name].giveUpAfter, DEFAULT_RETRY.classes[name].giveUpAfter);
      assert.equal(classes[name].warnAfter, DEFAULT_RETRY.classes[name].warnAfter);
    }
  });
  test('keeps the pace defaults of the queue', () => assert.deepEqual(standing.queue.pace.defaults, DEFAULT_LIMITS));
});

test('only the schedules that are written are there', () => {
  const { retry } = config({ queue: { retry: { schedules: { greylisted: { first: '5m' } } } } }).queue;
  assert.deepEqual(retry.schedules, { greylisted: { ...DEFAULT_RETRY.schedules.greylisted, first: 300_000 } });
});

test('what is refused is not put right, and all else is', () => {
  const { submission } = config({ submission: { refuseIf: ['missingDate'] } });
  assert.ok(!submission.repairIf.includes('missingDate'));
  assert.ok(submission.repairIf.includes('missingMessageId'));
  assert.deepEqual(config({ submission: { repairIf: ['bcc'] } }).submission.repairIf, ['bcc']);
});

test('files are relative to the configuration, addresses complete', () => {
  const { tls, local } = config({
    tls: { certificate: 'tls/cert.pem', key: '/keys/key.pem' },
    local: { domains: ['example.com'], route: 'mailboxes', postmaster: 'ann', mailboxes: ['Ann', 'bob@EXAMPLE.com'] },
    routes: [MAILBOXES],
  });
  assert.equal(tls.certificate, '/etc/postrider/tls/cert.pem');
  assert.equal(tls.key, '/keys/key.pem');
  assert.equal(local.postmaster, 'ann@mx.example.com');
  assert.deepEqual(local.mailboxes, ['ann', 'bob@example.com']);
});

describe('routes', () => {
  const names = (routes: readonly Route[]): readonly string[] => routes.map(({ name }) => name);
  const local = { domains: ['example.com'], route: 'mailboxes' };
  const everything = { kind: 'smarthost', name: 'out', host: 'smtp.example.net' } as const;

  test('the one to the mailboxes is first, takes local domains only, and a last one is added', () => {
    const { routes } = config({ local, routes: [MAILBOXES] });
    assert.deepEqual(names(routes), ['mailboxes', 'mx']);
    assert.deepEqual(routes[0]?.match, { recipients: ['example.com'] });
  });
  test('one that takes everything is the last that counts', () => {
    const { routes } = config({ local, routes: [everything, MAILBOXES] });
    assert.deepEqual(names(routes), ['mailboxes', 'out']);
  });
  test('a match that is written stays', () => {
    const narrow = { ...MAILBOXES, match: { recipients: ['.example.com', 'example.com'] } };
    assert.deepEqual(config({ local, routes: [narrow] }).routes[0]?.match, narrow.match);
  });
  test('the added route does not take a name that is taken', () => {
    const { routes } = config({ routes: [{ kind: 'discard', name: 'mx', match: { senders: ['<>'] } }] });
    assert.deepEqual(names(routes), ['mx', 'mx-2']);
  });

  test('every kind is read as the routes of mail are', () => {
    const { routes } = config({
      routes: [
        { kind: 'lmtp', name: 'a', to: '[::1]:24', match: { clients: ['10.0.0.0/8'] } },
        { kind: 'lmtp', name: 'b', to: '/run/lmtp', match: { tenants: ['t'] } },
        { kind: 'pipe', name: 'c', argv: ['/bin/cat', '{recipient}'], match: { senders: ['<>'] } },
        { kind: 'fail', name: 'd', match: { recipients: ['old@example.com'] } },
        { kind: 'relay', name: 'e', host: '192.0.2.1', match: { recipients: ['.e.test'] } },
        { ...everything, auth: { user: 'u', password: 'p' }, match: { senders: ['a.test'] } },
        { kind: 'mx', name: 'f', tls: 'verify', tlsOptions: { fingerprints: [FINGERPRINT], profile: 'modern' } },
      ],
    });
    const want: readonly Route[] = [
      { kind: 'lmtp', name: 'a', match: { clients: ['10.0.0.0/8'] }, to: { host: '::1', port: 24 } },
      { kind: 'lmtp', name: 'b', match: { tenants: ['t'] }, to: { socket: '/run/lmtp' } },
      { kind: 'pipe', name: 'c', match: { senders: ['<>'] }, argv: ['/bin/cat', '{recipient}'], timeout: 300_000 },
      {
        kind: 'fail',
        name: 'd',
        match: { recipients: ['old@example.com'] },
        code: 550,
        status: '5.7.1',
        text: 'Not accepted here',
      },
      {
        kind: 'relay',
        name: 'e',
        match: { recipients: ['.e.test'] },
        host: '192.0.2.1',
        port: 25,
        ...{ tls: 'opportunistic', tlsOptions: undefined },
      },
      {
        kind: 'smarthost',
        name: 'out',
        match: { senders: ['a.test'] },
        host: 'smtp.example.net',
        port: 587,
        tls: 'verify',
        tlsOptions: undefined,
        implicitTls: false,
        auth: { user: 'u', password: 'p' },
      },
      {
        ...{ kind: 'mx', name: 'f', match: {}, port: 25, tls: 'verify' },
        tlsOptions: { fingerprints: ['ab'.repeat(32)], profile: 'modern' },
      },
    ];
    assert.deepEqual(routes, want);
  });
});

const EMPTY_FOLDERS = {
  spool: '".postrider/spool"',
  events: '"/var/log/postrider"',
  pickup: '"/var/spool/postrider"',
} as const;

describe('what does not fit together is refused', () => {
  const smarthost = { kind: 'smarthost', name: 'out', host: 'smtp.example.net' };
  const auth = { user: 'u', password: 'p' };
  const cases: readonly (readonly [name: string, written: object, want: string])[] = [
    [
      'two listeners of one name',
      { listeners: [{ name: 'a' }, { name: 'a', port: 26 }] },
      'listeners[1].name: another listener is called a too; give each a name of its own',
    ],
    [
      'two listeners on one port',
      { listeners: [{ name: 'a' }, { name: 'b', host: '192.0.2.1' }] },
      'listeners[1].port: port 25 is taken by listeners[0]; choose another',
    ],
    [
      'HTTP on the port of a listener',
      { listeners: [{ name: 'a', port: 8025 }] },
      'http.port: port 8025 is taken by listeners[0]; choose another',
    ],
    [
      'a certificate without a key',
      { tls: { certificate: 'a.pem' } },
      'tls.key: missing, the certificate has no private key; write the PEM file that belongs to it',
    ],
    [
      'a key without a certificate',
      { tls: { key: 'a.pem' } },
      'tls.certificate: missing, the key has no certificate; write the PEM file that belongs to it',
    ],
    [
      'no certificate at all',
      { tls: { selfSigned: false } },
      "listeners[0].tls: there is no certificate to offer; write tls.certificate and tls.key, or tls.selfSigned: true, or 'off' here",
    ],
    [
      'an open relay',
      { relay: { networks: ['0.0.0.0/0'] } },
      'relay.networks[0]: 0.0.0.0/0 would let a large part of the Internet send through this server; list your own networks, or set relay.openToEveryone: true',
    ],
    [
      'half of the Internet',
      { relay: { networks: ['127.0.0.1', '2000::/3'] } },
      'relay.networks[1]: 2000::/3 would let a large part of the Internet send through this server; list your own networks, or set relay.openToEveryone: true',
    ],
    [
      'two routes of one name',
      { routes: [smarthost, smarthost] },
      'routes[1].name: another route is called out too; give each a name of its own',
    ],
    [
      'a local domain without a route',
      { local: { domains: ['example.com'] } },
      'local.domains[0]: no route takes mail for example.com to its mailboxes; set local.route to the name of a route of kind maildir, lmtp or pipe',
    ],
    [
      'a local domain beside what the route takes',
      {
        local: { domains: ['example.com', 'example.org'], route: 'mailboxes' },
        routes: [{ ...MAILBOXES, match: { recipients: ['example.com'] } }],
      },
      'local.domains[1]: no route takes mail for example.org to its mailboxes; set local.route to the name of a route of kind maildir, lmtp or pipe',
    ],
    [
      'a route that is not there',
      { local: { domains: ['example.com'], route: 'mailbox' }, routes: [MAILBOXES] },
      'local.route: there is no route called mailbox; write its name; the routes are mailboxes',
    ],
    [
      'local mail by MX',
      { local: { domains: ['example.com'], route: 'out' }, routes: [{ kind: 'mx', name: 'out' }] },
      'local.route: route out goes by MX records, which lead here: mail for local domains would go round in a circle; name a route of kind maildir, lmtp, pipe, smarthost or discard',
    ],
    [
      'a domain that is local and relayed',
      {
        local: { domains: ['example.com'], route: 'mailboxes' },
        routes: [MAILBOXES],
        relay: { domains: ['Example.com'] },
      },
      'relay.domains[0]: example.com is a local domain too; leave it in one of the two lists',
    ],
    [
      'an alias in a foreign domain',
      { local: { aliases: { 'ann@example.org': ['bob'] } } },
      'local.aliases["ann@example.org"]: example.org is not a local domain, so this alias would never be used; add the domain to local.domains, or remove the alias',
    ],
    [
      'a login in clear text',
      { routes: [{ ...smarthost, auth, tls: 'opportunistic' }] },
      "routes[0].tls: a login needs encryption, and this is 'opportunistic'; write 'verify'",
    ],
    [
      'fingerprints that nothing demands',
      { routes: [{ kind: 'mx', name: 'out', tlsOptions: { fingerprints: [FINGERPRINT] } }] },
      "routes[0].tls: fingerprints are demanded, and 'opportunistic' takes a server without them; write 'verify'",
    ],
    [
      'aliases before a stateless relay',
      {
        local: { domains: ['example.com'], route: 'in', aliases: { a: ['b'] } },
        routes: [{ kind: 'relay', name: 'in', host: 'in.example.com' }],
      },
      'local.route: a stateless relay keeps nothing and cannot expand aliases; name a route of another kind (smarthost), or remove local.aliases',
    ],
    [
      'a form that is refused and put right',
      { submission: { refuseIf: ['eightBit', 'missingDate'], repairIf: ['bcc', 'missingDate'] } },
      'submission.repairIf[1]: missingDate is in submission.refuseIf too; leave it out of one of them',
    ],
    [
      'a form that nobody can put right',
      { submission: { repairIf: ['severalFrom'] } },
      'submission.repairIf[0]: "severalFrom" is not missingFrom, missingDate, missingMessageId, missingMimeVersion, unqualifiedDomain, bcc, forgedTrace, longLine or eightBit; write "missingDate"',
    ],
    [
      'a pace rule that matches nothing',
      { queue: { pace: { rules: [{ name: 'a' }] } } },
      'queue.pace.rules[0].match: it matches nothing; write domains, mxSuffixes or sites; for all use queue.pace.defaults',
    ],
    [
      'memory thresholds out of order',
      { memory: { tightSpillAt: '1MiB' } },
      'memory.tightSpillAt: it is more than memory.spillAt; write less than that',
    ],
    ...(['spool', 'events', 'pickup'] as const).map((part): [string, Partial<PostriderConfig>, string] => [
      `an empty ${part}.folder`,
      { [part]: { folder: '' } },
      `${part}.folder: "" is not the name of a file or folder (it is empty); write ${EMPTY_FOLDERS[part]}`,
    ]),
    ...(['spool/x', '/srv/app/../spool/pickup', '/srv'] as const).map(
      (place): [string, Partial<PostriderConfig>, string] => [
        `a pickup folder at ${place}, where others would reach the spool or nothing`,
        { spool: { folder: place === 'spool/x' ? 'spool' : '/srv/spool' }, pickup: { folder: place } },
        'pickup.folder: other users could not reach it, or would reach the spool; name a folder outside of spool.folder, such as /var/spool/postrider',
      ],
    ),
  ];
  for (const [name, written, want] of cases) test(name, () => assert.deepEqual(problems(written), [want]));
});

describe('what fits together is taken', () => {
  const cases: readonly (readonly [name: string, written: Partial<PostriderConfig>])[] = [
    ['an open relay, said twice', { relay: { networks: ['0.0.0.0/0'], openToEveryone: true } }],
    [
      'ports chosen by the system',
      {
        listeners: [
          { name: 'a', port: 0 },
          { name: 'b', port: 0 },
        ],
        http: { port: 0 },
      },
    ],
    [
      'one port on two addresses',
      {
        listeners: [
          { name: 'a', host: '192.0.2.1' },
          { name: 'b', host: '192.0.2.2' },
        ],
      },
    ],
    ['a login over DANE', { routes: [{ ...REMOTE, tls: 'dane', auth: { user: 'u', password: 'p' } }] }],
    ['no TLS', { tls: { selfSigned: false }, listeners: [{ name: 'a', tls: 'off' }] }],
    [
      'a login on this machine',
      {
        routes: [{ kind: 'smarthost', name: 'a', host: '127.0.0.1', tls: 'none', auth: { user: 'u', password: 'p' } }],
      },
    ],
    [
      'a local domain taken by an explicit match',
      {
        local: { domains: ['example.com'] },
        routes: [{ ...MAILBOXES, match: { recipients: ['example.com'] } }],
      },
    ],
  ];
  for (const [name, written] of cases) test(name, () => assert.deepEqual(problems(written), []));
});

test('defineConfig changes nothing', () => {
  const written = { hostname: 'a.test' };
  assert.equal(defineConfig(written), written);
});

test('every option says what it is for', () => {
  const silent = Object.entries(OPTIONS).filter(([, option]) => !/[.?]$/.test(option.doc));
  assert.deepEqual(
    silent.map(([name]) => name),
    [],
  );
});

describe('the domain of local users', () => {
  const cases: readonly (readonly [name: string, written: Partial<PostriderConfig>, want: string])[] = [
    ['is the name of the server', {}, 'mx.example.com'],
    ['is the first local domain', { local: { domains: ['a.test', 'b.test'], route: 'in' } }, 'a.test'],
    [
      'is the name of the server if that is local',
      { local: { domains: ['a.test', 'mx.example.com'], route: 'in' } },
      'mx.example.com',
    ],
    ['is what is written', { pickup: { domain: 'c.test' } }, 'c.test'],
  ];
  for (const [name, written, want] of cases)
    test(name, () => {
      const routes: PostriderConfig['routes'] = [{ kind: 'discard', name: 'in' }];
      const read = readConfig({ hostname: 'mx.example.com', routes, ...written }, '/');
      assert.ok(read.ok);
      assert.equal(read.value.pickup.domain, want);
    });
  test('a pickup folder is relative to the configuration', () => {
    const read = readConfig({ hostname: 'mx.example.com', pickup: { folder: 'p' } }, '/base');
    assert.ok(read.ok);
    assert.equal(read.value.pickup.folder, '/base/p');
  });
});
