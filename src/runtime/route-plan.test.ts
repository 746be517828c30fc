import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { recipientOf } from '../../test/lib/entries.ts';
import { address, messageOf } from '../../test/lib/queue-parts.ts';
import { queueName } from '../mail/queue-name.ts';
import { reply } from '../mail/reply.ts';
import { type Route } from '../mail/route.ts';
import { DEFAULT_RETRY } from '../queue/retry.ts';
import { RoutePlan } from './route-plan.ts';

const ROUTES: readonly Route[] = [
  { name: 'inside', kind: 'discard', match: { clients: ['10.0.0.0/8'] } },
  { name: 'shop', kind: 'discard', match: { tenants: ['shop'] } },
  { name: 'far', kind: 'mx', match: { recipients: ['far.test', '.far.test'] }, port: 25, tls: 'opportunistic' },
];
const plan = new RoutePlan(ROUTES, DEFAULT_RETRY);
const queueOf = (domain: string) =>
  queueName({ campaign: messageOf([]).envelope.campaign, tenant: messageOf([]).envelope.tenant, domain });

describe('the way of a recipient', () => {
  const nobody = { sender: null, tenant: '', clientAddress: '192.0.2.1' };
  const cases: readonly (readonly [string, string, Partial<typeof nobody>, string])[] = [
    ['by its domain', 'a@far.test', {}, 'far'],
    ['by the end of its domain', 'a@sub.far.test', {}, 'far'],
    ['by its client', 'a@far.test', { clientAddress: '10.1.2.3' }, 'inside'],
    ['by its tenant', 'a@far.test', { tenant: 'shop' }, 'shop'],
    ['when no route takes it: a failure that is told', 'a@other.test', {}, 'unrouted'],
    ['of mail made here', 'a@far.test', { clientAddress: '' }, 'far'],
  ];
  for (const [name, to, facts, route] of cases)
    test(name, () => assert.equal(plan.routeOf(address(to), { ...nobody, ...facts })?.name, route));
});

test('routes are found by name, the last resort too', () => {
  assert.deepEqual(
    ['far', 'unrouted', 'gone', '__proto__'].map((name) => plan.byName(name)?.kind),
    ['mx', 'fail', undefined, undefined],
  );
});

test('a network that the configuration should have refused is a bug, not a route for everybody', () => {
  const routes: readonly Route[] = [{ name: 'x', kind: 'discard', match: { clients: ['nonsense'] } }];
  assert.throws(() => new RoutePlan(routes, DEFAULT_RETRY), /should have refused/);
});

describe('the entries of a message', () => {
  const { envelope } = messageOf([]);
  const planned = { id: messageOf([]).id, envelope, class: 'normal' as const, acceptedAt: 1000, octets: 10 };
  const recipients = ['a@far.test', 'b@far.test', 'c@sub.far.test', 'd@other.test'].map((to, i) => recipientOf(to, i));

  test('are one for each way, and every recipient is in exactly one', () => {
    const entries = plan.entriesOf(planned, recipients);
    assert.deepEqual(
      entries
        .map(({ route, routingDomain }) => `${route} ${routingDomain}`)
        .sort()
        .slice(0, 2),
      ['far far.test', 'far sub.far.test'],
    );
    const indexes = entries.flatMap((entry) => entry.recipients.map(({ index }) => index));
    assert.deepEqual(indexes.sort(), [0, 1, 2, 3]);
    assert.equal(new Set(entries.map(({ id }) => id)).size, entries.length);
    assert.ok(entries.every((entry) => entry.dueAt === 1000 && entry.acceptedAt === 1000));
  });

  test('of recipients that were refused lead to that refusal, and come after the others', () => {
    const refused = { recipients, why: reply(550, '5.1.1', 'No such mailbox here') };
    const entries = plan.refusedEntries(planned, refused, 7);
    const name = 'refused:550 5.1.1 No such mailbox here';
    assert.deepEqual(
      entries.map(({ id, route, routingDomain, queue }) => [id, route, routingDomain, queue]),
      entries.map((_, i) => [`${planned.id}/${7 + i}`, name, 'fail:refused', queueOf('fail:refused')]),
    );
    assert.equal(entries.flatMap((entry) => entry.recipients).length, recipients.length);
    assert.deepEqual(plan.refusedEntries(planned, { ...refused, recipients: [] }, 7), []);
    assert.equal(plan.byName(name)?.kind, 'fail');
  });

  test('carry how long the client waited, where there was one', () => {
    assert.ok(plan.entriesOf({ ...planned, beforeQueue: 5 }, recipients).every(({ beforeQueue }) => beforeQueue === 5));
    assert.ok(plan.entriesOf(planned, recipients).every((entry) => !('beforeQueue' in entry)));
  });
});
