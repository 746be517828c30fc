import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DAYS, recipientOf } from '../../test/lib/entries.ts';
import { type Mailbox } from '../mail/path.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Route } from '../mail/route.ts';
import { DEFAULT_RETRY } from './retry.ts';
import { compileRoutes, entriesFor, routeFor, routingDomainOf, type EntryFacts, type Routes } from './routes.ts';

const mx: Route = { kind: 'mx', name: 'mx', match: {}, port: 25, tls: 'opportunistic' };
const hub: Route = {
  kind: 'smarthost',
  name: 'hub',
  host: 'Hub.test',
  port: 587,
  tls: 'verify',
  implicitTls: false,
  auth: undefined,
  match: { senders: ['shop.test'], tenants: ['shop'] },
};
const local: Route = {
  kind: 'maildir',
  name: 'local',
  match: { recipients: ['here.test', 'ann@there.test'] },
  path: '/m',
};
const office: Route = { kind: 'discard', name: 'office', match: { clients: ['192.0.2.7'] } };
const bounces: Route = {
  kind: 'fail',
  name: 'bounces',
  match: { senders: ['<>'], recipients: ['.dead.test'] },
  code: 550,
  status: '5.1.2',
  text: 'no',
};

// The list itself stands for the set of its networks here.
const setOf = (list: readonly string[]) => ({ contains: (address: string) => list.includes(address) });
const letters: Route = { kind: 'discard', name: 'letters', match: { pools: ['letters'] } };
const routes: Routes = compileRoutes([local, hub, office, bounces, letters, mx], setOf);
const mailbox = (address: string): Mailbox => recipientOf(address).forwardPath;
const facts = { sender: mailbox('a@b.test'), tenant: '', clientAddress: '198.51.100.1' };

describe('routeFor', () => {
  const cases = [
    { name: 'what nothing else matches', to: 'x@y.test', given: {}, want: 'mx' },
    { name: 'by recipient domain', to: 'x@HERE.test', given: {}, want: 'local' },
    { name: 'by recipient address', to: 'ann@there.test', given: {}, want: 'local' },
    { name: 'not by another address', to: 'bob@there.test', given: {}, want: 'mx' },
    {
      name: 'by sender and tenant',
      to: 'x@y.test',
      given: { sender: mailbox('s@shop.test'), tenant: 'shop' },
      want: 'hub',
    },
    { name: 'by pool', to: 'x@y.test', given: { pool: 'letters' }, want: 'letters' },
    { name: 'not by another pool', to: 'x@y.test', given: { pool: 'others' }, want: 'mx' },
    { name: 'all lists must match', to: 'x@y.test', given: { sender: mailbox('s@shop.test') }, want: 'mx' },
    { name: 'by client', to: 'x@y.test', given: { clientAddress: '192.0.2.7' }, want: 'office' },
    { name: 'by null reverse-path and subdomain', to: 'x@a.dead.test', given: { sender: null }, want: 'bounces' },
    { name: 'the first that matches', to: 'x@here.test', given: { clientAddress: '192.0.2.7' }, want: 'local' },
  ];
  for (const { name, to, given, want } of cases)
    test(name, () => assert.equal(routeFor(mailbox(to), { ...facts, ...given }, routes)?.name, want));

  test('no route at all', () => {
    assert.equal(routeFor(mailbox('x@y.test'), facts, compileRoutes([local], setOf)), undefined);
  });
});

test('the routing domain is the destination for MX and the next hop for the others', () => {
  const lmtp: Route = { kind: 'lmtp', name: 'l', match: {}, to: { host: 'dc.test', port: 24 } };
  const socket: Route = { kind: 'lmtp', name: 'l', match: {}, to: { socket: '/run/lmtp' } };
  const to = mailbox('x@y.test');
  assert.deepEqual(
    [mx, hub, local, lmtp, socket].map((route) => routingDomainOf(route, to)),
    ['y.test', 'hub.test:587', 'maildir:local', 'dc.test:24', 'lmtp:l'],
  );
});

describe('entriesFor', () => {
  const entryFacts: EntryFacts = {
    ...facts,
    message: 'm1' as QueueId,
    campaign: 'c 1',
    tenant: 't',
    class: 'bulk',
    acceptedAt: 10,
    dueAt: 20,
    octets: 99,
  };
  const recipients = (...addresses: readonly string[]) => addresses.map((address, i) => recipientOf(address, i));

  test('one entry for each route and routing domain', () => {
    const { entries } = entriesFor(
      entryFacts,
      recipients('a@y.test', 'b@z.test', 'c@y.test', 'd@here.test'),
      routes,
      DEFAULT_RETRY,
    );
    assert.deepEqual(
      entries.map(({ id, queue, route, recipients: own }) => [id, queue, route, own.map(({ index }) => index)]),
      [
        ['m1/0', 'c%201:t@y.test', 'mx', [0, 2]],
        ['m1/1', 'c%201:t@z.test', 'mx', [1]],
        ['m1/2', 'c%201:t@maildir%3Alocal', 'local', [3]],
      ],
    );
    assert.deepEqual(
      entries.map(({ dueAt, expiresAt, lane, sender }) => [dueAt, expiresAt, lane, sender]),
      entries.map(() => [20, 10 + 5 * DAYS, 'fresh', 'a@b.test']),
    );
  });

  describe('what the sender asked of times', () => {
    const usual = 10 + 5 * DAYS;
    const by = (mode: 'return' | 'notify', at: number) => ({ deliverBy: { mode, at, trace: false } });
    const cases: readonly [name: string, given: Partial<EntryFacts>, want: string][] = [
      ['nothing', {}, `new 20 ${usual} undefined`],
      ['to go later', { releaseAt: 500 }, `scheduled 500 ${500 + 5 * DAYS} undefined`],
      ['to go at a time that is over', { releaseAt: 5 }, `new 20 ${usual} undefined`],
      ['of no use after', { uselessAt: 900 }, 'new 20 900 exact'],
      ['of use for longer than anything waits', { uselessAt: 9 * DAYS }, `new 20 ${usual} undefined`],
      ['to come back', by('return', 800), 'new 20 800 exact'],
      ['whichever is first', { ...by('return', 800), uselessAt: 700 }, 'new 20 700 exact'],
      ['only to be told', by('notify', 800), `new 20 ${usual} undefined`],
    ];
    for (const [name, given, want] of cases)
      test(name, () => {
        const { entries } = entriesFor({ ...entryFacts, ...given }, recipients('a@y.test'), routes, DEFAULT_RETRY);
        const { reason, dueAt, expiresAt, expiry, lane } = entries[0]!;
        assert.equal(`${reason} ${dueAt} ${expiresAt} ${expiry}`, want);
        assert.equal(lane, 'fresh');
      });
  });

  test('at most 100 recipients to an entry, or as many as asked', () => {
    const many = recipients(...Array.from({ length: 250 }, (_, i) => `r${i}@y.test`));
    const sizes = (perEntry?: number) =>
      entriesFor(
        { ...entryFacts, ...(perEntry === undefined ? {} : { recipientsPerEntry: perEntry }) },
        many,
        routes,
        DEFAULT_RETRY,
      ).entries.map(({ recipients: own }) => own.length);
    assert.deepEqual(sizes(), [100, 100, 50]);
    assert.equal(sizes(1).length, 250);
    assert.deepEqual(sizes(1000), [100, 100, 50]);
  });

  test('every recipient is in one entry or unrouted', () => {
    const some = compileRoutes([local, { ...mx, match: { recipients: ['y.test', 'z.test'] } }], setOf);
    const address = fc.constantFrom('a@y.test', 'b@z.test', 'c@here.test', 'd@nowhere.test');
    fc.assert(
      fc.property(fc.array(address, { maxLength: 300 }), (addresses) => {
        const { entries, unrouted } = entriesFor(entryFacts, recipients(...addresses), some, DEFAULT_RETRY);
        const seen = [...entries.flatMap(({ recipients: own }) => own), ...unrouted].map(({ index }) => index);
        assert.deepEqual(
          seen.toSorted((a, b) => a - b),
          addresses.map((_, i) => i),
        );
        assert.ok(unrouted.every(({ forwardPath }) => forwardPath.domain === 'nowhere.test'));
      }),
    );
  });
});
