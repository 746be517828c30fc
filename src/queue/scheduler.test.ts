import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { entryOf, ruleOf, type EntryParts } from '../../test/lib/entries.ts';
import { ACCEPTS, MX, REFUSES, siteAnswer, World, type WorldOptions } from '../../test/lib/queue-world.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../lib/time.ts';
import { type EntryId } from '../mail/entry.ts';
import { type Route } from '../mail/route.ts';

let ids = 0;
const mail = (domain: string, parts: EntryParts = {}) =>
  entryOf({ id: `m${ids++}/0` as EntryId, routingDomain: domain, ...parts });

function started(options: WorldOptions = {}): World {
  const world = new World(options);
  world.start();
  world.run(100);
  return world;
}

describe('times that senders name', () => {
  test('what is over is not tried, whether it waits on disk, in memory or for its turn', () => {
    const world = started({ answer: () => ({ ...ACCEPTS, takes: 30 * SECOND }), maxInFlight: 1 });
    const later = mail('a.test', { expiresAt: world.now + 10 * SECOND, expiry: 'exact' });
    world.accept(mail('b.test'));
    world.accept(later);
    world.spool.put(
      mail('c.test', { lane: 'deferred', dueAt: world.now + MINUTE, expiresAt: world.now + MINUTE, expiry: 'exact' }),
    );
    world.run(world.now + 2 * MINUTE);
    assert.equal(world.delivered(), 1);
    assert.deepEqual(
      world.over
        .filter(({ kind }) => kind === 'expired')
        .map(({ entry }) => entry.routingDomain)
        .toSorted(),
      ['a.test', 'c.test'],
    );
    assert.deepEqual(
      world.dispatches.map(({ action }) => action.entry.routingDomain),
      ['b.test'],
    );
  });

  test('what expires at a site that refuses comes back without waiting for it', () => {
    const world = started({ answer: () => REFUSES });
    world.accept(mail('a.test', { expiresAt: world.now + HOUR, expiry: 'exact' }));
    world.run(world.now + 2 * HOUR);
    assert.deepEqual(
      world.over.map(({ kind }) => kind),
      ['expired'],
    );
    assert.ok(world.dispatches.every(({ at }) => at < HOUR + 100));
    assert.ok(world.over[0]!.at >= HOUR);
  });
});

describe('the fast path', () => {
  test('a fresh entry asks for its site, and the next goes out in the same call', () => {
    const world = started();
    const first = mail('a.test');
    assert.ok(world.scheduler.admit([first], world.now));
    world.spool.put({ ...first, dueAt: world.now + MINUTE });
    const asked = world.scheduler.accepted([first], true, world.now);
    assert.deepEqual(
      asked.map(({ kind }) => kind),
      ['resolve'],
    );
    world.perform(asked);
    world.run(SECOND);
    const second = mail('a.test');
    assert.ok(world.scheduler.admit([second], world.now));
    const gone = world.scheduler.accepted([second], true, world.now);
    assert.deepEqual(
      gone.map((action) => action.kind === 'dispatch' && [action.entry.id, action.path, action.hosts]),
      [[second.id, 'mx.a.test|default', [{ name: 'mx.a.test', preference: 10 }]]],
    );
  });

  test('what the commit lost is forgotten', () => {
    const world = started();
    const entry = mail('a.test');
    assert.ok(world.scheduler.admit([entry], 0));
    assert.equal(world.scheduler.figures().entries, 1);
    world.scheduler.forget([entry]);
    assert.equal(world.scheduler.figures().entries, 0);
    assert.equal(world.scheduler.figures().octets, 0);
  });

  test('an answer to many domains with one MX set is one site', () => {
    const world = started({ resolve: () => siteAnswer('mx.shared.test') });
    for (let i = 0; i < 50; i++) world.accept(mail(`d${i}.test`));
    world.run(MINUTE);
    assert.equal(world.delivered(), 50);
    assert.deepEqual([...world.mostSlots.keys()], ['mx.shared.test|default']);
    assert.ok(world.mostSlots.get('mx.shared.test|default')! <= 10);
  });

  test('an MTA-STS policy goes along with the mail of its domain, and changes no site', () => {
    const sts = { mode: 'enforce', mx: ['mx.shared.test'], maxAge: 60 } as const;
    const shared = siteAnswer('mx.shared.test');
    const world = started({
      resolve: (domain) => (domain === 'sts.test' ? ({ ...shared, sts } as typeof shared) : shared),
    });
    for (const domain of ['plain.test', 'sts.test']) world.accept(mail(domain));
    world.run(MINUTE);
    assert.deepEqual(
      world.dispatches.map(({ action }) => [action.entry.routingDomain, action.site, action.sts]),
      [
        ['plain.test', 'mx.shared.test', undefined],
        ['sts.test', 'mx.shared.test', sts],
      ],
    );
  });

  test('memory is left empty behind it', () => {
    const world = started();
    for (let i = 0; i < 100; i++) world.accept(mail(`d${i % 10}.test`));
    world.run(10 * MINUTE);
    assert.equal(world.delivered(), 100);
    const { entries, octets, inFlight, slots, lanes } = world.scheduler.figures();
    assert.deepEqual(
      { entries, octets, inFlight, slots, lanes },
      { entries: 0, octets: 0, inFlight: 0, slots: 0, lanes: 0 },
    );
  });
});

test('what waits on disk at the start is found and delivered', () => {
  const world = new World();
  for (let i = 0; i < 3000; i++)
    world.spool.put(
      mail(`d${i % 300}.test`, { lane: i % 2 === 0 ? 'fresh' : 'deferred', dueAt: -i, tenant: `t${i % 3}` }),
    );
  world.start();
  world.run(5 * MINUTE);
  assert.equal(world.delivered(), 3000);
  assert.equal(world.spool.size, 0);
});

test('an entry that becomes due on disk goes when it is due', () => {
  const world = new World();
  for (let i = 1; i <= 20; i++) world.spool.put(mail(`d${i}.test`, { lane: 'deferred', dueAt: i * 10 * SECOND }));
  world.start();
  world.run(HOUR);
  assert.equal(world.dispatches.length, 20);
  for (const { at, action } of world.dispatches)
    assert.ok(at >= action.entry.dueAt && at - action.entry.dueAt < SECOND, `${at} for ${action.entry.dueAt}`);
});

describe('limits', () => {
  test('connections, window, messages per connection and idle time', () => {
    const world = started({ answer: () => ({ ...ACCEPTS, takes: 1000 }) });
    for (let i = 0; i < 2000; i++) world.accept(mail('a.test'));
    world.run(SECOND);
    assert.equal(world.mostSlots.get('mx.a.test|default'), 2, 'the window starts small');
    world.run(10 * MINUTE);
    assert.equal(world.delivered(), 2000);
    assert.equal(world.mostSlots.get('mx.a.test|default'), 10);
    const perSlot = Map.groupBy(world.dispatches, ({ action }) => action.slot);
    assert.ok([...perSlot.values()].every((dispatches) => dispatches.length <= 100));
    assert.ok(perSlot.size >= 20);
    assert.equal(world.slots.size, 0, 'idle connections are closed');
  });

  test('a rate is kept', () => {
    const defaults = { ...(started().scheduler && {}) };
    assert.ok(defaults);
    const world = started({
      pacing: {
        defaults: {
          connections: 10,
          messagesPerConnection: 100,
          startWindow: 2,
          depth: 2,
          ahead: 0,
          idleTimeout: 30 * SECOND,
          ramp: SECOND,
          backoff: MINUTE,
          maxBackoff: HOUR,
          messageRate: { amount: 60, period: MINUTE, burst: 5 },
          octetRate: undefined,
        },
        rules: [],
      },
    });
    for (let i = 0; i < 300; i++) world.accept(mail('a.test'));
    world.run(world.now + 2 * MINUTE);
    const { length } = world.dispatches;
    assert.ok(length >= 115 && length <= 126, `${length}`);
    world.run(10 * MINUTE);
    assert.equal(world.delivered(), 300);
  });

  test('dispatches over all, and the lower classes keep their tenth', () => {
    const world = started({ maxInFlight: 10, answer: () => ({ ...ACCEPTS, takes: 1000 }) });
    for (let i = 0; i < 400; i++) {
      world.accept(mail(`t${i % 20}.test`, { class: 'transactional' }));
      world.accept(mail(`b${i % 20}.test`, { class: 'bulk' }));
    }
    world.run(40 * SECOND);
    assert.equal(world.most.inFlight, 10);
    const bulk = world.dispatches.filter(({ action }) => action.entry.class === 'bulk').length;
    const share = bulk / world.dispatches.length;
    assert.ok(share > 0.05 && share < 0.2, `${share}`);
    world.run(10 * MINUTE);
    assert.equal(world.delivered(), 800);
  });

  test('a provider of many sites has one set of connections', () => {
    const world = started({ resolve: (domain) => siteAnswer(`${domain}.mail.protection.outlook.com`) });
    for (let i = 0; i < 200; i++) world.accept(mail(`d${i % 20}`));
    let most = 0;
    for (let at = 0; at < MINUTE; at += 10) {
      world.run(Math.max(world.now, at));
      most = Math.max(most, world.slots.size);
    }
    assert.equal(most, 5);
    assert.equal(world.delivered(), 200);
  });

  test('connections over all paths: idle ones make room', () => {
    const world = started({ maxSlots: 20 });
    for (let i = 0; i < 500; i++) world.accept(mail(`d${i}.test`));
    world.run(MINUTE);
    assert.equal(world.delivered(), 500);
    assert.ok(world.scheduler.figures().slots <= 20);
  });

  test('connections over all paths: an eighth of them at most is kept idle, those used last', () => {
    const world = started({ maxSlots: 80 });
    for (let i = 0; i < 60; i++) {
      world.accept(mail(`d${i}.test`));
      world.run(world.now + 100);
      const { slots, idleSlots } = world.scheduler.figures();
      assert.ok(idleSlots <= 10 && slots <= 11, `${idleSlots} of ${slots}`);
    }
    assert.equal(world.delivered(), 60);
    assert.deepEqual(
      [...world.slots.values()].map(({ path }) => path),
      Array.from({ length: 10 }, (_, i) => `mx.d${50 + i}.test|default`),
    );
  });

  test('connections over all paths: sites that take an hour leave a quarter to those known to be quick', () => {
    const world = started({
      maxSlots: 20,
      answer: ({ site }) => (site.startsWith('mx.slow') ? { ...ACCEPTS, takes: HOUR } : ACCEPTS),
    });
    world.accept(mail('good.test'));
    world.run(MINUTE);
    for (let i = 0; i < 100; i++) world.accept(mail(`slow${i}.test`));
    world.run(2 * MINUTE);
    assert.equal(world.scheduler.figures().slots, 15);
    const known = mail('good.test');
    const unknown = mail('new.test');
    world.accept(known);
    world.accept(unknown);
    world.run(2 * MINUTE + SECOND);
    const gone = (entry: { id: EntryId }) => world.over.find((over) => over.entry.id === entry.id)?.at;
    assert.ok(gone(known) !== undefined, 'what is known to be quick does not wait');
    assert.equal(gone(unknown), undefined);
    assert.deepEqual(
      world.scheduler.explain(unknown, world.now).map(({ what, by }) => [what, by]),
      [['of all 20 connections none is free for this destination', 'queue.connections']],
    );
    world.run(10 * HOUR);
    assert.equal(world.delivered(), 103, 'and the others have their turn');
    assert.equal(world.scheduler.figures().slots, 0);
  });

  test('connections over all paths: quick sites that never rest do not keep the others out', () => {
    const world = started({ maxSlots: 8, answer: () => ({ ...ACCEPTS, takes: SECOND }) });
    for (let i = 0; i < 20; i++) world.accept(mail(`quick${i}.test`));
    world.run(MINUTE);
    for (let i = 0; i < 8000; i++) world.accept(mail(`quick${i % 20}.test`));
    world.run(MINUTE + 10 * SECOND);
    for (let i = 0; i < 20; i++) world.accept(mail(`new${i}.test`));
    // A connection is given up after 100 messages.
    world.run(7 * MINUTE);
    const fresh = world.over.filter(({ entry }) => entry.routingDomain.startsWith('new'));
    assert.equal(fresh.length, 20);
    assert.ok(world.delivered() < 8000, 'the others were not done by then');
  });
});

describe('a site that refuses', () => {
  test('one probe at a time after a growing back-off, and the rest stays on disk untouched', () => {
    const world = started({ answer: () => REFUSES });
    for (let i = 0; i < 1000; i++) world.accept(mail('dead.test'));
    world.run(HOUR);
    assert.ok(world.dispatches.length <= 12, `${world.dispatches.length} probes`);
    const tried = [...world.spool.values()].filter(({ attempts }) => attempts > 0);
    assert.ok(tried.length <= 12);
    assert.equal(world.spool.size, 1000);
    assert.ok(world.scheduler.figures().entries <= 1);
  });

  test('down for a day, then up: everything arrives soon after', () => {
    const up = DAY;
    const world = started({ answer: (_, now) => (now < up ? REFUSES : ACCEPTS) });
    for (let i = 0; i < 500; i++) world.accept(mail('down.test', { tenant: `t${i % 7}` }));
    world.run(up);
    assert.equal(world.delivered(), 0);
    world.run(up + 2 * HOUR + MINUTE);
    const inTime = world.delivered();
    assert.ok(inTime >= 480, `${inTime}`);
    world.run(up + 6 * HOUR);
    assert.equal(world.delivered(), 500);
  });

  test('dead for ever: each entry is warned of once and expires once, after a probe that began after its end', () => {
    const world = started({ answer: () => REFUSES });
    for (let i = 0; i < 300; i++) world.accept(mail('dead.test'));
    world.run(8 * HOUR);
    const warned = world.notices.filter(({ action }) => action === 'delayed').length;
    assert.equal(warned, 300);
    world.run(6 * DAY);
    assert.equal(world.notices.filter(({ action }) => action === 'delayed').length, 300);
    assert.equal(world.over.filter(({ kind }) => kind === 'expired').length, 300);
    assert.equal(world.spool.size, 0);
  });

  test('another site of the same provider is not blamed', () => {
    const world = started({
      resolve: (domain) => siteAnswer(`${domain}.mail.protection.outlook.com`),
      answer: ({ site }) => (site.startsWith('dead') ? REFUSES : ACCEPTS),
    });
    for (let i = 0; i < 20; i++) for (const domain of ['dead', 'good', 'fine']) world.accept(mail(domain));
    world.run(2 * MINUTE);
    assert.equal(world.delivered(), 40);
  });

  test('told to slow down: fewer, later, and all arrive', () => {
    let busy = 0;
    const limited = { ...REFUSES, effect: 'limited' as const, connection: 'open' as const };
    const world = started({
      answer: (_, now) => {
        busy++;
        return now < 10 * SECOND && busy > 5 ? limited : ACCEPTS;
      },
    });
    for (let i = 0; i < 100; i++) world.accept(mail('busy.test'));
    world.run(10 * SECOND);
    assert.ok(world.dispatches.length < 40, `${world.dispatches.length}`);
    world.run(3 * HOUR);
    assert.equal(world.delivered(), 100);
  });
});

describe('fairness', () => {
  test('a tenant with 100,000 queued costs another with ten nothing', () => {
    const world = new World({ answer: () => ({ ...ACCEPTS, takes: 200 }) });
    for (let i = 0; i < 100_000; i++)
      world.spool.put(mail('a.test', { tenant: 'big', dueAt: -1, campaign: `c${i % 5}` }));
    world.start();
    world.run(10 * SECOND);
    const from = world.now;
    for (let i = 0; i < 10; i++) world.accept(mail('a.test', { tenant: 'small' }));
    world.run(from + 10 * SECOND);
    const times = world.over.filter(({ entry }) => entry.queue.includes('small')).map(({ at }) => at - from);
    assert.equal(times.length, 10);
    // Ten connections of 200 ms give 50 a second; a fair half of it for ten is less than a second, and what was queued ahead.
    assert.ok(Math.max(...times) < 2 * SECOND, `${times}`);
  });

  test('and so when both wait on disk', () => {
    const world = new World({ answer: () => ({ ...ACCEPTS, takes: 200 }) });
    for (let i = 0; i < 20_000; i++) world.spool.put(mail('a.test', { tenant: 'big', dueAt: -100_000 + i }));
    for (let i = 0; i < 10; i++) world.spool.put(mail('a.test', { tenant: 'small', dueAt: -1 }));
    world.start();
    world.run(10 * SECOND);
    assert.equal(
      world.delivered(({ queue }) => queue.includes('small')),
      10,
    );
  });

  test('a backlog to a dead and a slow site does not hold up healthy ones', () => {
    const world = new World({
      answer: ({ site }) => {
        if (site === 'mx.dead.test') return REFUSES;
        return site === 'mx.slow.test' ? { ...ACCEPTS, takes: 30 * SECOND } : ACCEPTS;
      },
    });
    for (let i = 0; i < 30_000; i++) {
      world.spool.put(mail('dead.test', { dueAt: -i }));
      world.spool.put(mail('slow.test', { dueAt: -i }));
    }
    world.start();
    world.run(MINUTE);
    const latencies: number[] = [];
    for (let i = 0; i < 500; i++) {
      const at = world.now;
      const entry = mail(`healthy${i % 50}.test`, { acceptedAt: at });
      assert.ok(world.accept(entry), 'in by memory');
      world.run(at + 20);
    }
    world.run(world.now + SECOND);
    for (const { at, entry } of world.over)
      if (entry.routingDomain.startsWith('healthy')) latencies.push(at - entry.acceptedAt);
    assert.equal(latencies.length, 500);
    assert.ok(latencies.toSorted((a, b) => a - b)[495]! < 100, `${Math.max(...latencies)}`);
  });
});

describe('rules', () => {
  test('a suspended queue waits until the rule ends, and goes then', () => {
    const world = started();
    world.perform(world.scheduler.rulesChanged([ruleOf({ target: { tenant: 'shop' }, until: HOUR })], world.now));
    for (let i = 0; i < 50; i++) {
      world.accept(mail('a.test', { tenant: 'shop' }));
      world.accept(mail('a.test', { tenant: 'other' }));
    }
    world.run(HOUR - 1);
    assert.equal(world.delivered(), 50);
    world.run(HOUR + MINUTE);
    assert.equal(world.delivered(), 100);
  });

  test('a suspended site, sender and recipient', () => {
    for (const target of [
      { site: 'mx.a.test' },
      { sender: '*@shop.test' },
      { recipient: 'ann@a.test' },
      { source: 'default', site: 'mx.a.test' },
    ]) {
      const world = started();
      world.perform(world.scheduler.rulesChanged([ruleOf({ target })], world.now));
      world.accept(mail('a.test', { sender: 'news@shop.test' }));
      world.accept(mail('b.test', { sender: 'x@y.test' }));
      world.run(10 * MINUTE);
      assert.equal(world.delivered(), 1, JSON.stringify(target));
      world.perform(world.scheduler.rulesChanged([], world.now));
      world.run(20 * MINUTE);
      assert.equal(world.delivered(), 2, JSON.stringify(target));
    }
  });

  test('a held message moves to its lane', () => {
    const world = started();
    const entry = mail('a.test');
    world.perform(
      world.scheduler.rulesChanged([ruleOf({ kind: 'hold', target: { message: entry.message } })], world.now),
    );
    world.accept(entry);
    world.run(5 * MINUTE);
    assert.equal(world.spool.entry(entry.id)?.lane, 'held');
    assert.equal(world.dispatches.length, 0);
  });

  test('a reroute goes another way', () => {
    const hub: Route = {
      kind: 'smarthost',
      name: 'hub',
      match: {},
      host: 'hub.test',
      port: 25,
      tls: 'opportunistic',
      implicitTls: false,
      auth: undefined,
    };
    const world = started({ routeOf: (name) => (name === 'hub' ? hub : MX) });
    world.perform(
      world.scheduler.rulesChanged(
        [ruleOf({ kind: 'reroute', route: 'hub', target: { domain: 'a.test' } })],
        world.now,
      ),
    );
    world.accept(mail('a.test'));
    world.accept(mail('b.test'));
    world.run(MINUTE);
    assert.deepEqual(world.dispatches.map(({ action }) => [action.entry.routingDomain, action.route.name]).sort(), [
      ['a.test', 'hub'],
      ['b.test', 'mx'],
    ]);
  });

  test('how many are in flight under an older epoch', () => {
    const world = started({ answer: () => ({ ...ACCEPTS, takes: 5000 }) });
    world.accept(mail('a.test'));
    world.run(SECOND);
    world.perform(world.scheduler.rulesChanged([ruleOf({ epoch: 4, target: { tenant: 'x' } })], world.now));
    world.accept(mail('b.test'));
    world.run(2 * SECOND);
    assert.equal(world.scheduler.inFlight(), 2);
    assert.equal(world.scheduler.inFlightUnder(4), 1);
    assert.equal(world.scheduler.inFlightUnder(5), 2);
  });
});

describe('workers', () => {
  test('what was in flight on one that dies goes out again, once', () => {
    const world = started({ workers: 1, answer: () => ({ ...ACCEPTS, takes: 500 }) });
    for (let i = 0; i < 100; i++) world.accept(mail(`d${i % 5}.test`));
    world.run(world.now + 100);
    const lost = world.kill(0);
    assert.ok(lost.length > 0);
    assert.equal(world.scheduler.inFlight(), 0);
    world.run(MINUTE);
    assert.equal(world.delivered(), 0, 'nobody is there to do it');
    world.perform(world.scheduler.workerJoined(0, 1000, world.now));
    world.run(10 * MINUTE);
    assert.equal(world.delivered(), 100);
    assert.equal(world.spool.size, 0);
  });

  test('the least busy gets the next connection', () => {
    const world = started({ workers: 4, answer: () => ({ ...ACCEPTS, takes: 5000 }) });
    for (let i = 0; i < 40; i++) world.accept(mail(`d${i}.test`));
    world.run(SECOND);
    const byWorker = Map.groupBy(world.dispatches, ({ action }) => action.worker);
    assert.deepEqual(
      [...byWorker.values()].map(({ length }) => length),
      [10, 10, 10, 10],
    );
  });
});

test('paused, nothing goes out; unpaused, everything does', () => {
  const world = started();
  world.scheduler.pause('operator');
  for (let i = 0; i < 20; i++) world.accept(mail('a.test'));
  world.run(5 * MINUTE);
  assert.equal(world.dispatches.length, 0);
  world.perform(world.scheduler.unpause('operator', world.now));
  world.run(10 * MINUTE);
  assert.equal(world.delivered(), 20);
});

test('no such domain, and a DNS that does not answer', () => {
  const world = started({
    resolve: (domain, now) => {
      if (domain === 'none.test')
        return { kind: 'failed', status: '5.1.2', diagnostic: 'postrider: no such domain', ttl: MINUTE };
      if (now < HOUR) return { kind: 'deferred', status: '4.4.3', diagnostic: 'postrider: SERVFAIL', ttl: 10 * SECOND };
      return siteAnswer('mx.late.test');
    },
  });
  for (let i = 0; i < 10; i++) {
    world.accept(mail('none.test'));
    world.accept(mail('late.test'));
  }
  world.run(MINUTE);
  assert.equal(world.over.filter(({ kind }) => kind === 'failed').length, 10);
  world.run(4 * HOUR);
  assert.equal(world.delivered(), 10);
});

test('the same seed gives the same actions', () => {
  const story = (seed: number) => {
    ids = 0;
    const world = started({ seed, answer: (_, now) => (Math.floor(now / 1000) % 3 === 0 ? REFUSES : ACCEPTS) });
    for (let i = 0; i < 200; i++) {
      world.accept(mail(`d${i % 7}.test`, { tenant: `t${i % 3}` }));
      world.run(world.now + 10);
    }
    world.run(DAY);
    return JSON.stringify(world.dispatches.map(({ at, action }) => [at, action.entry.id, action.slot]));
  };
  assert.equal(story(5), story(5));
  assert.notEqual(story(5), story(6));
});

test('withdrawn: not tried until settled', () => {
  const world = started({ answer: () => ({ ...ACCEPTS, takes: 1000 }) });
  for (let i = 0; i < 20; i++) world.accept(mail('a.test'));
  world.run(world.now + 100);
  const flying = world.dispatches[0]!.action.entry.id;
  assert.equal(world.scheduler.withdraw(flying), 'inFlight');
  const waiting = [...world.spool.values()].find(
    ({ id }) => !world.dispatches.some(({ action }) => action.entry.id === id),
  )!;
  assert.equal(world.scheduler.withdraw(waiting.id), 'withdrawn');
  world.spool.remove(waiting.id);
  world.perform(world.scheduler.settled(waiting.id, [], world.now));
  world.run(MINUTE);
  assert.equal(world.delivered(), 19);
  assert.equal(world.scheduler.withdraw('gone/0'), 'absent');
});

for (const [name, change] of [
  ['held', { lane: 'held' }],
  ['made due now', { dueAt: 0 }],
] as const)
  test(`what was ${name} while it was ready is not tried as it was`, () => {
    const world = started({ answer: () => ({ ...ACCEPTS, takes: 1000 }) });
    for (let i = 0; i < 20; i++) world.accept(mail('a.test'));
    world.run(world.now + 100);
    const tried = (id: EntryId) => world.dispatches.filter(({ action }) => action.entry.id === id);
    const waiting = [...world.spool.values()].find(({ id }) => tried(id).length === 0)!;
    const next = { ...waiting, ...change };
    world.spool.put(next);
    world.perform(world.scheduler.settled(waiting.id, [next], world.now));
    world.run(5 * MINUTE);
    assert.deepEqual(
      tried(waiting.id).map(({ action }) => action.entry.dueAt),
      name === 'held' ? [] : [0],
    );
    assert.equal(world.delivered(), name === 'held' ? 19 : 20);
  });

test('explain says what an entry waits for, and by whose word', () => {
  const world = started({ answer: () => REFUSES });
  const entry = mail('dead.test');
  world.accept(entry);
  world.run(MINUTE);
  const stored = world.spool.entry(entry.id)!;
  const why = world.scheduler.explain(stored, world.now);
  assert.ok(why.some(({ by, until }) => by === 'back-off' && until! > world.now));
  assert.ok(why.some(({ by, until }) => by === 'retry schedule' && until === stored.dueAt));
  world.scheduler.pause('operator');
  assert.match(world.scheduler.explain(stored, world.now)[0]!.what, /paused: operator/);
});

test('a clock that went back by a year does not hold mail for a year', () => {
  const world = new World({ answer: (_, now) => (now > 364 * DAY ? REFUSES : ACCEPTS) });
  world.now = 365 * DAY;
  world.start();
  world.accept(mail('a.test', { acceptedAt: world.now }));
  world.run(world.now + MINUTE);
  world.now = 0;
  world.perform(world.scheduler.clockMoved(0));
  for (let i = 0; i < 10; i++) world.accept(mail('a.test'));
  world.run(3 * HOUR);
  assert.equal(world.delivered(), 10);
});
