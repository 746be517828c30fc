/** The queue manager as a whole, on the memory spool, with a worker that is scripted and a clock moved by hand. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BUDGET_DEFAULTS } from '../../bounce/budget.ts';
import { DSN_DEFAULTS } from '../../bounce/compose.ts';
import { DAY, HOUR, type Instant, MINUTE, SECOND } from '../../lib/time.ts';
import { PARTITIONS } from '../../mail/partition.ts';
import { type Outcome, type Undelivered } from '../../mail/outcome.ts';
import { formatMailbox, parseMailbox } from '../../mail/path.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import { type Route } from '../../mail/route.ts';
import { type Dispatch } from '../../queue/dispatch.ts';
import { DEFAULT_RETRY } from '../../queue/retry.ts';
import { Scheduler } from '../../queue/scheduler.ts';
import { type PlannedMessage, type Submitted } from '../../receive/ports.ts';
import { MemorySpool } from '../../spool/memory/memory-spool.ts';
import { type NewMessage } from '../../spool/spool.ts';
import { linkPair } from '../link.ts';
import { type QueueManagerToWorker, type WorkerToQueueManager } from '../messages.ts';
import { RoutePlan } from '../route-plan.ts';
import { QueueManager } from './queue-manager.ts';

const ROUTES: readonly Route[] = [{ name: 'mx', kind: 'mx', match: {}, port: 25, tls: 'opportunistic' }];
const START = Date.UTC(2026, 10, 23);

type Receiver = (dispatch: Dispatch, now: Instant) => Outcome;

interface Delivered {
  readonly recipient: string;
  readonly sender: string;
  readonly at: Instant;
  readonly content: string;
}

type Times = Pick<PlannedMessage, 'releaseAt' | 'uselessAt'>;

/** A world of one queue manager, one worker, and a receiver that decides each recipient's outcome. */
class World {
  now = START;
  readonly delivered: Delivered[] = [];
  readonly attempts: { readonly domain: string; readonly at: Instant }[] = [];
  readonly events: { readonly kind: string; readonly [field: string]: unknown }[] = [];
  readonly spool = new MemorySpool();
  readonly manager: QueueManager;
  readonly plan = new RoutePlan(ROUTES, DEFAULT_RETRY);
  receiver: Receiver = () => taken;
  /** Its worker tells of no outcome. */
  mute = false;
  resolve: (domain: string) => 'site' | 'none' = () => 'site';
  readonly #waking = new Map<object, { at: Instant; wake: () => void }>();
  #count = 0;
  #calls = 0;
  readonly #answers = new Map<number, (result: Submitted) => void>();
  #worker: ReturnType<typeof linkPair<WorkerToQueueManager, QueueManagerToWorker>>[0];

  constructor() {
    const clock = { now: () => this.now, monotonic: () => this.now };
    const random = { next: () => 0.5 };
    const timers = {
      after: (delay: number, wake: () => void) => {
        const key = {};
        this.#waking.set(key, { at: this.now + Math.max(0, delay), wake });
        return { cancel: () => void this.#waking.delete(key) };
      },
    };
    const log = { error: (text: string) => assert.fail(text), warn: () => undefined, info: () => undefined };
    const scheduler = new Scheduler({
      partitions: Array.from({ length: PARTITIONS }, (_, i) => i),
      random: () => 0.5,
      routeOf: (name) => this.plan.byName(name),
    });
    this.manager = new QueueManager({
      ...{ spool: this.spool, scheduler, clock, timers, random, log, memoryOctets: 1e6 },
      settings: {
        hostname: 'us.test',
        postmaster: mailbox('postmaster@us.test'),
        retry: DEFAULT_RETRY,
        softBounce: false,
        minFreeOctets: 0,
        freeSpaceCheck: 30 * DAY,
        dsn: DSN_DEFAULTS,
        dsnBudget: BUDGET_DEFAULTS,
        maxLeases: 2,
        recordAhead: 5 * MINUTE,
        entriesOf: (message, recipients) => this.plan.entriesOf(message, recipients),
      },
      append: async (_, lines) => {
        for (const line of lines.trimEnd().split('\n')) this.events.push(JSON.parse(line));
      },
      broken: (error) => {
        throw error;
      },
    });
    this.#worker = this.join();
  }

  /** A worker in place of the one before it. */
  join() {
    const [worker, manager] = linkPair<WorkerToQueueManager, QueueManagerToWorker>();
    worker.onMessage((message) => this.#workerTakes(message));
    this.manager.workerJoined(0, manager, 100);
    this.#worker = worker;
    return worker;
  }

  submit(to: string, changes: Partial<NewMessage> = {}, times: Times = {}): Promise<Submitted> {
    const call = (this.#calls += 1);
    const answer = new Promise<Submitted>((resolve) => this.#answers.set(call, resolve));
    this.#worker.post({ kind: 'accept', call, message: this.message(to, changes, times), keeps: false });
    return answer;
  }

  message(to: string, changes: Partial<NewMessage> = {}, times: Times = {}): NewMessage {
    this.#count += 1;
    const id = String(this.#count).padStart(20, '0') as QueueId;
    const content = Buffer.from(`Subject: ${this.#count}\r\n\r\nbody\r\n`);
    const envelope = {
      ...{ reversePath: mailbox('ann@sender.test'), body: '7BIT' as const, smtpUtf8: false, ret: undefined },
      ...{ envid: undefined, tenant: '', campaign: '' },
      client: {
        ...{ address: '192.0.2.1', port: 1, helloName: 'c', protocol: 'ESMTP' as const, tls: undefined },
        listener: 'mx',
      },
    };
    const planned = { id, envelope, class: 'normal' as const, acceptedAt: this.now, octets: content.length, ...times };
    const recipients = to.split(' ').map((address, index) => ({
      ...{ index, forwardPath: mailbox(address), orcpt: undefined, notify: undefined },
    }));
    return {
      ...{ ...planned, report: false, eightBit: false, content: { kind: 'octets', octets: content } },
      ...{ entries: this.plan.entriesOf(planned, recipients), events: [], ...changes },
    };
  }

  /** Lets everything happen that can happen now. */
  async settle(): Promise<void> {
    for (let i = 0; i < 12; i++) {
      await new Promise((resolve) => void setImmediate(resolve));
      this.#fire();
    }
  }

  /** Moves on from one waking to the next until the time has come. */
  async advance(by: number): Promise<void> {
    const until = this.now + by;
    for (;;) {
      await this.settle();
      const next = Math.min(...[...this.#waking.values()].map(({ at }) => at));
      if (next > until) break;
      this.now = Math.max(this.now, next);
    }
    this.now = until;
    await this.settle();
  }

  /** Moves the clock alone: timers take as long as before. */
  jump(by: number): void {
    this.now += by;
    for (const waking of this.#waking.values()) waking.at += by;
  }

  kinds(): readonly string[] {
    return this.events.map(({ kind }) => kind);
  }

  #fire(): void {
    for (const [key, { at, wake }] of [...this.#waking]) {
      if (at > this.now) continue;
      this.#waking.delete(key);
      wake();
    }
  }

  #workerTakes(message: QueueManagerToWorker): void {
    switch (message.kind) {
      case 'submitted':
        return this.#answers.get(message.call)?.(message.result);
      case 'resolve': {
        const { routingDomain, route } = message;
        const host = { name: `mx.${routingDomain}`, preference: 10 };
        const found = this.resolve(routingDomain) === 'site';
        return this.#worker.post({
          ...{ kind: 'resolved', routingDomain, route: route.name },
          answer: found
            ? { kind: 'site', site: host.name, hosts: [host], ttl: HOUR, authenticated: false }
            : { kind: 'failed', status: '5.1.2', diagnostic: 'postrider: no such domain', ttl: HOUR },
        });
      }
      case 'dispatch':
        return this.#attempt(message.dispatch);
      default:
        return undefined;
    }
  }

  #attempt(dispatch: Dispatch): void {
    const domain = dispatch.recipients[0]!.forwardPath.domain;
    this.attempts.push({ domain, at: this.now });
    if (this.mute) return;
    const outcomes = dispatch.recipients.map((recipient) =>
      this.receiver({ ...dispatch, recipients: [recipient] }, this.now),
    );
    for (const [i, outcome] of outcomes.entries())
      if (outcome.kind === 'delivered')
        this.delivered.push({
          recipient: formatMailbox(dispatch.recipients[i]!.forwardPath),
          sender: dispatch.sender.reversePath === null ? '' : formatMailbox(dispatch.sender.reversePath),
          at: this.now,
          content: dispatch.content.kind === 'octets' ? Buffer.from(dispatch.content.octets).toString() : '',
        });
    const reached = !outcomes.some((outcome) => outcome.kind !== 'delivered' && outcome.scope === 'site');
    this.#worker.post({
      kind: 'report',
      report: {
        ...{ id: dispatch.id, outcomes, connection: reached ? 'open' : 'closed', host: 'mx', address: '127.0.0.1' },
        ...{ tls: undefined, reused: false, refused: !reached, connectTime: 1, transmitTime: 2 },
      },
    });
  }
}

const taken: Outcome = {
  ...{ kind: 'delivered', remoteMta: 'mx', status: '2.0.0', diagnostic: '250 2.0.0 ok' },
  ...{ dsnPassedOn: true, final: false },
};
const refusal = (kind: 'deferred' | 'failed', diagnostic: string, changes: Partial<Undelivered> = {}): Undelivered => ({
  ...{ kind, status: kind === 'failed' ? '5.1.1' : '4.2.0', scope: 'recipient', diagnostic },
  ...{ remoteMta: 'mx', cause: 'reply', ...changes },
});
const unreachable = refusal('deferred', 'postrider: connection refused', { scope: 'site', cause: 'connection' });

function mailbox(text: string) {
  const read = parseMailbox(text);
  assert.ok(read.ok, text);
  return read.value;
}

async function world(): Promise<World> {
  const w = new World();
  await w.manager.start();
  return w;
}

describe('a message', () => {
  test('is committed, answered, resolved, delivered and gone', async () => {
    const w = await world();
    assert.deepEqual(await w.submit('bob@far.test'), { kind: 'accepted' });
    await w.advance(2000);
    assert.deepEqual(
      w.delivered.map(({ recipient }) => recipient),
      ['bob@far.test'],
    );
    assert.equal(w.delivered[0]!.content, 'Subject: 1\r\n\r\nbody\r\n');
    assert.deepEqual(w.kinds(), ['attempt', 'delivered']);
    assert.equal((await w.spool.figures()).messages, 0);
  });

  test('to three domains, one of which is refused, gives two deliveries and one DSN', async () => {
    const w = await world();
    w.receiver = ({ recipients: [one] }) =>
      one!.forwardPath.domain === 'b.test' ? refusal('failed', '550 5.1.1 no such user') : taken;
    await w.submit('x@a.test y@b.test z@c.test');
    await w.advance(3 * MINUTE);
    assert.deepEqual(w.delivered.map(({ recipient }) => recipient).sort(), ['ann@sender.test', 'x@a.test', 'z@c.test']);
    const dsn = w.delivered.find(({ recipient }) => recipient === 'ann@sender.test')!;
    assert.equal(dsn.sender, '');
    assert.match(dsn.content, /multipart\/report/);
    assert.match(dsn.content, /550 5\.1\.1 no such user/);
    assert.equal((await w.spool.figures()).messages, 0);
  });

  test('to a domain that does not exist fails without a dispatch', async () => {
    const w = await world();
    w.resolve = (domain) => (domain === 'nowhere.test' ? 'none' : 'site');
    await w.submit('x@nowhere.test');
    await w.advance(2 * MINUTE);
    assert.deepEqual(
      w.kinds().filter((kind) => kind !== 'attempt'),
      ['failed', 'dsn', 'delivered'],
    );
  });
});

describe('a message that is handed in ahead of its time', () => {
  const delivered = (w: World) => w.delivered.map(({ recipient, at }) => `${recipient} ${(at - START) / MINUTE}`);

  test('goes when it is to go, and its age counts from then', async () => {
    const w = await world();
    w.receiver = ({ recipients: [one] }, now) =>
      one!.forwardPath.domain === 'down.test' && now < START + 9 * HOUR ? unreachable : taken;
    await w.submit('a@up.test b@down.test', {}, { releaseAt: START + 3 * HOUR });
    await w.advance(3 * HOUR - 1);
    assert.deepEqual(w.attempts, []);
    assert.equal((await w.spool.figures()).entries, 2);
    const { rows: entries } = await w.spool.entries(undefined, 10);
    assert.deepEqual(
      entries.map(({ reason, dueAt }) => [reason, dueAt]),
      entries.map(() => ['scheduled', START + 3 * HOUR]),
    );
    await w.advance(5 * HOUR);
    assert.equal(delivered(w)[0], `a@up.test ${(3 * HOUR) / MINUTE}`);
    // Late, four hours after its time and not before.
    const warnings = w.events.filter(({ kind, action }) => kind === 'dsn' && action === 'delayed');
    assert.equal(warnings.length, 1);
    assert.ok(Number(warnings[0]!['at']) >= START + 7 * HOUR);
    await w.advance(4 * HOUR);
    assert.ok(delivered(w).some((each) => each.startsWith('b@down.test')));
    assert.equal((await w.spool.figures()).messages, 0);
  });

  test('is known after a restart, and a clock that is set back does not bring it nearer', async () => {
    const w = await world();
    await w.submit('a@up.test', {}, { releaseAt: START + 2 * HOUR });
    await w.advance(HOUR);
    w.jump(-30 * MINUTE);
    await w.advance(89 * MINUTE);
    assert.deepEqual(w.attempts, []);
    await w.advance(2 * MINUTE);
    assert.equal(w.delivered.length, 1);
  });

  test('goes at once when an operator says so', async () => {
    const w = await world();
    await w.submit('a@up.test', {}, { releaseAt: START + DAY });
    await w.advance(MINUTE);
    await w.manager.changes.retry({});
    await w.advance(MINUTE);
    assert.equal(w.delivered.length, 1);
  });
});

describe('a message that is of no use after a time', () => {
  test('is never sent later, and its sender is told', async () => {
    const w = await world();
    w.receiver = ({ recipients: [one] }) => (one!.forwardPath.domain === 'down.test' ? unreachable : taken);
    await w.submit('x@down.test', {}, { uselessAt: START + HOUR });
    await w.advance(DAY);
    assert.ok(w.attempts.filter(({ domain }) => domain === 'down.test').every(({ at }) => at < START + HOUR));
    assert.equal(w.kinds().filter((kind) => kind === 'expired').length, 1);
    assert.match(w.delivered[0]!.content, /Status: 5\.4\.7|Status: 4\.4\.7/);
    assert.equal((await w.spool.figures()).messages, 0);
  });
});

describe('a receiver that is not there', () => {
  test('for a day, then is: the mail waits, is warned about once, and arrives', async () => {
    const w = await world();
    w.receiver = ({ recipients: [one] }, now) =>
      one!.forwardPath.domain === 'down.test' && now < START + DAY ? unreachable : taken;
    await w.submit('x@down.test');
    await w.advance(DAY + 5 * HOUR);
    const reached = w.delivered.map(({ recipient }) => recipient);
    assert.deepEqual(reached.sort(), ['ann@sender.test', 'x@down.test']);
    assert.match(w.delivered.find(({ recipient }) => recipient === 'ann@sender.test')!.content, /Action: delayed/);
    assert.equal((await w.spool.figures()).messages, 0);
  });

  test('for good: the mail expires after five days and the sender is told', async () => {
    const w = await world();
    w.receiver = ({ recipients: [one] }) => (one!.forwardPath.domain === 'down.test' ? unreachable : taken);
    await w.submit('x@down.test');
    await w.advance(6 * DAY);
    const told = w.delivered.map(({ content }) => /Action: (\w+)/.exec(content)?.[1]);
    assert.deepEqual(told, ['delayed', 'failed']);
    assert.ok(w.kinds().includes('expired'));
    assert.equal((await w.spool.figures()).messages, 0);
  });
});

test('a greylisted message is tried again a few minutes later, and arrives', async () => {
  const w = await world();
  w.receiver = (_, now) => (now < START + 5 * MINUTE ? refusal('deferred', '450 4.7.1 Greylisted, try later') : taken);
  await w.submit('x@grey.test');
  await w.advance(20 * MINUTE);
  assert.equal(w.delivered.length, 1);
  assert.equal(w.attempts.length, 2);
  assert.deepEqual(w.kinds(), ['attempt', 'deferred', 'attempt', 'delivered']);
});

describe('a clock that is moved while timers run on', () => {
  for (const by of [30 * SECOND, 2 * MINUTE])
    test(`by ${by / SECOND} s: what is due by then is told then`, async () => {
      const w = await world();
      w.receiver = ({ recipients: [one] }) => {
        if (one!.forwardPath.domain === 'sender.test') return taken;
        const gone = one!.forwardPath.domain === 'a.test';
        return gone ? refusal('failed', '550 5.1.1 gone') : refusal('deferred', '451 4.3.0 later');
      };
      await w.submit('x@a.test y@b.test');
      await w.advance(2000);
      assert.deepEqual(w.delivered, [], 'another recipient may still fail within the minute');
      w.jump(by);
      w.manager.clockMoved();
      await w.advance(100);
      assert.equal(w.delivered.length, by < MINUTE ? 0 : 1);
      await w.advance(MINUTE);
      assert.equal(w.delivered.length, 1);
    });
});

describe('an operator', () => {
  test('holds what waits, and releases it', async () => {
    const w = await world();
    let open = false;
    w.receiver = () => (open ? taken : refusal('deferred', '451 4.3.0 later'));
    await w.submit('x@a.test');
    await w.advance(2000);
    assert.equal((await w.manager.changes.hold({ domain: 'a.test' }, { by: 'me', reason: 'why' })).entries, 1);
    open = true;
    await w.advance(DAY);
    assert.equal(w.delivered.length, 0);
    assert.equal((await w.manager.changes.release({ domain: 'a.test' }, 'me')).entries, 1);
    await w.advance(2000);
    assert.equal(w.delivered.length, 1);
  });

  test('retries now what would wait', async () => {
    const w = await world();
    let open = false;
    w.receiver = () => (open ? taken : refusal('deferred', '451 4.3.0 later'));
    await w.submit('x@a.test');
    await w.advance(2000);
    open = true;
    await w.manager.changes.retry({});
    await w.advance(2000);
    assert.equal(w.delivered.length, 1);
  });

  test('removes what waits, and the sender is told when that is asked', async () => {
    for (const tell of [true, false]) {
      const w = await world();
      w.receiver = ({ recipients: [one] }) =>
        one!.forwardPath.domain === 'a.test' ? refusal('deferred', '451 4.3.0 later') : taken;
      await w.submit('x@a.test');
      await w.advance(2000);
      assert.equal((await w.manager.changes.remove({ sender: 'ann@sender.test' }, { by: 'me', tell })).entries, 1);
      await w.advance(5 * MINUTE);
      assert.equal(w.delivered.length, tell ? 1 : 0);
      assert.equal((await w.spool.figures()).messages, 0);
    }
  });

  test('suspends a domain for mail that waits and mail to come, and resumes it', async () => {
    const w = await world();
    const { rule } = await w.manager.changes.addRule({
      ...{ kind: 'suspend', target: { domain: 'a.test' }, reason: 'why', setBy: 'me' },
    });
    await w.submit('x@a.test');
    await w.submit('y@b.test');
    await w.advance(HOUR);
    assert.deepEqual(
      w.delivered.map(({ recipient }) => recipient),
      ['y@b.test'],
    );
    await w.manager.changes.removeRules(({ id }) => id === rule.id, 'me');
    await w.advance(2000);
    assert.deepEqual(
      w.delivered.map(({ recipient }) => recipient),
      ['y@b.test', 'x@a.test'],
    );
  });
});

test('what is due before a worker is there waits for one, and is not put off', async () => {
  const w = new World();
  w.manager.workerLeft(0);
  await w.spool.accept([w.message('x@a.test')], 1);
  await w.manager.start();
  await w.advance(2 * MINUTE);
  assert.deepEqual([w.kinds(), w.delivered], [[], []]);
  w.join();
  await w.advance(100);
  assert.deepEqual(w.kinds(), ['attempt', 'delivered']);
  assert.equal(w.delivered.length, 1);
});

describe('a worker that dies loses nothing', () => {
  test('what it had in flight is put off, and tried by the next one', async () => {
    const w = await world();
    w.mute = true;
    await w.submit('bob@far.test');
    await w.advance(SECOND);
    assert.deepEqual([w.attempts.length, w.manager.figures()['inFlight']], [1, 1]);
    w.manager.workerLeft(0);
    assert.equal(w.manager.figures()['workers'], 0);
    w.mute = false;
    w.join();
    await w.advance(HOUR);
    assert.deepEqual([w.delivered.length, w.manager.locks.size], [1, 0]);
  });

  // None of them has heard of the message.
  for (const next of ['with its number', 'not']) {
    test(`what was being recorded for it goes at once with another, which comes ${next} before that is over`, async () => {
      const w = await world();
      w.receiver = () => refusal('deferred', '451 4.2.1 Later');
      await w.submit('bob@far.test');
      await w.advance(SECOND);
      w.receiver = () => taken;
      const { settle } = w.spool;
      let died = false;
      w.spool.settle = async (batch, epoch) => {
        const committed = await settle.call(w.spool, batch, epoch);
        if (died || !batch.put.some(({ crashes }) => crashes === 1)) return committed;
        died = true;
        w.manager.workerLeft(0);
        if (next === 'with its number') w.join();
        return committed;
      };
      const [entry] = (await w.manager.changes.list({}, undefined, 1)).rows;
      await w.advance(entry!.dueAt - w.now);
      assert.ok(died);
      if (next === 'not') w.join();
      await w.advance(SECOND);
      assert.deepEqual([w.delivered.length, w.attempts.length, w.manager.locks.size], [1, 2, 0]);
      assert.equal(w.manager.figures()['inFlight'], 0);
    });
  }
});

test('a drain waits for nothing that is not in flight, and afterwards nothing moves', async () => {
  const w = await world();
  const drained = w.manager.drain(1000);
  await w.advance(2000);
  await drained;
  await w.submit('x@a.test');
  await w.advance(HOUR);
  assert.equal(w.delivered.length, 0);
  assert.equal((await w.spool.figures()).entries, 1);
});
