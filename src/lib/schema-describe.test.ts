import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describe } from './schema-describe.ts';
import { choice, count, group, list, optional, record, required, text, variants } from './schema.ts';

test('a page names every option with what it is, its default and its meaning', () => {
  const page = describe({
    hostname: required(text('mx.example.com', 'Our name.')),
    note: optional(text('hello', 'A note.')),
    tls: choice(['off', 'a|b'], 'off', 'Whether.'),
    limits: group({ hops: count(100, 'Hops.', { min: 1, max: 200 }) }, 'Limits.'),
    routes: list(variants({ mx: { port: count(25, 'Port.') }, discard: {} }, 'A route.'), [{ kind: 'mx' }], 'Routes.'),
    aliases: record(text('ann', 'Who.'), 'Aliases.'),
  });
  assert.equal(
    page,
    [
      '| Option | Is | Default | |',
      '| --- | --- | --- | --- |',
      '| `hostname` | text on one line | **required** | Our name. |',
      '| `note` | text on one line | none | A note. |',
      '| `tls` | off or a\\|b | `"off"` | Whether. |',
      '| `limits` | a group | below | Limits. |',
      '| `routes` | a list: a group, one of the kinds mx, discard | `[{"kind":"mx"}]` | Routes. |',
      '| `aliases` | by name: text on one line | `{}` | Aliases. |',
      '',
      '## `limits`',
      '',
      'Limits.',
      '',
      '| Option | Is | Default | |',
      '| --- | --- | --- | --- |',
      '| `hops` | a number from 1 to 200 | `100` | Hops. |',
      '',
      '## `routes[]`',
      '',
      "With `kind: 'mx'`:",
      '',
      '| Option | Is | Default | |',
      '| --- | --- | --- | --- |',
      "| `kind` | 'mx' | **required** |  |",
      '| `port` | a whole number from 0 | `25` | Port. |',
      '',
      '## `routes[]`',
      '',
      "With `kind: 'discard'`:",
      '',
      '| Option | Is | Default | |',
      '| --- | --- | --- | --- |',
      "| `kind` | 'discard' | **required** |  |",
      '',
    ].join('\n'),
  );
});

test('the same options are described once', () => {
  const wait = (first: number, doc: string) => group({ first: count(first, 'First.'), last: count(9, 'Last.') }, doc);
  const page = describe({ a: wait(1, 'A.'), b: wait(2, 'B.'), c: optional(wait(3, 'C.')) });
  assert.deepEqual(page.match(/^## .*$/gm), ['## `a`']);
  assert.match(page, /\| `a` \| a group \| below \| A\. \|/);
});

test('what differs from where they were described stands in the row', () => {
  const wait = (first: number) => group({ first: count(first, 'First.') }, 'Wait.');
  const page = describe({ general: wait(1), special: group({ one: wait(2), two: optional(wait(3)) }, 'Special.') });
  assert.match(page, /\| `one` \| a group \| as `general`; in it `first 2` \| Wait\. \|/);
  assert.match(page, /\| `two` \| a group \| none; as `general`; in it `first 3` \| Wait\. \|/);
});
