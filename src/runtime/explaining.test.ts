import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { entryOf } from '../../test/lib/entries.ts';
import { address } from '../../test/lib/queue-parts.ts';
import { Refusal } from '../api/contract.ts';
import { type Route } from '../mail/route.ts';
import { DEFAULT_RETRY } from '../queue/retry.ts';
import { type SiteAnswer } from '../queue/site.ts';
import { explainAddress, explainMessage, type Explaining } from './explaining.ts';
import { entryView } from './queue-manager/queue-views.ts';
import { RoutePlan } from './route-plan.ts';

const ROUTES: readonly Route[] = [
  { name: 'boxes', kind: 'discard', match: { recipients: ['local.test'] } },
  { name: 'out', kind: 'mx', match: {}, port: 25, tls: 'opportunistic' },
];
const SITE: SiteAnswer = {
  ...{ kind: 'site', site: 'mx.far.test', hosts: [{ name: 'mx.far.test', preference: 10 }], ttl: 1 },
  authenticated: false,
};

function explaining(changes: Partial<Explaining> = {}): Explaining {
  return {
    plan: new RoutePlan(ROUTES, DEFAULT_RETRY),
    expand: (mailbox) => [mailbox],
    lookUp: async () => SITE,
    entries: async () => [],
    standing: async () => [{ what: 'may go now', by: 'default', until: undefined }],
    ...changes,
  };
}

describe('an address', () => {
  test('is explained by its route, its site and what the scheduler would say', async () => {
    const { about, ways } = await explainAddress(explaining(), address('bob@far.test'));
    assert.equal(about, 'bob@far.test');
    assert.deepEqual(
      ways.map(({ route, site, hosts }) => [route!.name, site, hosts.length]),
      [['out', 'mx.far.test', 1]],
    );
    assert.deepEqual(
      ways[0]!.explanations.map(({ what }) => what),
      ['may go now'],
    );
  });

  test('of a domain that publishes how it is encrypted says what is obeyed', async () => {
    const sts = { mode: 'enforce', mx: ['*.far.test'], maxAge: 60 } as const;
    const lookUp = async (): Promise<SiteAnswer> => ({ ...SITE, authenticated: true, sts }) as SiteAnswer;
    const { ways } = await explainAddress(explaining({ lookUp }), address('bob@far.test'));
    assert.deepEqual(
      ways[0]!.explanations.slice(0, 2).map(({ by, what }) => `${by}: ${what}`),
      [
        'DANE: DNSSEC vouches for the hosts: their TLSA records are obeyed',
        'MTA-STS: the policy in mode enforce allows *.far.test',
      ],
    );
    const plan = new RoutePlan([{ ...ROUTES[1]!, tls: 'none' } as Route], DEFAULT_RETRY);
    const without = await explainAddress(explaining({ lookUp, plan }), address('bob@far.test'));
    assert.equal(without.ways[0]!.explanations.length, 1);
  });

  test('that is an alias is explained by each of its targets', async () => {
    const expand = () => [address('a@local.test'), address('b@far.test')];
    const { ways } = await explainAddress(explaining({ expand }), address('team@local.test'));
    assert.deepEqual(
      ways.map(({ route }) => route!.name),
      ['boxes', 'out'],
    );
  });

  test('of a domain that DNS does not know says so, and names no site', async () => {
    const lookUp = async (): Promise<SiteAnswer> => ({
      ...{ kind: 'failed', status: '5.1.2', diagnostic: 'postrider: no such domain', ttl: 1 },
    });
    const { ways } = await explainAddress(explaining({ lookUp }), address('x@nowhere.test'));
    assert.equal(ways[0]!.site, '');
    assert.match(ways[0]!.explanations[0]!.what, /failed: 5\.1\.2 postrider: no such domain/);
  });

  test('whose way needs no DNS is explained without it', async () => {
    const lookUp = () => assert.fail('DNS was asked');
    assert.equal(
      (await explainAddress(explaining({ lookUp }), address('a@local.test'))).ways[0]!.site,
      'discard:boxes',
    );
  });
});

describe('a message', () => {
  const entry = entryView(entryOf({ route: 'out', routingDomain: 'far.test' }), false);

  test('is explained by each of its entries', async () => {
    const entries = async () => [{ entry, explanations: [{ what: 'waits', by: 'default', until: 5 }] }];
    const { ways } = await explainMessage(explaining({ entries }), 'm1');
    assert.equal(ways[0]!.site, 'mx.far.test');
    assert.deepEqual(ways[0]!.explanations, [{ what: 'waits', by: 'default', until: 5 }]);
  });

  test('whose route is gone from the configuration is explained all the same', async () => {
    const entries = async () => [{ entry: { ...entry, route: 'gone' }, explanations: [] }];
    const { ways } = await explainMessage(explaining({ entries }), 'm1');
    assert.deepEqual([ways[0]!.route, ways[0]!.site], [undefined, '']);
  });

  test('of which nothing waits is not known here', async () => {
    await assert.rejects(explainMessage(explaining(), 'm1'), Refusal);
  });
});
