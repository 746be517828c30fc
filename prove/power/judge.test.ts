/** What a disk must hold, by what had been promised. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Found, type FoundMessage, Judge } from './judge.ts';
import { type Happening, type Recording } from './recording.ts';

const MAIL = { id: 'm1', sender: 's1@home.test', recipients: ['a@x.test'], octets: 10, sha256: 'digest' };
const STORED: FoundMessage = {
  ...{ id: 'm1', sender: 's1@home.test', open: ['a@x.test'], notices: [], octets: 40, sha256: 'digest' },
  front: 'Received: from a\r\n\tby b; now\r\n',
};
const REPORT: FoundMessage = { ...STORED, id: 'd1', sender: '', open: ['s1@home.test'], sha256: 'other' };
const EMPTY: Found = { messages: [], log: [], outbox: [], boxes: [], sequence: 0, problems: [] };
const EVENTS = { '1/0': '{"a":1}', '1/1': '{"a":2}', '2/0': '{"b":1}' };

function verdict(
  found: Partial<Found>,
  happened: readonly Omit<Happening, 'recipient'>[] = [],
  answered = true,
): readonly string[] {
  const happenings = happened.map((one) => ({ recipient: 'a@x.test', ...one }));
  const recording: Recording = { root: '/r', smtpPort: 25, traces: [], mails: [MAIL], happenings, events: EVENTS };
  return new Judge(recording).verdict({ ...EMPTY, ...found }, { answered: new Set(answered ? ['m1'] : []), at: 100 });
}

describe('a message', () => {
  const gone = [/is lost$/];
  const cases: readonly {
    name: string;
    found?: Partial<Found>;
    happened?: readonly (Omit<Happening, 'recipient'> & { readonly recipient?: string })[];
    answered?: boolean;
    want: readonly RegExp[];
  }[] = [
    { name: 'that was answered and is there', found: { messages: [STORED] }, want: [] },
    { name: 'that was answered and is gone', want: gone },
    { name: 'that was not answered may be gone', answered: false, want: [] },
    { name: 'that was not answered may be there', found: { messages: [STORED] }, answered: false, want: [] },
    { name: 'that was taken by the next hop', happened: [{ kind: 'taken', at: 99 }], want: [] },
    { name: 'that is taken only later', happened: [{ kind: 'taken', at: 101 }], want: gone },
    { name: 'that was refused, and nobody is told', happened: [{ kind: 'refused', at: 99 }], want: gone },
    {
      name: 'that was refused, and is to be told of',
      happened: [{ kind: 'refused', at: 99 }],
      found: { messages: [{ ...STORED, open: [], notices: ['a@x.test'] }] },
      want: [],
    },
    {
      name: 'that was refused, and a report waits',
      happened: [{ kind: 'refused', at: 99 }],
      found: { messages: [REPORT] },
      want: [],
    },
    {
      name: 'that was refused, and the report has gone out',
      happened: [
        { kind: 'refused', at: 90 },
        { kind: 'taken', at: 99, recipient: 's1@home.test' },
      ],
      want: [],
    },
    { name: 'that is in a mailbox of this machine', found: { boxes: ['a@x.test'] }, want: [] },
    { name: 'that was removed', happened: [{ kind: 'removed', at: 99 }], want: [] },
    { name: 'with other octets', found: { messages: [{ ...STORED, sha256: 'no' }] }, want: [/not as it was sent/] },
    { name: 'with something in front', found: { messages: [{ ...STORED, front: 'x' }] }, want: [/not as it was sent/] },
    {
      name: 'for somebody else, too',
      found: { messages: [{ ...STORED, open: ['a@x.test', 'b@x.test'] }] },
      want: [/for whom it was not/],
    },
    { name: 'of nobody', found: { messages: [STORED, { ...STORED, id: 'm2' }] }, want: [/nobody sent it/] },
    {
      name: 'a report for a stranger',
      found: { messages: [STORED, { ...REPORT, open: ['b@x.test'] }] },
      want: [/nobody sent it/],
    },
  ];
  for (const { name, found = {}, happened = [], answered, want } of cases)
    test(name, () => {
      const texts = verdict(found, happened, answered);
      assert.equal(texts.length, want.length, texts.join('\n'));
      for (const [i, text] of texts.entries()) assert.match(text, want[i]!);
    });
});

describe('the events', () => {
  const line = (sequence: number, n: number, text: string) => ({ sequence, n, line: text });
  const first = [line(1, 0, '{"a":1}'), line(1, 1, '{"a":2}')];
  const second = line(2, 0, '{"b":1}');
  const cases: readonly { name: string; found: Partial<Found>; want: RegExp | undefined }[] = [
    { name: 'all in the log', found: { sequence: 2, log: [...first, second] }, want: undefined },
    { name: 'twice in the log', found: { sequence: 2, log: [...first, second, second] }, want: undefined },
    { name: 'in the log and the outbox', found: { sequence: 2, log: first, outbox: [second] }, want: undefined },
    { name: 'of a commit that is not there', found: { sequence: 1, log: first }, want: undefined },
    {
      name: 'a line torn in the log and whole in the outbox',
      found: { sequence: 2, log: [...first, line(2, 0, '{"b\0')], outbox: [second] },
      want: undefined,
    },
    { name: 'one line is missing', found: { sequence: 2, log: [first[0]!, second] }, want: /event 1\/1 of 2 is lost/ },
    { name: 'a whole commit is missing', found: { sequence: 2, log: first }, want: /event 2\/0 of 2 is lost/ },
    {
      name: 'a commit that nobody knows',
      found: { sequence: 3, log: [...first, second] },
      want: /events 3 are nowhere/,
    },
    {
      name: 'ahead of the spool',
      found: { sequence: 1, log: [...first, second] },
      want: /the log has event 2, the spool only 1/,
    },
    { name: 'something else', found: { sequence: 1, log: [...first, line(1, 0, '{"c":1}')] }, want: /never happened/ },
  ];
  for (const { name, found, want } of cases)
    test(name, () => {
      const texts = verdict({ messages: [STORED], ...found });
      if (want === undefined) assert.deepEqual(texts, []);
      else assert.match(texts.join('\n'), want);
    });
});

test('what the product finds itself is told', () =>
  assert.deepEqual(verdict({ messages: [STORED], problems: ['a problem'] }), ['a problem']));
