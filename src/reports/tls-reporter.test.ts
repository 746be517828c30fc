import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { zoneResolver, type TestZone } from '../../test/lib/zone-resolver.ts';
import { DAY, HOUR, MINUTE } from '../lib/time.ts';
import { type TlsReport } from '../tlspolicy/tls-report.ts';
import { type CountedSession } from '../tlspolicy/tls-results.ts';
import { openSentReports } from './sent-reports.ts';
import { type SentReport, TlsReporter } from './tls-reporter.ts';

const session = (parts: Partial<CountedSession> = {}): CountedSession => ({
  ...{ domain: 'b.test', policyType: 'sts', host: 'mx.b.test', address: '192.0.2.1' },
  ...{ result: 'successful', reason: '', sessions: 1 },
  ...parts,
});
const ZONE: TestZone = {
  '_smtp._tls.b.test': { TXT: ['v=TLSRPTv1; rua=mailto:tls@b.test,https://b.test/tls'] },
  '_smtp._tls.c.test': { TXT: ['v=TLSRPTv1; rua=mailto:tls@c.test'] },
};

async function world(t: TestContext, { zone = ZONE, clock = new HandClock(), folder = '' } = {}) {
  const spool = folder === '' ? await mkdtemp(join(tmpdir(), 'postrider-')) : folder;
  if (folder === '') t.after(() => rm(spool, { recursive: true }));
  const mails: { readonly to: string; readonly text: string }[] = [];
  const posts: string[] = [];
  const told: SentReport[] = [];
  const asked: (readonly [number, number])[] = [];
  let held: Promise<void> = Promise.resolve();
  const state = { sessions: [session()] as CountedSession[], problem: undefined as string | undefined, broken: false };
  const reporter = new TlsReporter({
    ...{ clock, timers: clock, resolver: zoneResolver(zone), delay: 2 * HOUR },
    log: { error: () => {}, warn: () => {}, info: () => {} },
    settings: { organization: 'Us', contact: 'admin@us.test', from: 'tls@us.test', submitter: 'mx.us.test' },
    sent: await openSentReports(spool),
    sessions: async (since, until, after = 0) => {
      asked.push([since, until]);
      if (state.broken) throw new Error('no history');
      const next = after + 2 < state.sessions.length ? after + 2 : undefined;
      return { sessions: state.sessions.slice(after, after + 2), next };
    },
    policyOf: async (domain) => (domain === 'b.test' ? { mode: 'enforce', mx: ['*.b.test'], maxAge: 60 } : undefined),
    mail: async (to, content) => void mails.push({ to, text: String(content) }),
    post: async (url) => {
      posts.push(url);
      await held;
      return state.problem;
    },
    tell: (sent) => void told.push(sent),
  });
  t.after(() => reporter.stop());
  const hold = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    held = promise;
    return resolve;
  };
  return { reporter, state, mails, posts, told, asked, clock, folder: spool, hold };
}

/** The JSON that a message carries. */
function reportIn(text: string): TlsReport {
  const base64 = /\.json\.gz"\r\n\r\n([A-Za-z0-9+/=\r\n]+)/.exec(text)![1]!;
  return JSON.parse(String(gunzipSync(Buffer.from(base64, 'base64')))) as TlsReport;
}

describe('the reports of a day', () => {
  test('go to all that the domain names, with its policy in its own words', async (t) => {
    const { reporter, state, mails, posts, told, clock, asked } = await world(t);
    state.sessions = [
      session({ sessions: 3 }),
      session({ result: 'certificate-expired', sourceAddress: '198.51.100.7' }),
      session({ sessions: 4 }),
    ];
    assert.equal(await reporter.report(), 'done');
    assert.deepEqual(posts, ['https://b.test/tls']);
    assert.deepEqual(
      mails.map(({ to }) => to),
      ['tls@b.test'],
    );
    const report = reportIn(mails[0]!.text);
    const [policy] = report.policies;
    assert.deepEqual(policy!.policy, {
      'policy-type': 'sts',
      'policy-string': ['version: STSv1', 'mode: enforce', 'mx: *.b.test', 'max_age: 60'],
      'policy-domain': 'b.test',
      'mx-host': ['*.b.test'],
    });
    assert.deepEqual(policy!.summary, { 'total-successful-session-count': 7, 'total-failure-session-count': 1 });
    assert.equal(policy!['failure-details']?.[0]?.['sending-mta-ip'], '198.51.100.7');
    const today = clock.now() - (clock.now() % DAY);
    assert.deepEqual(asked[0], [today - DAY, today]);
    const day = new Date(today - DAY).toISOString().slice(0, 10);
    assert.equal(report['date-range']['start-datetime'], `${day}T00:00:00Z`);
    assert.equal(report['date-range']['end-datetime'], `${day}T23:59:59Z`);
    assert.deepEqual(told, [
      { domain: 'b.test', day, to: 'tls@b.test', successful: 7, failed: 1 },
      { domain: 'b.test', day, to: 'https://b.test/tls', successful: 7, failed: 1 },
    ]);
  });

  test('name the TLSA records of the hosts, of an alias those at its end', async (t) => {
    const record = (octet: number) => ({ usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32, octet) });
    const zone: TestZone = {
      ...ZONE,
      'mx1.c.test': { secure: true, A: ['192.0.2.1'] },
      '_25._tcp.mx1.c.test': { secure: true, TLSA: [record(0xab), record(0x01)] },
      'mx2.c.test': { secure: true, CNAME: ['mx.d.test'] },
      'mx.d.test': { secure: true, AAAA: ['2001:db8::1'] },
      '_25._tcp.mx.d.test': { secure: true, TLSA: [record(0x02)] },
      '_25._tcp.mx3.c.test': { TLSA: [record(0x03)] },
      '_25._tcp.mx4.c.test': 'SERVFAIL',
      '_25._tcp.mx5.c.test': { secure: true, TLSA: [{ ...record(0), matchingType: 0, data: Buffer.alloc(5000) }] },
    };
    const { reporter, state, mails } = await world(t, { zone });
    const hosts = ['mx1', 'mx2', 'mx3', 'mx4', 'mx5'].map((name) => `${name}.c.test`);
    state.sessions = hosts.map((host) => session({ domain: 'c.test', policyType: 'tlsa', host }));
    assert.equal(await reporter.report(), 'done');
    const lines: readonly (readonly string[] | undefined)[] = [['AB', '01'], ['02'], undefined, undefined, undefined];
    assert.deepEqual(
      reportIn(mails[0]!.text).policies.map(({ policy }) => policy),
      hosts.map((host, i) => ({
        'policy-type': 'tlsa',
        ...(lines[i] && { 'policy-string': lines[i].map((octet) => `3 1 1 ${octet.repeat(32)}`) }),
        'policy-domain': host,
        'mx-host': [host],
      })),
    );
  });

  test('have no words for records that are not there any more', async (t) => {
    const { reporter, state, mails } = await world(t);
    state.sessions = [session({ domain: 'c.test', policyType: 'tlsa' })];
    assert.equal(await reporter.report(), 'done');
    assert.equal('policy-string' in reportIn(mails[0]!.text).policies[0]!.policy, false);
  });

  test('go to nobody who does not ask', async (t) => {
    const { reporter, state, mails } = await world(t);
    state.sessions = [session({ domain: 'silent.test' }), session({ domain: 'c.test', policyType: 'no-policy-found' })];
    assert.equal(await reporter.report(), 'done');
    assert.deepEqual(
      mails.map(({ to }) => to),
      ['tls@c.test'],
    );
  });

  test('are not sent twice, also by another run', async (t) => {
    const first = await world(t);
    await first.reporter.report();
    await first.reporter.report();
    const second = await world(t, first);
    assert.equal(await second.reporter.report(), 'done');
    assert.deepEqual([first.mails.length, second.mails.length, second.posts.length], [1, 0, 0]);
  });

  test('what cannot be handed in is tried again, alone', async (t) => {
    const { reporter, state, mails, posts } = await world(t);
    state.problem = 'answered 503';
    assert.equal(await reporter.report(), 'again');
    state.problem = undefined;
    assert.equal(await reporter.report(), 'done');
    assert.deepEqual([mails.length, posts.length], [1, 2]);
  });

  test('a receiver that lets us wait keeps no other from its report', async (t) => {
    const { reporter, state, mails, posts, hold } = await world(t);
    state.sessions = [session(), session({ domain: 'c.test' })];
    const release = hold();
    const reporting = reporter.report();
    const isBoth = (): boolean => posts.length === 1 && mails.some(({ to }) => to === 'tls@c.test');
    for (let turns = 0; !isBoth() && turns < 1000; turns += 1) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(isBoth());
    release();
    assert.equal(await reporting, 'done');
  });

  test('a domain whose record cannot be looked up is tried again', async (t) => {
    const { reporter, mails } = await world(t, { zone: { '_smtp._tls.b.test': 'SERVFAIL' } });
    assert.equal(await reporter.report(), 'again');
    assert.equal(mails.length, 0);
  });
});

describe('when', () => {
  const settled = async (done: () => boolean): Promise<void> => {
    while (!done()) await new Promise((resolve) => void setTimeout(resolve, 1));
  };

  test('some time after midnight, and again the next day', async (t) => {
    const clock = new HandClock();
    clock.advance(DAY - (clock.now() % DAY));
    const { reporter, mails, told, asked } = await world(t, { clock });
    reporter.start();
    clock.advance(2 * HOUR - 1);
    assert.equal(mails.length, 0);
    clock.advance(1);
    await settled(() => told.length === 2);
    await settled(() => {
      if (mails.length === 1) clock.advance(HOUR);
      return told.length === 4;
    });
    assert.equal(asked[1]![0] - asked[0]![0], DAY);
  });

  test('a start later in the day makes up for what was missed', async (t) => {
    const clock = new HandClock();
    clock.advance(DAY - (clock.now() % DAY) + 15 * HOUR);
    const { reporter, told } = await world(t, { clock });
    reporter.start();
    clock.advance(0);
    await settled(() => told.length === 2);
  });

  test('a day that ends while reports are made is reported on too', async (t) => {
    const clock = new HandClock();
    clock.advance(DAY - (clock.now() % DAY) + 15 * HOUR);
    const { reporter, told, asked } = await world(t, { clock });
    reporter.start();
    clock.advance(0);
    clock.advance(DAY);
    reporter.clockMoved();
    await settled(() => {
      clock.advance(0);
      return told.length === 4;
    });
    assert.equal(asked[1]![0] - asked[0]![0], DAY);
  });

  test('time that is moved brings what is due', async (t) => {
    const clock = new HandClock();
    clock.advance(DAY - (clock.now() % DAY));
    const { reporter, told, state } = await world(t, { clock });
    state.sessions = [session({ domain: 'c.test' })];
    reporter.start();
    reporter.clockMoved();
    clock.advance(2 * HOUR);
    await settled(() => told.length === 1);
  });

  test('a history that cannot be read is asked again', async (t) => {
    const clock = new HandClock();
    clock.advance(DAY - (clock.now() % DAY) + 15 * HOUR);
    const { reporter, told, state, asked } = await world(t, { clock });
    state.broken = true;
    reporter.start();
    clock.advance(0);
    await settled(() => asked.length === 1);
    state.broken = false;
    await settled(() => {
      if (told.length === 0) clock.advance(MINUTE);
      return told.length === 2;
    });
  });
});
