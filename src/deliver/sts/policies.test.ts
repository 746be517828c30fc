import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HandClock } from '../../../test/lib/hand-clock.ts';
import { zoneResolver } from '../../../test/lib/zone-resolver.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../lib/time.ts';
import { type StsPolicy } from '../../mail/sts-policy.ts';
import { type KeptPolicy } from '../../tlspolicy/sts-step.ts';
import { type Fetched } from './fetch.ts';
import { StsPolicies } from './policies.ts';
import { type PolicyFolder } from './policy-folder.ts';

const ENFORCE: StsPolicy = { mode: 'enforce', mx: ['mx.b.test'], maxAge: (7 * DAY) / SECOND };
const TESTING: StsPolicy = { ...ENFORCE, mode: 'testing' };
const policy = (value: StsPolicy): Fetched => ({ kind: 'policy', policy: value });
const broken: Fetched = { kind: 'failed', resultType: 'sts-webpki-invalid', reason: 'expired' };
const only = (value: StsPolicy | undefined) => ({ policy: value, problem: undefined, pending: false });

class MemoryFolder implements PolicyFolder {
  kept = new Map<string, KeptPolicy>();
  full = false;
  knows: PolicyFolder['knows'] = (domain: string): boolean => this.kept.has(domain);
  read = async (domain: string): Promise<KeptPolicy | undefined> => this.kept.get(domain);
  remove = async (domain: string): Promise<void> => void this.kept.delete(domain);
  list = async (): Promise<readonly string[]> => [...this.kept.keys()];
  write = async (domain: string, kept: KeptPolicy): Promise<void> => {
    if (this.full) throw new Error('ENOSPC');
    this.kept.set(domain, kept);
  };
}

interface Parts {
  readonly folder?: MemoryFolder;
  readonly clock?: HandClock;
}

function world({ folder = new MemoryFolder(), clock = new HandClock() }: Parts = {}) {
  const zone: Record<string, { TXT: string[] } | 'SERVFAIL'> = {};
  const fetched: string[] = [];
  const warned: string[] = [];
  const state = { zone, fetched, warned, folder, clock, answer: (): Fetched | Promise<Fetched> => policy(ENFORCE) };
  const policies = new StsPolicies({
    ...{ clock, timers: clock, folder, resolver: zoneResolver(zone) },
    log: { error: () => {}, info: () => {}, warn: (text) => void warned.push(text) },
    fetch: async (domain) => {
      fetched.push(domain);
      return state.answer();
    },
  });
  const publish = (id: string): void => void (zone['_mta-sts.b.test'] = { TXT: [`v=STSv1; id=${id}`] });
  return { ...state, state, policies, publish };
}

/** Everything that does not wait for time. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('the policy of a domain', () => {
  test('a domain without a record is asked nothing', async () => {
    const { policies, fetched } = world();
    assert.deepEqual(await policies.policyFor('b.test'), only(undefined));
    assert.deepEqual(fetched, []);
  });

  test('is fetched once, and kept', async () => {
    const { policies, fetched, publish, folder, clock } = world();
    publish('1');
    assert.deepEqual(await policies.policyFor('b.test'), only(ENFORCE));
    assert.deepEqual(await policies.policyFor('b.test'), only(ENFORCE));
    assert.deepEqual(fetched, ['b.test']);
    assert.deepEqual(folder.kept.get('b.test'), { id: '1', fetchedAt: clock.now(), policy: ENFORCE });
  });

  test('one fetch serves all who wait', async () => {
    const { policies, fetched, publish } = world();
    publish('1');
    const findings = await Promise.all(Array.from({ length: 20 }, () => policies.policyFor('b.test')));
    assert.deepEqual(
      findings,
      Array.from({ length: 20 }, () => only(ENFORCE)),
    );
    assert.equal(fetched.length, 1);
  });

  test('a restart keeps it, and asks nobody', async () => {
    const first = world();
    first.publish('1');
    await first.policies.policyFor('b.test');
    const second = world(first);
    second.publish('1');
    assert.deepEqual(await second.policies.policyFor('b.test'), only(ENFORCE));
    assert.deepEqual(second.fetched, []);
  });

  test('a new id fetches it anew, and what it says counts at once', async () => {
    const { policies, fetched, publish, state } = world();
    publish('1');
    await policies.policyFor('b.test');
    publish('2');
    state.answer = () => policy(TESTING);
    assert.deepEqual(await policies.policyFor('b.test'), only(TESTING));
    assert.equal(fetched.length, 2);
  });

  test('a fetch that fails leaves what was kept, is told once, and not repeated for five minutes', async () => {
    const { policies, fetched, publish, state, clock } = world();
    publish('1');
    await policies.policyFor('b.test');
    publish('2');
    state.answer = () => broken;
    assert.deepEqual(await policies.policyFor('b.test'), { policy: ENFORCE, problem: broken, pending: false });
    assert.deepEqual(await policies.policyFor('b.test'), only(ENFORCE));
    assert.equal(fetched.length, 2);
    clock.advance(5 * MINUTE);
    state.answer = () => policy(TESTING);
    assert.deepEqual(await policies.policyFor('b.test'), only(TESTING));
  });

  for (const [name, change] of [
    ['vanishes', undefined],
    ['cannot be looked up', 'SERVFAIL'],
    ['is doubled', { TXT: ['v=STSv1; id=1', 'v=STSv1; id=2'] }],
  ] as const) {
    test(`a record that ${name} switches nothing off until the time is up`, async () => {
      const { policies, publish, zone, clock } = world();
      publish('1');
      await policies.policyFor('b.test');
      if (change === undefined) delete zone['_mta-sts.b.test'];
      else zone['_mta-sts.b.test'] = change as 'SERVFAIL';
      clock.advance(7 * DAY - 1);
      assert.deepEqual(await policies.policyFor('b.test'), only(ENFORCE));
      clock.advance(1);
      assert.deepEqual(await policies.policyFor('b.test'), only(undefined));
    });
  }

  test('is refreshed beside its use when it is a day old', async () => {
    const { policies, fetched, publish, folder, clock } = world();
    publish('1');
    await policies.policyFor('b.test');
    clock.advance(DAY);
    assert.deepEqual(await policies.policyFor('b.test'), only(ENFORCE));
    await settled();
    assert.equal(fetched.length, 2);
    assert.equal(folder.kept.get('b.test')!.fetchedAt, clock.now());
  });

  test('what another worker refreshed is not fetched again', async () => {
    const one = world();
    const other = world(one);
    one.publish('1');
    other.publish('1');
    await one.policies.policyFor('b.test');
    await other.policies.policyFor('b.test');
    one.clock.advance(DAY);
    await one.policies.policyFor('b.test');
    await settled();
    await other.policies.policyFor('b.test');
    assert.deepEqual([one.fetched.length, other.fetched.length], [2, 0]);
  });

  test('what another worker has written holds without a record, too', async () => {
    const one = world();
    one.publish('1');
    // It knows its own files alone, and reads them all.
    const folder = new MemoryFolder();
    folder.kept = one.folder.kept;
    folder.knows = () => false;
    const other = world({ clock: one.clock, folder });
    assert.deepEqual(await other.policies.policyFor('b.test'), only(undefined));
    await one.policies.policyFor('b.test');
    one.clock.advance(MINUTE);
    assert.deepEqual(await other.policies.policyFor('b.test'), only(ENFORCE));
  });

  test('is refreshed before its end without a record, too', async () => {
    const { policies, publish, clock, state, fetched, folder } = world();
    publish('1');
    await policies.policyFor('b.test');
    state.zone['_mta-sts.b.test'] = 'SERVFAIL';
    clock.advance(7 * DAY - HOUR);
    await policies.sweep();
    assert.equal(fetched.length, 2);
    assert.equal(folder.kept.get('b.test')?.fetchedAt, clock.now());
    state.answer = () => broken;
    clock.advance(7 * DAY - HOUR);
    await policies.sweep();
    await policies.sweep();
    assert.equal(fetched.length, 3, 'not again and again');
  });

  test('mode none is kept, is no policy, and ends one that was there', async () => {
    const { policies, fetched, publish, state } = world();
    publish('1');
    await policies.policyFor('b.test');
    publish('2');
    state.answer = () => policy({ mode: 'none', mx: [], maxAge: 86_400 });
    assert.deepEqual(await policies.policyFor('b.test'), only(undefined));
    assert.deepEqual(await policies.policyFor('b.test'), only(undefined));
    assert.equal(fetched.length, 2);
  });

  test('a disk that is full is told of, and the policy counts', async () => {
    const { policies, publish, folder, warned, state } = world();
    folder.full = true;
    publish('1');
    assert.deepEqual(await policies.policyFor('b.test'), only(ENFORCE));
    assert.deepEqual(warned, ['an MTA-STS policy could not be kept on disk']);
    state.zone['_mta-sts.b.test'] = 'SERVFAIL';
    assert.deepEqual(await policies.policyFor('b.test'), only(ENFORCE));
  });

  test('a fetch that breaks here costs its domain alone', async () => {
    const { policies, publish, state, clock } = world();
    publish('1');
    state.answer = () => Promise.reject(new Error('bug'));
    const { problem } = await policies.policyFor('b.test');
    assert.equal(problem?.resultType, 'sts-policy-fetch-error');
    clock.advance(5 * MINUTE);
    state.answer = () => policy(ENFORCE);
    assert.deepEqual(await policies.policyFor('b.test'), only(ENFORCE));
  });
});

describe('a web server that does not answer', () => {
  test('is waited for ten seconds; what it says later counts from then on', async () => {
    const { policies, publish, state, clock } = world();
    publish('1');
    let answer = (_fetched: Fetched): void => {};
    state.answer = () => new Promise((resolve) => (answer = resolve));
    const asked = policies.policyFor('b.test');
    await settled();
    clock.advance(10 * SECOND);
    assert.deepEqual(await asked, { policy: undefined, problem: undefined, pending: true });
    answer(policy(ENFORCE));
    await settled();
    assert.deepEqual(await policies.policyFor('b.test'), only(ENFORCE));
  });

  test('many of them are asked so many at a time', async () => {
    const { policies, zone, fetched, state, clock } = world();
    const answers: ((value: Fetched) => void)[] = [];
    state.answer = () => new Promise((resolve) => void answers.push(resolve));
    const domains = Array.from({ length: 100 }, (_, i) => `d${i}.test`);
    for (const domain of domains) zone[`_mta-sts.${domain}`] = { TXT: ['v=STSv1; id=1'] };
    const asked = domains.map((domain) => policies.policyFor(domain));
    await settled();
    assert.equal(fetched.length, 64);
    clock.advance(10 * SECOND);
    assert.ok((await Promise.all(asked)).every(({ pending }) => pending));
    for (const answer of answers.splice(0)) answer(broken);
    await settled();
    assert.equal(fetched.length, 100);
  });
});

describe('looking through what is kept', () => {
  test('refreshes what wants it, and forgets what has been over for long', async () => {
    const { policies, publish, fetched, folder, clock } = world();
    publish('1');
    const at = clock.now();
    folder.kept.set('b.test', { id: '1', fetchedAt: at - 2 * DAY, policy: ENFORCE });
    folder.kept.set('fresh.test', { id: '1', fetchedAt: at - HOUR, policy: ENFORCE });
    folder.kept.set('over.test', { id: '1', fetchedAt: at - 8 * DAY, policy: ENFORCE });
    folder.kept.set('old.test', { id: '1', fetchedAt: at - 15 * DAY, policy: ENFORCE });
    await policies.sweep();
    await settled();
    assert.deepEqual(fetched, ['b.test']);
    assert.deepEqual([...folder.kept.keys()].sort(), ['b.test', 'fresh.test', 'over.test']);
  });
});
