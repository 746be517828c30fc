import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type FastifyInstance } from 'fastify';
import { makeAuthority } from '../../test/lib/certificates.ts';
import { ENTRY, fakeAdmin, type FakeAdmin, NOT_FOUND } from '../api/admin.fixtures.contract.ts';
import { ControlError } from '../api/control-client.ts';
import { controlSocket } from '../api/control-socket.ts';
import { type DirectoryAdmin } from '../api/directory-contract.ts';
import { type EventsAdmin, type QueueAdmin } from '../api/contract.ts';
import { buildApi, listenControl } from '../api/server.ts';
import { loadConfig } from '../config/load.ts';
import { type ParentOptions } from '../runtime/parent.ts';
import { type WorkingOptions } from '../runtime/working.ts';
import { runProgram, type Wiring } from './program.ts';
import { fakeTerminal } from './terminal.fixtures.contract.ts';
import { type Terminal } from './terminal.ts';

let folder = '';
let admin: FakeAdmin;
let app: FastifyInstance;
const ID = ENTRY.message;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postrider-cli-'));
  admin = fakeAdmin();
  const quiet = (): void => undefined;
  app = buildApi(
    {
      admin,
      clock: { now: () => 0, monotonic: () => 0 },
      log: { error: quiet, warn: quiet, info: quiet },
      health: () => ({ live: true, ready: true, parts: [] }),
      metrics: () => Promise.resolve(''),
      metricsContentType: 'text/plain',
      version: '1',
      sandbox: undefined,
    },
    undefined,
  );
  await listenControl(app, controlSocket(folder));
});
after(async () => {
  await app.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  admin.asked.length = 0;
  admin.answers = {};
});

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly parents: readonly ParentOptions[];
  readonly workings: readonly WorkingOptions[];
}

async function run(words: readonly string[], more: Partial<Terminal> & Partial<Wiring> = {}): Promise<Run> {
  const parents: ParentOptions[] = [];
  const workings: WorkingOptions[] = [];
  const wiring: Wiring = {
    runParent: (options) => {
      parents.push(options);
      return Promise.resolve(0);
    },
    runWorking: (options) => {
      workings.push(options);
      return Promise.resolve(0);
    },
    startSandbox: () => Promise.reject(new Error('no sandbox in tests')),
    openOffline: () => Promise.reject(new ControlError('notRunning', 'no server is running')),
    compact: () => Promise.resolve({ octetsBefore: 4096, octetsAfter: 1024 }),
    ...more,
  };
  const terminal = fakeTerminal({ cwd: folder, ...more });
  const code = await runProgram(words, terminal, wiring);
  return { code, ...terminal.written, parents, workings };
}

/** With the fake server's spool. */
function ask(...words: readonly string[]): Promise<Run> {
  return run([...words, '--spool', folder]);
}

/** What was asked beside the status that says whether somebody is there. */
function asked(): readonly unknown[] {
  return admin.asked.filter(([call]) => call !== 'status');
}

describe('commands ask what they are told', () => {
  const by = /^cli:/;
  const cases: readonly (readonly [words: string, call: string, argument: object])[] = [
    ['queue', 'list', { limit: 100 }],
    ['queue list --domain example.com --limit 5', 'list', { domain: 'example.com', limit: 5 }],
    [
      `queue list ${ID} --lane held --reason greylisted`,
      'list',
      { id: ID, lane: 'held', reason: 'greylisted', limit: 100 },
    ],
    [`queue retry ${ID}/0`, 'retry', { select: { id: `${ID}/0` } }],
    ['queue hold --sender <>', 'hold', { select: { sender: '<>' } }],
    ['queue release --all', 'release', { select: {}, all: true }],
    ['queue flush --queue :@a.test --why mended', 'flush', { select: { queue: ':@a.test' }, reason: 'mended' }],
    [
      'queue remove --recipient *@a.test --tell-sender',
      'remove',
      { select: { recipient: '*@a.test' }, tellSender: true },
    ],
    [`message ${ID}`, 'message', { id: ID }],
    ['explain bob@example.com', 'explain', { target: 'bob@example.com' }],
    [
      'suspend --domain a.test --for 1h',
      'suspend',
      { target: { domain: 'a.test' }, reason: '', until: 1_000_000 + 3_600_000 },
    ],
    ['suspend --all --why storm', 'suspend', { target: {}, reason: 'storm' }],
    ['resume r1', 'resume', { id: 'r1' }],
    ['resume --site mx.a.test', 'resume', { target: { site: 'mx.a.test' } }],
    ['pause intake', 'pause', { what: 'intake' }],
    ['unpause all', 'unpause', { what: 'all' }],
    ['soft-bounce on', 'softBounce', { on: true }],
    ['soft_bounce off', 'softBounce', { on: false }],
    ['reload', 'reload', {}],
    ['drain', 'drain', {}],
    ['sites --limit 3', 'sites', { limit: 3 }],
    ['events', 'events', { limit: 100 }],
    [
      'events --kind directoryChanged --since 10m --until 2026-11-26T12:00 --limit 5 --after 77',
      'events',
      { kind: 'directoryChanged', since: 400_000, until: Date.UTC(2026, 10, 26, 12), limit: 5, after: '77' },
    ],
    [
      'events --sender <> --recipient @a.test --since 2026-11-26 --until 2026-11-26T12:00:30+01:00',
      'events',
      {
        ...{ sender: '<>', recipient: '@a.test', limit: 100 },
        ...{ since: Date.UTC(2026, 10, 26), until: Date.UTC(2026, 10, 26, 11, 0, 30) },
      },
    ],
    ['tls-reports', 'tlsReports', { kind: 'received', limit: 100 }],
    ['tls-reports --sent --domain b.test --limit 3', 'tlsReports', { kind: 'sent', domain: 'b.test', limit: 3 }],
    ['certificate', 'certificates', {}],
    ['certificate list', 'certificates', {}],
    ['certificate tlsa --port 465', 'certificates', {}],
    ['certificate renew', 'renewCertificate', {}],
    ['rules', 'rules', {}],
    ['check', 'check', {}],
    ['backup /nowhere/copy', 'backup', { folder: '/nowhere/copy' }],
  ];
  for (const [words, call, argument] of cases)
    test(words, async () => {
      const { code, err, out } = await ask(...words.split(' '));
      assert.equal(code, 0, err);
      assert.notEqual(out, '');
      const [[name, given] = []] = asked() as [string, Record<string, unknown>][];
      assert.equal(name, call);
      const { by: who, ...rest } = given ?? {};
      assert.deepEqual(rest, argument);
      if (who !== undefined) assert.match(String(who), by);
    });
});

describe('answers for people', () => {
  test('the queue as a table', async () => {
    const { out } = await ask('queue');
    const [head, row, sum] = out.split('\n');
    assert.match(head!, /^ENTRY +FROM +TO +SIZE +TRIES +NEXT +WHY +LAST REPLY$/);
    assert.match(
      row!,
      new RegExp(`^${ENTRY.id} +ann@a.test +bob@example.com +1.2 KiB +1 +in 2m +greylisted +450 4.7.1 later$`),
    );
    assert.equal(sum, '1 entry');
  });
  test('as wide as the terminal', async () => {
    const { out } = await run(['queue', '--spool', folder], { width: 80, isTty: true });
    for (const line of out.split('\n')) assert.ok([...line].length <= 80, line);
  });
  test('what strangers wrote cannot move the cursor', async () => {
    const evil = '\u001b[2J\r\nforged \u202e';
    admin.answers.list = {
      entries: [{ ...ENTRY, lastReply: evil, sender: evil, recipients: [evil] }],
      next: undefined,
    };
    for (const words of [['queue'], ['queue', 'show', ID]]) {
      const { out } = await ask(...words);
      // oxlint-disable-next-line no-control-regex -- the absence of control characters is what is tested
      assert.doesNotMatch(out, /[\u0000-\u0009\u000b-\u001f\u202e]/);
      assert.doesNotMatch(out, /^forged/m);
    }
  });
  test('one entry with everything', async () => {
    const { out } = await ask('queue', 'show', ID);
    assert.match(out, /why +greylisted: the receiver asked to come back later/);
    assert.match(out, /next attempt +in 2m/);
  });
  test('why it waits', async () => {
    const { out } = await ask('explain', 'bob@example.com');
    assert.match(out, /route +mx \(mx\) → example\.com/);
    assert.match(out, /because +waits for its time \[default\], until 1970-01-01 00:18:40Z \(in 2m\)/);
  });
  test('who changed what, and that there is more', async () => {
    const { out, err } = await ask('events');
    assert.match(out, /^2026-11-23 21:26:24\.123 {2}directoryChanged .* user app of acme {2}changed by cli:operator: /);
    assert.match(out, /^2026-11-23 21:26:24\.123 {2}accepted /m);
    assert.equal(err, '');
    admin.answers.events = { events: [], next: '17' };
    const more = await ask('events');
    assert.match(more.out, /^No events\.$/m);
    assert.match(more.err, /--after 17/);
  });
  test('a message that has left the queue, with an event of a later version', async () => {
    admin.answers.message = { id: ID, entries: [], events: [{ kind: 'teleported', at: 1 }] };
    const { out } = await ask('message', ID);
    assert.match(out, /has left the queue/);
    assert.match(out, /"teleported"/);
  });
  test('status', async () => {
    const { out } = await ask('status');
    assert.match(out, /state +running; intake open, delivery running/);
    assert.match(out, /queue +3 messages, 4 entries, 1 being tried/);
  });
});

describe('a check of a domain', () => {
  const spf = { purpose: 'spf', type: 'TXT', name: 'example.com', weight: 'needed' };
  const host = { purpose: 'returnPath', type: 'CNAME', name: 'bounce.example.com', weight: 'advised' };
  for (const [name, records, code, said, failed] of [
    [
      ...[
        'says what is right, and what is not',
        [
          { ...spf, state: 'right' },
          { ...host, state: 'wrong', problem: 'why' },
        ],
      ],
      ...[0, 'ok          TXT example.com\nadvised     CNAME bounce.example.com\n            why\n', ''],
    ],
    [
      ...['fails where what is needed is wrong', [{ ...spf, state: 'wrong', problem: 'why' }], 1],
      ...['wrong       TXT example.com\n            why\n', '1 of 1 records need mending'],
    ],
    [
      ...['says what was not checked', [{ ...spf, state: 'notChecked', problem: 'why' }], 0],
      ...['not checked TXT example.com\n            why\n', ''],
    ],
    [
      ...['fails where DNS does not answer', [{ ...spf, state: 'noAnswer', problem: 'why' }], 1],
      ...['not checked TXT example.com\n            why\n', '1 of 1 records could not be looked up: try again later'],
    ],
  ] as const)
    test(name, async () => {
      admin.answers.checkDomain = { records };
      const { code: ended, out, err } = await ask('domain', 'check', 'example.com');
      assert.equal(ended, code, err);
      assert.equal(out, said);
      assert.ok(err.includes(failed), err);
    });
});

describe('answers for programs', () => {
  for (const words of ['queue', `queue show ${ID}`, 'status', 'rules', 'explain a@b.test', 'pause all', 'sites'])
    test(words, async () => {
      const { out } = await ask(...words.split(' '), '--json');
      assert.equal(typeof JSON.parse(out), 'object');
    });
  test('the message itself is octets whatever was asked', async () => {
    assert.equal((await ask('message', ID, '--raw', '--json')).out, 'S:\r\n\u00ff\u0000');
  });
});

test('pages are read until the limit', async () => {
  const pages = [
    { entries: [ENTRY, ENTRY], next: 'p2' },
    { entries: [ENTRY], next: 'p3' },
  ];
  Object.defineProperty(admin.answers, 'list', { get: () => pages.shift(), configurable: true });
  const { out } = await ask('queue', 'list', '--limit', '3');
  assert.deepEqual(asked(), [
    ['list', { limit: 3 }],
    ['list', { limit: 1, after: 'p2' }],
  ]);
  assert.match(out, /3 entries, and more \(--limit\)/);
});

describe('what is wrong is said, with an exit code', () => {
  const cases: readonly (readonly [words: string, code: number, want: RegExp])[] = [
    ['', 2, /Usage: postrider/],
    ['nonsense', 2, /unknown command 'nonsense'/],
    ['events --kind teleported', 2, /write one of accepted, .*directoryChanged/],
    ['events --limit 1001', 2, /write 1 to 1000/],
    ['events --since yesterday', 2, /--since yesterday: write how long ago/],
    ['events --until 2026-13-41', 2, /--until 2026-13-41: write/],
    ['statsu', 2, /Did you mean status\?/],
    ['queue lst', 2, /"lst" is neither a command of queue nor a queue id/],
    ['queue list --colour', 2, /unknown option '--colour'/],
    ['queue list --lane slow', 2, /--lane slow: write fresh, deferred, held/],
    ['queue list --reason toString', 2, /--reason toString: write one of/],
    ['queue list --limit many', 2, /--limit: write a whole number/],
    ['queue retry', 2, /say which entries: an id, --sender/],
    ['suspend', 2, /say which mail/],
    ['suspend --all --for soon', 2, /--for soon: not a duration/],
    ['resume', 2, /say which suspension/],
    ['pause everything', 2, /write intake, delivery or all/],
    ['soft-bounce maybe', 2, /write on or off/],
    ['serve --sandbox --config x', 2, /leave out --config/],
    ['send', 2, /required option '--to/],
    ['send --to nobody', 2, /--to "nobody": .*write an address/],
    ['send --to a@b.test --port 0', 2, /--port 0: write a number from 1/],
    ['load --host 192.0.2.1', 2, /not a loopback address.*--allow-remote/],
    ['load --messages 0', 2, /--messages 0/],
    ['sink --defer 101', 2, /--defer 101: write a number from 0 to 100/],
    ['init --hostname a..b', 2, /--hostname "a\.\.b"/],
  ];
  for (const [words, code, want] of cases)
    test(words === '' ? 'nothing' : words, async () => {
      const result = await ask(...words.split(' ').filter((word) => word !== ''));
      const all = words === '' ? await run([]) : result;
      assert.match(all.err + all.out, want);
      assert.equal(all.code, code);
      assert.deepEqual(asked(), []);
    });

  test('the server refuses', async () => {
    admin.answers.message = NOT_FOUND;
    const { code, err } = await ask('message', ID);
    assert.deepEqual([code, err], [1, `postrider: ${NOT_FOUND.message}\n`]);
  });
  test('a reload that is refused', async () => {
    admin.answers.reload = { result: 'kept', problems: ['hostname: missing'], needsRestart: [] };
    const { code, err } = await ask('reload');
    assert.equal(code, 78);
    assert.match(err, /the old configuration stays:\nhostname: missing/);
  });
  test('a spool with problems', async () => {
    admin.answers.check = { messages: 1, entries: 1, problems: ['an orphan'] };
    const { code, err } = await ask('check');
    assert.deepEqual([code, err], [1, 'postrider: an orphan\n']);
  });
  test('nobody is there', async () => {
    const { code, err } = await run(['status', '--spool', join(folder, 'none')]);
    assert.equal(code, 69);
    assert.match(err, /no server is running \(nobody answers at .*none\/control\.sock\)/);
  });
  test('a sink whose port is taken says so, and what to do', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    try {
      const { code, err } = await run(['sink', '--port', String(port)]);
      const want = `postrider: cannot listen on 127.0.0.1 port ${port}: another program listens there; stop it, or choose another port\n`;
      assert.deepEqual([code, err], [1, want]);
    } finally {
      taken.close();
    }
  });
  test('help and version are no failures', async () => {
    assert.equal((await run(['--help'])).code, 0);
    assert.equal((await run(['help', 'queue'])).code, 0);
    assert.match((await run(['--version'])).out, /^\d+\.\d+\.\d+\n$/);
  });
});

describe('a stopped server', () => {
  test('the queue is read from the spool, and closed again', async () => {
    let closed = 0;
    const offline = fakeAdmin();
    const openOffline = () =>
      Promise.resolve(
        Object.assign(offline as QueueAdmin & EventsAdmin & DirectoryAdmin, {
          close: () => Promise.resolve(void (closed += 1)),
        }),
      );
    const { code, out, err } = await run(['queue', '--spool', join(folder, 'none')], { openOffline });
    assert.equal(code, 0, err);
    assert.match(out, new RegExp(ENTRY.id));
    assert.match(err, /no server is running: this is the spool as it lies on disk/);
    assert.equal(closed, 1);
  });
  test('is opened with what the configuration says', async () => {
    const hostnames: (string | undefined)[] = [];
    const openOffline: Wiring['openOffline'] = (_folder, config) => {
      hostnames.push(config?.hostname);
      return Promise.reject(new ControlError('notRunning', 'no server is running'));
    };
    const file = join(folder, 'stopped.config.ts');
    writeFileSync(file, `export default { hostname: 'mx.a.test', spool: { folder: 'none' } };\n`);
    for (const words of [
      ['domain', '--config', file],
      ['domain', '--spool', join(folder, 'none')],
    ])
      await run(words, { openOffline });
    assert.deepEqual(hostnames, ['mx.a.test', undefined]);
  });
  test('it is closed after a failure too', async () => {
    let closed = 0;
    const offline = fakeAdmin();
    offline.answers.retry = NOT_FOUND;
    const openOffline = () =>
      Promise.resolve(
        Object.assign(offline as QueueAdmin & EventsAdmin & DirectoryAdmin, {
          close: () => Promise.resolve(void (closed += 1)),
        }),
      );
    assert.equal((await run(['queue', 'retry', ID, '--spool', join(folder, 'none')], { openOffline })).code, 1);
    assert.equal(closed, 1);
  });
  test('the spool is compacted', async () => {
    assert.equal((await run(['compact', '--spool', folder])).out, '4.0 KiB before, 1.0 KiB now\n');
  });
});

describe('the spool is found', () => {
  test('by the configuration of the folder', async () => {
    const place = mkdtempSync(join(folder, 'p-'));
    writeFileSync(
      join(place, 'postrider.config.ts'),
      `export default { hostname: 'a.test', spool: { folder: '${folder}' } };`,
    );
    assert.equal((await run(['status'], { cwd: place })).code, 0);
    assert.equal((await run(['status', '--config', join(place, 'postrider.config.ts')])).code, 0);
  });
  test('not by a configuration that is not valid', async () => {
    const place = mkdtempSync(join(folder, 'p-'));
    writeFileSync(join(place, 'postrider.config.ts'), 'export default { hostnme: 1 };');
    const { code, err } = await run(['status'], { cwd: place });
    assert.equal(code, 78);
    assert.match(err, /did you mean hostname\?\n.*\n\(or say with --spool/);
  });
});

describe('serve', () => {
  test('is the parent of the working process', async () => {
    const place = mkdtempSync(join(folder, 'p-'));
    writeFileSync(join(place, 'postrider.config.ts'), '');
    const { parents, code } = await run(['serve'], { cwd: place });
    assert.equal(code, 0);
    assert.deepEqual(parents[0]?.workingArguments, [
      'serve',
      '--working',
      '--config',
      join(place, 'postrider.config.ts'),
    ]);
  });
  test('passes on what it was told', async () => {
    const { parents } = await run(['serve', '--sandbox', '--test-clock', '--json']);
    assert.deepEqual(parents[0]?.workingArguments, ['serve', '--working', '--sandbox', '--test-clock', '--json']);
  });
  test('gives the exit code of what it runs', async () => {
    const runWorking = () => Promise.resolve(78);
    const { code } = await run(['serve', '--working', '--config', '/x/postrider.config.ts'], { runWorking });
    assert.equal(code, 78);
  });
  test('time moves only where it may', async () => {
    const config = ['serve', '--working', '--config', '/x/postrider.config.ts'];
    assert.equal((await run(config)).workings[0]?.movableClock, false);
    const inTests = { env: { POSTRIDER_TEST: '1' } };
    assert.equal((await run([...config, '--test-clock'], inTests)).workings[0]?.movableClock, true);
    const { code, err } = await run([...config, '--test-clock']);
    assert.equal(code, 2);
    assert.match(err, /--test-clock is for tests/);
  });
  test('says what to do without a configuration', async () => {
    const { code, err } = await run(['serve'], { cwd: mkdtempSync(join(folder, 'p-')) });
    assert.equal(code, 78);
    assert.match(err, /make one with `postrider init`/);
  });
  test('the sandbox says what is running, prints an event a line, and ends with the server', async () => {
    let provided = 0;
    let closed = 0;
    const startSandbox = () =>
      Promise.resolve({
        written: {},
        port: { messages: () => Promise.resolve([]), raw: () => Promise.resolve(undefined) },
        domains: [{ domain: 'inbox.test', does: 'accepts everything' }],
        clockOffset: new SharedArrayBuffer(8),
        provideLogin: () => Promise.resolve(void (provided += 1)),
        close: () => Promise.resolve(void (closed += 1)),
      });
    const runWorking: Wiring['runWorking'] = async ({ ready, events }) => {
      const at = (name: string, port: number) => ({ name, address: '127.0.0.1', port });
      const listeners = [at('smtp', 2600), at('submission', 2601), at('submissions', 2602)];
      const http = { host: '127.0.0.1', port: 8100 };
      await ready({ listeners, http, config: {} as never, directory: {} as never });
      events('{"kind":"resumed","at":0,"rule":"r1","target":"x","by":"ann"}\nnot an event\n');
      return 0;
    };
    const { out } = await run(['serve', '--working', '--sandbox'], { startSandbox, runWorking });
    assert.match(out, /SMTP +127\.0\.0\.1:2600/);
    assert.match(out, /http:\/\/127\.0\.0\.1:8100\//);
    assert.match(out, /npx postrider send --to anybody@inbox\.test --port 2600/);
    assert.match(out, /resumed .*r1/);
    assert.match(out, /^not an event$/m);
    assert.match(out, /logins +127\.0\.0\.1:2601 \(STARTTLS\) and 127\.0\.0\.1:2602 \(TLS\), user app, password \S+$/m);
    assert.match(out, /curl .*smtp:\/\/127\.0\.0\.1:2601 .*--user app:\S+ /);
    assert.equal(provided, 1);
    assert.equal(closed, 1);
  });
});

describe('init', () => {
  test('writes a configuration that is valid, and says what to do next', async () => {
    const place = mkdtempSync(join(folder, 'p-'));
    const { code, out, err } = await run(
      ['init', '--hostname', 'MX.example.com', '--domain', 'example.com', 'b.test'],
      { cwd: place },
    );
    assert.equal(code, 0, err);
    for (const line of [
      /example\.com\. +MX +10 mx\.example\.com\./,
      /PTR/,
      /DKIM, SPF, DMARC/,
      /^ {2}postrider domain add b\.test +make its signing keys/m,
      /^ {2}postrider domain check b\.test +what is wrong/m,
      /^ {2}postrider credential add <user> +a login for ports 587 and 465/m,
    ])
      assert.match(out, line);
    assert.doesNotMatch(out, /Not here yet/);
    const loaded = await loadConfig(join(place, 'postrider.config.ts'), 1);
    assert.ok(loaded.ok);
    assert.deepEqual(loaded.config.local.domains, ['example.com', 'b.test']);
    assert.deepEqual(
      loaded.config.routes.map(({ kind }) => kind),
      ['maildir', 'mx'],
    );
    assert.deepEqual(
      loaded.config.listeners.map(({ port, auth, tls }) => [port, auth, tls]),
      [
        [25, 'off', 'starttls'],
        [587, 'required', 'starttls'],
        [465, 'required', 'implicit'],
      ],
    );
  });
  test('what is commented out in it is valid too', async () => {
    const place = mkdtempSync(join(folder, 'p-'));
    await run(['init', '--hostname', 'mx.a.test', '--domain', 'a.test'], { cwd: place });
    const file = join(place, 'postrider.config.ts');
    const { cert, key } = makeAuthority().issue('mx.a.test');
    writeFileSync(join(place, 'fullchain.pem'), cert);
    writeFileSync(join(place, 'privkey.pem'), key);
    const text = readFileSync(file, 'utf8')
      .replaceAll(/^( *)\/\/ (tls|acme|info): /gm, '$1$2: ')
      .replaceAll('/etc/postrider/tls/', '');
    assert.match(text, /^ {2}acme: \{[^]*^ {2}\/\/ Who/m);
    writeFileSync(file, text.replace(/^ {4}\{ kind: 'maildir'.*$/m, '').replace("// { kind: 'lmtp'", "{ kind: 'lmtp'"));
    const { code, err } = await run(['config', 'check'], { cwd: place });
    assert.equal(code, 0, err);
  });
  for (const more of [
    [],
    ['--smarthost', 'smtp.example.net'],
    ['--domain', 'a.test', '--smarthost', 'smtp.example.net'],
  ])
    test(`is valid with ${more.join(' ') || 'nothing'}`, async () => {
      const place = mkdtempSync(join(folder, 'p-'));
      assert.equal((await run(['init', '--hostname', 'mx.a.test', ...more], { cwd: place })).code, 0);
      assert.equal((await run(['config', 'check'], { cwd: place })).code, 0);
    });
  test('leaves what is there', async () => {
    const place = mkdtempSync(join(folder, 'p-'));
    const file = join(place, 'postrider.config.ts');
    writeFileSync(file, 'mine');
    const { code, err } = await run(['init', '--hostname', 'mx.a.test'], { cwd: place });
    assert.equal(code, 1);
    assert.match(err, /exists already and stays as it is/);
    assert.equal(readFileSync(file, 'utf8'), 'mine');
  });
  test('writes nothing when the name is wrong', async () => {
    const place = mkdtempSync(join(folder, 'p-'));
    assert.equal((await run(['init', '--hostname', 'a b'], { cwd: place })).code, 2);
    assert.equal(existsSync(join(place, 'postrider.config.ts')), false);
  });
});

test('config check says what is wrong, and exits as services expect', async () => {
  const place = mkdtempSync(join(folder, 'p-'));
  writeFileSync(
    join(place, 'postrider.config.ts'),
    "export default { hostname: 'a.test', listeners: [{ name: 'a', port: 'smtp' }] };",
  );
  const { code, err } = await run(['config', 'check'], { cwd: place });
  assert.equal(code, 78);
  assert.match(err, /listeners\[0\]\.port: "smtp" is not a number from 0 to 65535; write 25/);
});

test('config check without a configuration ends as one that is not valid, and as one that is named and not there', async () => {
  const cwd = mkdtempSync(join(folder, 'p-'));
  assert.equal((await run(['config', 'check'], { cwd })).code, 78);
  assert.equal((await run(['config', 'check', '--config', 'nofile'], { cwd })).code, 78);
});

describe('with --json what is wrong is said in the form of the API', () => {
  const cases: readonly (readonly [words: string, code: number, kind: string, message: RegExp])[] = [
    ['queue list --colour', 2, 'usage', /^unknown option '--colour'/],
    ['queue list --lane slow', 2, 'usage', /^--lane slow: write fresh/],
    ['statsu', 2, 'usage', /^unknown command 'statsu'/],
    [`message ${ID}`, 1, 'notFound', /./],
    ['config check --config nofile', 78, 'configuration', /there is no such file/],
  ];
  for (const [words, code, kind, message] of cases)
    test(words, async () => {
      admin.answers.message = NOT_FOUND;
      const result = await ask(...words.split(' '), '--json');
      const { error } = JSON.parse(result.err) as {
        readonly error: { readonly kind: string; readonly message: string };
      };
      assert.deepEqual([result.code, error.kind], [code, kind]);
      assert.match(error.message, message);
    });
});

test('config check warns of what works and is likely not meant', async () => {
  const place = mkdtempSync(join(folder, 'p-'));
  writeFileSync(join(place, 'postrider.config.ts'), "export default { hostname: 'a.test', http: { host: '::' } };");
  const { code, err } = await run(['config', 'check'], { cwd: place });
  assert.equal(code, 0);
  assert.match(err, /^warning: http\.host: there is no login yet: whoever reaches :: port 8025 is an administrator; /);
  const json = await run(['config', 'check', '--json'], { cwd: place });
  assert.equal(json.err, '');
  assert.equal((JSON.parse(json.out) as { readonly warnings: readonly string[] }).warnings.length, 1);
});

describe('a reload by a configuration', () => {
  const reloadBy = (text: string): Promise<Run> => {
    const place = mkdtempSync(join(folder, 'p-'));
    writeFileSync(join(place, 'postrider.config.ts'), text);
    return run(['reload'], { cwd: place });
  };

  test('that names a spool where nobody answers says that the server may have another', async () => {
    const { code, err } = await reloadBy("export default { hostname: 'a.test', spool: { folder: 'moved' } };");
    assert.equal(code, 69);
    assert.match(err, /nobody answers at .*moved.*; if one runs, its spool\.folder was another .*--spool/);
  });

  test('that is not valid says only that', async () => {
    const { code, err } = await reloadBy("export default { hostname: 'a.test', no: 1 };");
    assert.equal(code, 78);
    assert.match(err, /postrider\.config\.ts is not valid:\nno: /);
    assert.doesNotMatch(err, /--spool/);
  });
});

test('config check looks at the files that are named', async () => {
  const place = mkdtempSync(join(folder, 'p-'));
  const listeners = "listeners: [{ name: 'a' }]";
  writeFileSync(
    join(place, 'postrider.config.ts'),
    `export default { hostname: 'a.test', ${listeners}, deliver: { tls: { ca: 'none.pem' } } };`,
  );
  const { code, err } = await run(['config', 'check'], { cwd: place });
  assert.equal(code, 78);
  assert.match(err, /^deliver\.tls\.ca: .*none\.pem cannot be read: there is no such file \(ENOENT\); /m);
});

test('certificate tlsa prints the record of each host, and that of the next key ahead', async () => {
  const { out } = await ask('certificate', 'tlsa');
  assert.equal(
    out,
    `_25._tcp.mx.test. IN TLSA 3 1 1 ${'ab'.repeat(32)}\n_25._tcp.mx.test. IN TLSA 3 1 1 ${'cd'.repeat(32)} ; of the next key\n`,
  );
});

test('certificate tlsa wants a port', async () => {
  assert.equal((await ask('certificate', 'tlsa', '--port', 'smtp')).code, 2);
});
