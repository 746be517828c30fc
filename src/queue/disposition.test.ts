import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { delivered, entryOf, recipientOf, ruleOf, undelivered } from '../../test/lib/entries.ts';
import { DAY, HOUR, MINUTE } from '../lib/time.ts';
import { type Entry, type EntryId } from '../mail/entry.ts';
import { type Notify } from '../mail/envelope.ts';
import { type Outcome } from '../mail/outcome.ts';
import { dispose, disposeWithoutDispatch, type DispositionContext } from './disposition.ts';
import { DEFAULT_RETRY } from './retry.ts';

function context(parts: Partial<DispositionContext> = {}): DispositionContext {
  let n = 100;
  return {
    now: 1000,
    startedAt: 0,
    retry: DEFAULT_RETRY,
    random: () => 0,
    clock: 'steady',
    failures: 'final',
    tell: 'sender',
    nextEntryId: () => `m1/${n++}` as EntryId,
    ...parts,
  };
}

const three = entryOf({
  recipients: ['a@x.test', 'b@x.test', 'c@x.test'].map((address, i) => recipientOf(address, i)),
});
const indexes = (entry: Entry | undefined) => entry?.recipients.map(({ index }) => index);

describe('dispose', () => {
  test('all delivered: the entry is removed and nobody is told', () => {
    const done = dispose(three, [delivered(), delivered(), delivered()], context());
    assert.deepEqual(done.remove, ['m1/0']);
    assert.deepEqual([done.put, done.deferred, done.notices], [[], [], []]);
    assert.deepEqual(
      done.over.map(({ kind }) => kind),
      ['delivered', 'delivered', 'delivered'],
    );
  });

  test('one refused, one deferred, one delivered', () => {
    const done = dispose(
      three,
      [undelivered({ kind: 'failed', status: '5.1.1' }), undelivered(), delivered()],
      context(),
    );
    assert.deepEqual(done.remove, []);
    assert.deepEqual(done.put.map(indexes), [[1]]);
    const [put] = done.put;
    assert.equal(put?.id, 'm1/0');
    assert.equal(put?.lane, 'deferred');
    assert.equal(put?.attempts, 1);
    assert.equal(put?.dueAt, 1000 + 15 * MINUTE);
    assert.equal(put?.lastReply, '451 4.3.0 busy');
    assert.equal(put?.reason, 'transient');
    assert.equal(put?.lastAttemptAt, 0);
    assert.deepEqual(
      done.notices.map(({ action, recipientIndex, status }) => [action, recipientIndex, status]),
      [['failed', 0, '5.1.1']],
    );
  });

  test('recipients with different times are split, the first keeps the id', () => {
    const greylisted = undelivered({ diagnostic: '450 4.7.1 Greylisted' });
    const done = dispose(
      three,
      [greylisted, undelivered({ diagnostic: '452 4.2.2 full', status: '4.2.2' }), greylisted],
      context(),
    );
    assert.deepEqual(
      done.put.map((entry) => [entry.id, indexes(entry), entry.dueAt, entry.reason]),
      [
        ['m1/0', [0, 2], 1000 + 6 * MINUTE, 'greylisted'],
        ['m1/100', [1], 1000 + HOUR, 'mailboxFull'],
      ],
    );
    assert.deepEqual(
      done.deferred.map(({ reason, recipients }) => [reason, recipients.length]),
      [
        ['greylisted', 2],
        ['mailboxFull', 1],
      ],
    );
  });

  test('different words and one time stay one entry, and are told apart in what is reported', () => {
    const done = dispose(
      three,
      [undelivered({ diagnostic: '451 a' }), undelivered({ diagnostic: '451 b' }), delivered()],
      context(),
    );
    assert.deepEqual(done.put.map(indexes), [[0, 1]]);
    assert.equal(done.deferred.length, 2);
  });

  test('a wait that the receiver names is obeyed', () => {
    const [put] = dispose(entryOf(), [undelivered({ diagnostic: '450 try again in 20 minutes' })], context()).put;
    assert.equal(put?.dueAt, 1000 + 20 * MINUTE);
  });

  test('scope connection costs no attempt and no long wait', () => {
    const lost = undelivered({ scope: 'connection', cause: 'connection', diagnostic: 'postrider: connection lost' });
    const [put] = dispose(entryOf({ attempts: 3 }), [lost], context()).put;
    assert.equal(put?.attempts, 3);
    assert.ok(put !== undefined && put.dueAt > 1000 && put.dueAt <= 11_000);
  });

  test('an attempt clears the count of crashes', () => {
    assert.equal(dispose(entryOf({ crashes: 1 }), [undelivered()], context()).put[0]?.crashes, 0);
  });

  test('soft bounce turns a failure into a deferral', () => {
    const done = dispose(
      entryOf(),
      [undelivered({ kind: 'failed', status: '5.1.1' })],
      context({ failures: 'softBounce' }),
    );
    assert.equal(done.put.length, 1);
    assert.deepEqual(done.notices, []);
    assert.equal(done.deferred[0]?.outcome.status, '4.1.1');
  });

  test('expires only after an attempt begun after the end, and the notice says what was last heard', () => {
    const entry = entryOf();
    const before = dispose(entry, [undelivered()], context({ startedAt: 5 * DAY - 1, now: 6 * DAY }));
    assert.equal(before.put.length, 1);
    const after = dispose(entry, [undelivered()], context({ startedAt: 5 * DAY, now: 6 * DAY }));
    assert.deepEqual(after.remove, ['m1/0']);
    assert.equal(after.over[0]?.kind, 'expired');
    assert.deepEqual(
      after.notices.map(({ action, status, diagnostic }) => [action, status, diagnostic]),
      [['failed', '4.4.7', '451 4.3.0 busy']],
    );
  });

  test('nothing expires by a clock that jumped', () => {
    const done = dispose(entryOf(), [undelivered()], context({ startedAt: 9 * DAY, now: 9 * DAY, clock: 'moved' }));
    assert.equal(done.put.length, 1);
  });

  test('the wrong number of outcomes is a bug, not a lost recipient', () => {
    assert.throws(() => dispose(three, [delivered()], context()), /1 outcomes for 3 recipients/);
  });
});

describe('delay warnings', () => {
  const late = context({ startedAt: 4 * HOUR, now: 4 * HOUR });
  test('once, when four hours have passed, saying until when we try', () => {
    const first = dispose(entryOf(), [undelivered()], late);
    assert.deepEqual(
      first.notices.map(({ action, willRetryUntil }) => [action, willRetryUntil]),
      [['delayed', 5 * DAY]],
    );
    assert.equal(first.put[0]?.warned, true);
    assert.deepEqual(dispose(first.put[0]!, [undelivered()], late).notices, []);
  });
  test('not before', () =>
    assert.deepEqual(dispose(entryOf(), [undelivered()], context({ now: 4 * HOUR - 1 })).notices, []));
  test('not for bulk', () => assert.deepEqual(dispose(entryOf({ class: 'bulk' }), [undelivered()], late).notices, []));
  test('every part of a split is marked', () => {
    const outcomes = [undelivered({ diagnostic: '450 greylisted' }), undelivered(), delivered()];
    const done = dispose(three, outcomes, late);
    assert.deepEqual(
      done.put.map(({ warned }) => warned),
      [true, true],
    );
    assert.equal(done.notices.length, 2);
  });
});

describe('who is told (RFC 3461)', () => {
  const failed = undelivered({ kind: 'failed', status: '5.0.0' });
  const late = { now: 5 * HOUR, startedAt: 5 * HOUR };
  const cases: readonly {
    name: string;
    notify: readonly Notify[] | undefined;
    outcome: Outcome;
    given?: Partial<DispositionContext>;
    want: readonly string[];
  }[] = [
    { name: 'failure by default', notify: undefined, outcome: failed, want: ['failed'] },
    { name: 'delay by default', notify: undefined, outcome: undelivered(), given: late, want: ['delayed'] },
    { name: 'no success by default', notify: undefined, outcome: delivered({ final: true }), want: [] },
    { name: 'failure when asked', notify: ['FAILURE'], outcome: failed, want: ['failed'] },
    { name: 'no delay when only failure is asked', notify: ['FAILURE'], outcome: undelivered(), given: late, want: [] },
    { name: 'no failure when only success is asked', notify: ['SUCCESS'], outcome: failed, want: [] },
    { name: 'NEVER is never', notify: ['NEVER'], outcome: failed, want: [] },
    { name: 'NEVER is never for delays', notify: ['NEVER'], outcome: undelivered(), given: late, want: [] },
    { name: 'delivered to a mailbox', notify: ['SUCCESS'], outcome: delivered({ final: true }), want: ['delivered'] },
    {
      name: 'relayed to a hop without DSN',
      notify: ['SUCCESS'],
      outcome: delivered({ dsnPassedOn: false }),
      want: ['relayed'],
    },
    { name: 'passed on: the next hop tells', notify: ['SUCCESS'], outcome: delivered({ dsnPassedOn: true }), want: [] },
    {
      name: 'nobody behind a null reverse-path',
      notify: ['SUCCESS', 'FAILURE'],
      outcome: failed,
      given: { tell: 'nobody' },
      want: [],
    },
  ];
  for (const { name, notify, outcome, given, want } of cases)
    test(name, () => {
      const entry = entryOf({ recipients: [recipientOf('a@x.test', 7, notify)] });
      const done = dispose(entry, [outcome], context(given));
      assert.deepEqual(
        done.notices.map(({ action }) => action),
        want,
      );
      for (const notice of done.notices) assert.equal(notice.recipientIndex, 7);
    });
});

describe('DELIVERBY (RFC 2852)', () => {
  const by = (mode: 'notify' | 'return', trace = false) => ({ deliverBy: { at: 500, mode, trace } });
  const cases: readonly {
    readonly name: string;
    readonly entry: Partial<Entry>;
    readonly notify?: readonly Notify[];
    readonly outcome: Outcome;
    readonly want: readonly string[];
  }[] = [
    { name: 'late: told', entry: by('notify'), outcome: undelivered(), want: ['delayed'] },
    {
      name: 'late: told whatever else',
      entry: by('notify'),
      notify: ['FAILURE'],
      outcome: undelivered(),
      want: ['delayed'],
    },
    { name: 'but never is never', entry: by('notify'), notify: ['NEVER'], outcome: undelivered(), want: [] },
    { name: 'told once', entry: { ...by('notify'), warned: true }, outcome: undelivered(), want: [] },
    { name: 'to come back: no word before', entry: by('return'), outcome: undelivered(), want: [] },
    {
      name: 'given to one who does not look after the time',
      entry: by('notify'),
      outcome: delivered(),
      want: ['relayed'],
    },
    { name: 'given to one who does', entry: by('notify'), outcome: delivered({ deliverByPassedOn: true }), want: [] },
    {
      name: 'each hop is told',
      entry: by('return', true),
      outcome: delivered({ deliverByPassedOn: true }),
      want: ['relayed'],
    },
    { name: 'a mailbox is no hop', entry: by('return', true), outcome: delivered({ final: true }), want: [] },
  ];
  for (const { name, entry, notify, outcome, want } of cases)
    test(name, () => {
      const to = { recipients: [recipientOf('a@x.test', 7, notify)] };
      const { notices } = dispose(entryOf({ ...to, ...entry }), [outcome], context());
      assert.deepEqual(
        notices.map(({ action }) => action),
        want,
      );
    });
});

describe('an entry whose time is over to the minute', () => {
  const over = entryOf({ expiresAt: 900, expiry: 'exact', lastReply: '451 4.3.0 busy' });
  test('ends without an attempt, and its sender is told', () => {
    const done = disposeWithoutDispatch(over, { kind: 'expired' }, context());
    assert.deepEqual(done.remove, ['m1/0']);
    assert.deepEqual(
      done.over.map(({ kind, outcome }) => [kind, outcome.diagnostic]),
      [['expired', '451 4.3.0 busy']],
    );
    assert.deepEqual(
      done.notices.map(({ action, status }) => [action, status]),
      [['failed', '4.4.7']],
    );
  });
  test('of one that was never tried our own words are told', () => {
    const done = disposeWithoutDispatch({ ...over, lastReply: '' }, { kind: 'expired' }, context());
    assert.match(done.notices[0]!.diagnostic, /^postrider: not delivered by the time/);
  });
  test('by a clock that jumped nothing is over', () => {
    const done = disposeWithoutDispatch(over, { kind: 'expired' }, context({ clock: 'moved' }));
    assert.deepEqual([done.over, done.remove], [[], []]);
    assert.equal(done.put[0]!.dueAt, 1000 + MINUTE);
  });
});

describe('disposeWithoutDispatch', () => {
  test('no such domain fails every recipient', () => {
    const answer = { kind: 'failed', status: '5.1.2', diagnostic: 'postrider: no such domain', ttl: 0 } as const;
    const done = disposeWithoutDispatch(three, { kind: 'failed', answer }, context());
    assert.deepEqual(done.remove, ['m1/0']);
    assert.equal(done.over.length, 3);
    assert.equal(done.notices.length, 3);
  });

  test('a DNS failure defers on the schedule of its reason', () => {
    const answer = { kind: 'deferred', status: '4.4.3', diagnostic: 'postrider: SERVFAIL', ttl: 0 } as const;
    const [put] = disposeWithoutDispatch(entryOf(), { kind: 'deferred', answer }, context()).put;
    assert.equal(put?.reason, 'dns');
    assert.equal(put?.dueAt, 1000 + 5 * MINUTE);
  });

  test('a site in back-off: wait until it may be tried, warn, and expire only by a probe after the end', () => {
    const verdict = { kind: 'backedOff', at: 4 * HOUR, until: 6 * HOUR, diagnostic: 'postrider: refused' } as const;
    const waits = disposeWithoutDispatch(entryOf(), verdict, context({ now: 5 * HOUR, startedAt: 5 * HOUR }));
    assert.equal(waits.put[0]?.dueAt, 6 * HOUR);
    assert.equal(waits.put[0]?.lastAttemptAt, 4 * HOUR);
    assert.deepEqual(
      waits.notices.map(({ action }) => action),
      ['delayed'],
    );
    const early = disposeWithoutDispatch(entryOf(), { ...verdict, at: 5 * DAY - 1 }, context({ now: 6 * DAY }));
    assert.equal(early.over.length, 0);
    const over = disposeWithoutDispatch(entryOf(), { ...verdict, at: 5 * DAY }, context({ now: 6 * DAY }));
    assert.equal(over.over[0]?.kind, 'expired');
  });

  test('held: the lane changes and nothing is told', () => {
    const done = disposeWithoutDispatch(three, { kind: 'held', rule: ruleOf({ kind: 'hold' }) }, context());
    assert.equal(done.put[0]?.lane, 'held');
    assert.deepEqual(indexes(done.put[0]), [0, 1, 2]);
    assert.deepEqual(done.notices, []);
  });
});

test('no recipient is ever lost or counted twice, and no id is given twice', () => {
  const outcome = fc.oneof(
    fc.boolean().map((final) => delivered({ final })),
    fc
      .record({
        kind: fc.constantFrom('deferred' as const, 'failed' as const),
        scope: fc.constantFrom('recipient', 'message', 'connection', 'host', 'path', 'site'),
        cause: fc.constantFrom('reply', 'dns', 'connection', 'tls', 'local'),
        diagnostic: fc.oneof(
          fc.string(),
          fc.constantFrom('450 greylisted', '452 4.2.2 full', '450 try again in 9 minutes'),
        ),
      })
      .map((parts) => undelivered(parts as Partial<ReturnType<typeof undelivered>>)),
  );
  const given = fc.record({
    outcomes: fc.array(outcome, { minLength: 1, maxLength: 100 }),
    startedAt: fc.nat(7 * DAY),
    took: fc.nat(HOUR),
    random: fc.double({ min: 0, max: 0.99, noNaN: true }),
    clock: fc.constantFrom('steady' as const, 'moved' as const),
    failures: fc.constantFrom('final' as const, 'softBounce' as const),
  });
  fc.assert(
    fc.property(given, ({ outcomes, startedAt, took, random, clock, failures }) => {
      const entry = entryOf({ recipients: outcomes.map((_, i) => recipientOf(`r${i}@x.test`, i)) });
      const now = startedAt + took;
      const done = dispose(entry, outcomes, context({ startedAt, now, random: () => random, clock, failures }));
      const seen = [...done.over.map(({ recipient }) => recipient.index), ...done.put.flatMap((put) => indexes(put)!)];
      assert.deepEqual(
        seen.toSorted((a, b) => a - b),
        outcomes.map((_, i) => i),
      );
      assert.equal(new Set(done.put.map(({ id }) => id)).size, done.put.length);
      assert.equal(done.remove.includes(entry.id), !done.put.some(({ id }) => id === entry.id));
      assert.ok(done.put.every(({ dueAt }) => dueAt > now));
      const told = done.deferred.flatMap(({ recipients }) => recipients.map(({ index }) => index));
      assert.deepEqual(new Set(told), new Set(done.put.flatMap((put) => indexes(put)!)));
    }),
  );
});
