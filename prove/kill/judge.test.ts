import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Event } from '../../src/events/event.ts';
import { ageAtKill, type Evidence, judge } from './judge.ts';
import { type Copy } from './sink.ts';
import { type Sent } from './source.ts';

const OK = 'm1-0.ok@site0.test';
const LATER = 'm1-1.later@site1.test';
const NEVER = 'm1-2.never@site1.test';
const FROM = 's1@home.test';
const ID = '0123456789abcdefghij';

const letter = (more: Partial<Sent> = {}): Sent => ({
  ...{ number: 1, from: FROM, to: [OK, LATER, NEVER], digest: 'd', fate: 'accepted', queueId: ID, ...more },
});
const copy = (to: string, more: Partial<Copy> = {}): Copy => ({
  ...{ recipients: [to], sender: FROM, digest: 'd', queueId: ID, report: undefined, answeredAt: 1000, ...more },
});
const report = (about: readonly string[], more: Partial<Copy> = {}, id = '<r1>'): Copy =>
  copy(FROM, { sender: '', digest: 'r', report: { id, about }, ...more });
const event = (fields: Partial<Event> & Pick<Event, 'kind'>): Event => ({ queueId: ID, ...fields }) as Event;

const EVENTS = [
  event({ kind: 'accepted', recipients: [OK, LATER, NEVER] }),
  event({ kind: 'delivered', recipients: [OK] }),
  event({ kind: 'delivered', recipients: [LATER] }),
  event({ kind: 'failed', recipients: [NEVER] }),
];
const WELL: Evidence = {
  sent: [letter()],
  copies: [copy(OK), copy(LATER), report([NEVER])],
  ...{ kills: [], stalls: [], recorded: [], events: EVENTS },
};

function failures(more: Partial<Evidence>): readonly string[] {
  return judge({ ...WELL, ...more }).failures.map((failure) => failure.slice(0, failure.indexOf(':')));
}

describe('a run in which all went well', () => {
  test('has no failures', () => {
    assert.deepEqual(judge(WELL), { failures: [], ages: [], reports: 1 });
  });

  for (const fate of ['refused', 'unsent', 'unanswered'] as const)
    test(`may leave out a letter that was ${fate}`, () =>
      assert.deepEqual(failures({ sent: [letter({ fate, queueId: '' })], copies: [], events: [] }), []));
});

describe('what is found', () => {
  const [ok, later] = [copy(OK), copy(LATER)];
  const found: readonly [name: string, evidence: Partial<Evidence>, failures: readonly string[]][] = [
    ['a lost recipient', { copies: [ok, report([NEVER])] }, ['is lost (accepted)']],
    ['a failure that nobody was told of', { copies: [ok, later] }, ['is lost (accepted)']],
    [
      'a part of a message that nobody answered',
      { sent: [letter({ fate: 'unanswered' })], copies: [ok, report([NEVER])] },
      ['is lost (unanswered)'],
    ],
    ['a refused one that came', { sent: [letter({ fate: 'refused' })] }, ['was delivered though it was refused']],
    ['one that was never whole', { sent: [letter({ fate: 'unsent' })] }, ['was delivered though it was unsent']],
    ['other octets', { copies: [copy(OK, { digest: 'x' }), later, report([NEVER])] }, ['arrived with other octets']],
    [
      'another sender',
      { copies: [copy(OK, { sender: 'x@y.test' }), later, report([NEVER])] },
      [`arrived from x@y.test instead of ${FROM}`],
    ],
    ['another queue id', { copies: [copy(OK, { queueId: 'x' }), later, report([NEVER])] }, [`arrived as x, not ${ID}`]],
    [
      'a failure told twice',
      { copies: [ok, later, report([NEVER]), report([NEVER], {}, '<r2>')] },
      ['is told in 2 reports'],
    ],
    [
      'a failure told to somebody else',
      { copies: [ok, later, report([NEVER], { recipients: ['s2@home.test'] })] },
      [`is told to s2@home.test instead of ${FROM}`],
    ],
    [
      'a report about one that arrived',
      { copies: [ok, later, report([NEVER, OK])] },
      ['was reported though it arrived'],
    ],
    [
      'one who refuses and takes',
      { copies: [ok, later, copy(NEVER), report([NEVER])] },
      ['was taken by who refuses it'],
    ],
    ['a stranger', { copies: [...WELL.copies, copy('m9-0.ok@site0.test')] }, ['was never sent']],
    ['an event that is missing', { events: EVENTS.slice(1) }, ['is in the event log 0 times']],
    ['an event too many', { events: [...EVENTS, EVENTS[1]!] }, ['is in the event log 2 times']],
  ];
  for (const [name, evidence, expected] of found) test(name, () => assert.deepEqual(failures(evidence), expected));
});

describe('a copy that comes again', () => {
  const kill = { at: 1020, what: 'any instant' };
  const again = [...WELL.copies, copy(OK, { answeredAt: 5000 })];

  test('is excused by a kill within 50 ms', () =>
    assert.deepEqual(judge({ ...WELL, copies: again, kills: [kill] }), { failures: [], ages: [20], reports: 1 }));

  test('is not without a kill, before the first or long before one', () => {
    for (const kills of [[], [{ ...kill, at: 1051 }]])
      assert.match(failures({ copies: again, kills })[0]!, /^came again though it was answered/);
  });

  test("is told of with the kill that followed, and how much of the time before it was nobody's", () =>
    assert.deepEqual(
      judge({
        ...{ ...WELL, copies: again, kills: [{ ...kill, at: 1100 }] },
        stalls: [{ from: 1010, to: 1020 }],
      }).failures,
      [
        `came again though it was answered 90 ms before a kill: ${OK} (100 ms before a kill at any instant, stalled for 10 of them; answered again 4000 ms later)`,
      ],
    ));

  test('counts as what it is for reports too', () => {
    const copies = [...WELL.copies, report([NEVER], { answeredAt: 4000 })];
    assert.match(failures({ copies })[0]!, /^came again/);
    assert.deepEqual(failures({ copies, kills: [kill] }), []);
  });

  test('the next hop may have answered when nobody was there any more', () =>
    assert.equal(ageAtKill(1400, [kill], []), 0));

  test('is not when the outcome of the one before was heard, and commits followed', () => {
    const heard = (name: string, at: number) =>
      failures({ copies: again, kills: [kill], recorded: [{ name, at }] }).map((failure) => failure.slice(0, 10));
    assert.deepEqual(heard('m1-0.ok', 1010), ['came again']);
    assert.deepEqual(heard('m1-1.later', 1010), []);
    assert.deepEqual(heard('m1-0.ok', 5010), [], 'that was the outcome of the later one');
  });

  test('time in which the machine let nothing run is no time', () =>
    assert.equal(
      ageAtKill(
        1000,
        [{ ...kill, at: 1100 }],
        [
          { from: 900, to: 1060 },
          { from: 1090, to: 1200 },
        ],
      ),
      30,
    ));
});
