import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { MX, siteAnswer } from '../../test/lib/queue-world.ts';
import { zoneResolver } from '../../test/lib/zone-resolver.ts';
import { HOUR } from '../lib/time.ts';
import { type Route } from '../mail/route.ts';
import { type StsPolicy } from '../mail/sts-policy.ts';
import { type TlsSession } from '../mail/tls-result.ts';
import { openPolicies, withSts, WorkerSts } from './sts.ts';

const POLICY: StsPolicy = { mode: 'enforce', mx: ['mx.b.test', '*.c.test', 'other.test'], maxAge: 86_400 };
const finding = (policy: StsPolicy | undefined, pending = false) => ({ policy, problem: undefined, pending });

const untold = (session: TlsSession): void => assert.fail(session.result);

describe('an answer with the policy of its domain', () => {
  test('has what the policy says of its hosts', () => {
    const answer = withSts(siteAnswer('mx.b.test,a.c.test'), finding(POLICY), untold);
    assert.ok(answer.kind === 'site');
    assert.deepEqual(answer.sts, { mode: 'enforce', mx: ['mx.b.test', '*.c.test'], maxAge: 86_400 });
    assert.equal(answer.site, 'mx.b.test,a.c.test');
  });

  test('is asked for again soon while the policy is on its way', () => {
    const answer = withSts(siteAnswer('mx.b.test', HOUR), finding(undefined, true), untold);
    assert.ok(answer.kind === 'site');
    assert.deepEqual([answer.sts, answer.ttl], [undefined, 60_000]);
  });

  test('a policy that could not be had is told', () => {
    const told: TlsSession[] = [];
    const problem = { kind: 'failed', resultType: 'sts-webpki-invalid', reason: 'expired' } as const;
    withSts(siteAnswer('mx.b.test'), { ...finding(undefined), problem }, (session) => void told.push(session));
    assert.deepEqual(told, [
      {
        policy: 'opportunistic',
        policyType: 'sts',
        host: '',
        address: '',
        result: 'sts-webpki-invalid',
        reason: 'expired',
      },
    ]);
  });

  test('a domain that leads nowhere has none', () => {
    const nowhere = { kind: 'failed', status: '5.1.2', diagnostic: 'postrider: no such domain', ttl: 1 } as const;
    assert.equal(withSts(nowhere, finding(POLICY), untold), nowhere);
  });
});

describe('which ways have policies', () => {
  async function stsFor(t: TestContext, asked: string[]): Promise<WorkerSts> {
    const spool = await mkdtemp(join(tmpdir(), 'postrider-'));
    const clock = new HandClock();
    const sts = new WorkerSts({
      settings: { port: 443, ca: undefined, privateAddresses: false, family: 'ipv4' },
      folder: await openPolicies(spool, 0),
      resolver: zoneResolver({}, asked),
      log: { error: () => {}, warn: () => {}, info: () => {} },
      ...{ sweeps: true, clock, timers: clock },
    });
    t.after(async () => {
      sts.close();
      await rm(spool, { recursive: true });
    });
    return sts;
  }

  test('a domain that is looked up by MX', async (t) => {
    const asked: string[] = [];
    const sts = await stsFor(t, asked);
    assert.deepEqual(await sts.policyFor('b.test', MX), finding(undefined));
    assert.deepEqual(asked, ['TXT _mta-sts.b.test']);
  });

  const none: readonly [string, string, Route][] = [
    ['an address literal', '[192.0.2.1]', MX],
    ['a route that encrypts nothing', 'b.test', { ...MX, tls: 'none' }],
    ['a relay', 'b.test', { kind: 'relay', name: 'next', match: {}, host: 'b.test', port: 25, tls: 'verify' }],
  ];
  for (const [name, domain, route] of none) {
    test(`${name} has none, and nobody is asked`, async (t) => {
      const asked: string[] = [];
      const sts = await stsFor(t, asked);
      assert.equal(sts.policyFor(domain, route), undefined);
      assert.deepEqual(asked, []);
    });
  }
});
