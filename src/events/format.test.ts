import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Event } from './event.ts';
import { eventLine, MAX_RECIPIENTS, MAX_STRING, parseEvent } from './format.ts';
import { EVENT_FIELDS } from './event-fields.ts';
import { describeEvents } from './describe.ts';
import { EVENTS } from './samples.ts';

const SOURCE = readFileSync(new URL('event.ts', import.meta.url), 'utf8');

describe('eventLine and parseEvent', () => {
  for (const event of Object.values(EVENTS)) {
    test(`${event.kind} reads back as it was`, () => {
      // Fields that are absent are not written.
      const written = JSON.parse(JSON.stringify(event)) as Event;
      assert.deepEqual(parseEvent(eventLine(event)), { ok: true, value: written });
    });
  }

  test('whatever a stranger sends, the line is one line, and shows no control', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const event = { ...EVENTS.rejected, reply: text, clientName: text };
        const line = eventLine(event);
        assert.doesNotMatch(line, /[\p{Cc}\u2028\u2029\u202e]/u);
        const back = parseEvent(line);
        assert.ok(back.ok && back.value.kind === 'rejected');
        assert.equal(back.value.reply, text);
      }),
    );
  });

  test('long strings are cut, and the rest of the event is kept', () => {
    const line = eventLine({ ...EVENTS.accepted, subject: 'x'.repeat(1e6) });
    const event = parseEvent(line);
    assert.ok(event.ok && event.value.kind === 'accepted');
    assert.equal(event.value.subject.length, MAX_STRING);
    assert.ok(event.value.subject.endsWith('x…'));
    assert.equal(event.value.octets, EVENTS.accepted.octets);
  });

  test('recipients beyond the limit are counted', () => {
    const recipients = Array.from({ length: MAX_RECIPIENTS + 7 }, (_, i) => `r${i}@b.test`);
    const event = parseEvent(eventLine({ ...EVENTS.accepted, recipients }));
    assert.ok(event.ok && event.value.kind === 'accepted');
    assert.equal(event.value.recipients.length, MAX_RECIPIENTS);
    assert.equal((event.value as unknown as { moreRecipients: number }).moreRecipients, 7);
  });

  const bad: readonly { name: string; line: string }[] = [
    { name: 'a torn line', line: eventLine(EVENTS.accepted).slice(0, 40) },
    { name: 'an empty line', line: '' },
    { name: 'an array', line: '[]' },
    { name: 'null', line: 'null' },
    { name: 'no kind', line: '{"at":1}' },
    { name: 'an unknown kind', line: '{"kind":"exploded","at":1}' },
    { name: 'a kind that every object has', line: '{"kind":"toString","at":1}' },
    { name: 'a missing field', line: '{"kind":"resumed","at":1,"rule":"r","target":"t"}' },
    { name: 'a field of another type', line: '{"kind":"resumed","at":"now","rule":"r","target":"t","by":"b"}' },
    {
      name: 'recipients that are no texts',
      line: eventLine(EVENTS.dsn).replace('["bob@b.test"]', '[1]'),
    },
  ];
  for (const { name, line } of bad) test(`${name} is no event`, () => assert.equal(parseEvent(line).ok, false));
});

describe('describeEvents', () => {
  const described = describeEvents(SOURCE);

  test('every kind of the catalogue is described, with its comment', () => {
    assert.deepEqual(described.map(({ kind }) => kind).sort(), Object.keys(EVENT_FIELDS).sort());
    for (const { kind, doc } of described) assert.ok(doc.length > 10, `${kind} says what it is`);
  });

  test('the fields are those that are read, inherited ones too', () => {
    for (const { kind, fields } of described) {
      const read = Object.keys(EVENT_FIELDS[kind as Event['kind']]).sort();
      assert.deepEqual(fields.map(({ name }) => name).sort(), read, kind);
    }
  });

  test('types and comments are those of the source', () => {
    const dsn = described.find(({ kind }) => kind === 'dsn');
    assert.equal(dsn?.doc, 'A delivery status notification was made from the notices of a message.');
    const about = dsn?.fields.find(({ name }) => name === 'about');
    assert.deepEqual(about, { name: 'about', type: 'string', doc: "The message it tells of; `''` in a summary." });
    const recipients = dsn?.fields.find(({ name }) => name === 'recipients');
    assert.equal(recipients?.type, 'readonly string[]');
  });

  test('a comment of several lines becomes one', () => {
    const text = `export type Event = AEvent;
/** One
 * two. */
export interface AEvent {
  readonly kind: 'a';
  /**
   * Three
   * four.
   */
  readonly x: 'p' | 'q' | undefined;
}`;
    assert.deepEqual(describeEvents(text), [
      { kind: 'a', doc: 'One two.', fields: [{ name: 'x', type: "'p' | 'q' | undefined", doc: 'Three four.' }] },
    ]);
  });
});
