import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import vm from 'node:vm';
import fc from 'fast-check';
import { parsed, unparsed } from './parsed.ts';
import {
  checkedText,
  choice,
  count,
  decimal,
  duration,
  durationOrNever,
  flag,
  group,
  list,
  octets,
  optional,
  partial,
  rate,
  read,
  record,
  refine,
  required,
  text,
  type Values,
  variants,
  type Written,
} from './schema.ts';
import { type Fields, formatProblem, shownValue } from './schema-reading.ts';
import { HOUR, MINUTE } from './time.ts';

const PORT = { min: 1, max: 65_535 };
const even = checkedText('22', 'Even.', {
  expected: 'an even number in words',
  parse: (value) => (Number(value) % 2 === 0 ? parsed(Number(value)) : unparsed('it is odd')),
});
const ROUTE = variants(
  {
    mx: { name: required(text('out', 'Its name.')), port: count(25, 'Port.', PORT) },
    maildir: { name: required(text('box', 'Its name.')), path: text('/var/mail', 'Where.') },
    discard: {},
  },
  'A route.',
);
const OPTIONS = {
  hostname: required(text('mx.example.com', 'Our name.')),
  wait: duration('15m', 'How long.', { min: MINUTE, max: 4 * HOUR }),
  warn: durationOrNever('4h', 'When.'),
  size: octets('50MiB', 'How large.', { max: 2 ** 30 }),
  share: decimal(0.5, 'How much.', { min: 0, max: 1 }),
  tls: choice(['off', 'starttls', 'implicit'], 'starttls', 'Whether.'),
  on: flag(true, 'On or off.'),
  even,
  note: optional(text('hello', 'A note.')),
  routes: list(ROUTE, [{ kind: 'mx', name: 'out' }], 'Routes.'),
  aliases: record(list(text('bob', 'Who.'), [], 'Targets.'), 'Aliases.'),
  limits: group({ hops: count(100, 'Hops.'), inner: group({ port: count(25, 'Port.', PORT) }, 'Inner.') }, 'Limits.'),
};

const DEFAULTS: Values<typeof OPTIONS> = {
  hostname: 'mx.test',
  wait: 15 * MINUTE,
  warn: 4 * HOUR,
  size: 50 * 2 ** 20,
  share: 0.5,
  tls: 'starttls',
  on: true,
  even: 22,
  note: undefined,
  routes: [{ kind: 'mx', name: 'out', port: 25 }],
  aliases: {},
  limits: { hops: 100, inner: { port: 25 } },
};

function problemsOf(fields: Fields, value: unknown): readonly string[] {
  const result = read(fields, value);
  return result.ok ? [] : result.problems.map(formatProblem);
}

describe('read', () => {
  test('gives the defaults of what is not written', () => {
    assert.deepEqual(read(OPTIONS, { hostname: 'mx.test' }), { ok: true, value: DEFAULTS });
  });

  test('an undefined value is one that is not written', () => {
    assert.deepEqual(read(OPTIONS, { hostname: 'mx.test', wait: undefined }), { ok: true, value: DEFAULTS });
  });

  test('gives what is written', () => {
    const written: Written<typeof OPTIONS> = {
      hostname: 'a.test',
      wait: '1h',
      warn: 'never',
      size: 12,
      share: 1,
      tls: 'off',
      on: false,
      even: '4',
      note: 'x',
      routes: [{ kind: 'discard' }, { kind: 'maildir', name: 'b' }],
      aliases: { root: ['ann', 'bob'] },
      limits: { inner: { port: 26 } },
    };
    assert.deepEqual(read(OPTIONS, written), {
      ok: true,
      value: {
        hostname: 'a.test',
        wait: HOUR,
        warn: undefined,
        size: 12,
        share: 1,
        tls: 'off',
        on: false,
        even: 4,
        note: 'x',
        routes: [{ kind: 'discard' }, { kind: 'maildir', name: 'b', path: '/var/mail' }],
        aliases: { root: ['ann', 'bob'] },
        limits: { hops: 100, inner: { port: 26 } },
      },
    });
  });

  test('tells every problem, not only the first', () => {
    const problems = problemsOf(OPTIONS, { wait: 'soon', size: -1, routes: [{ kind: 'mx', name: 'a', port: 0 }] });
    assert.equal(problems.length, 4);
  });

  test('an object from another realm is read', () => {
    const value: unknown = vm.runInNewContext('({ hostname: "mx.test" })');
    assert.equal(read(OPTIONS, value).ok, true);
  });
});

describe('a problem names the path, the value and the fix', () => {
  const cases: readonly (readonly [name: string, written: object, want: string])[] = [
    [
      'a number given as a word',
      { routes: [{ kind: 'discard' }, { kind: 'mx', name: 'a', port: 'smtp' }] },
      'routes[1].port: "smtp" is not a number from 1 to 65535; write 25',
    ],
    [
      'a number in quotes is proposed without them',
      { limits: { inner: { port: '587' } } },
      'limits.inner.port: "587" is not a number from 1 to 65535; write 587',
    ],
    ['a fraction', { limits: { hops: 1.5 } }, 'limits.hops: 1.5 is not a whole number from 0; write 100'],
    ['not a number at all', { limits: { hops: NaN } }, 'limits.hops: NaN is not a whole number from 0; write 100'],
    ['a duration without a unit', { wait: 15 }, 'wait: 15 is not a duration like 15m, from 1m to 4h; write "15m"'],
    [
      'a duration out of its bounds',
      { wait: '5h' },
      'wait: "5h" is not a duration like 15m, from 1m to 4h (more than 4h); write "15m"',
    ],
    ['never or a duration', { warn: 'always' }, 'warn: "always" is not a duration like 4h, or never; write "4h"'],
    ['a misspelt choice', { tls: 'startls' }, 'tls: "startls" is not off, starttls or implicit; write "starttls"'],
    ['a word for a flag', { on: 'yes' }, 'on: "yes" is not true or false; write true'],
    ['text that does not parse', { even: '3' }, 'even: "3" is not an even number in words (it is odd); write "22"'],
    ['a line end in text', { note: 'a\r\nb' }, 'note: "a\\r\\nb" is not text on one line; write "hello"'],
    ['a misspelt name', { hostnme: 'x' }, 'hostnme: there is no such option; did you mean hostname?'],
    [
      'a name that is like no other',
      { limits: { colour: 1 } },
      'limits.colour: there is no such option; the names here are hops, inner',
    ],
    ['one value for a list', { routes: 'mx' }, `routes: "mx" is not a list; write [{ kind: 'mx' }]`],
    ['a list for a group', { limits: [] }, 'limits: [] is not a group of options in braces; write { name: value, … }'],
    [
      'null for a group',
      { limits: null },
      'limits: null is not a group of options in braces; write { name: value, … }',
    ],
    [
      'a kind that is not there',
      { routes: [{ kind: 'MX' }] },
      `routes[0].kind: "MX" is not mx, maildir or discard; write 'mx'`,
    ],
    ['no kind', { routes: [{}] }, `routes[0].kind: missing, mx, maildir or discard is needed; write 'mx'`],
    [
      'a missing name in a variant',
      { routes: [{ kind: 'mx' }] },
      'routes[0].name: missing, text on one line is needed; write "out"',
    ],
    [
      'a wrong element in a record',
      { aliases: { 'a b': [3] } },
      'aliases["a b"][0]: 3 is not text on one line; write "bob"',
    ],
    ['a function', { note: () => 1 }, 'note: a function is not text on one line; write "hello"'],
    ['a bigint', { limits: { hops: 10n } }, 'limits.hops: 10 is not a whole number from 0; write 100'],
  ];
  for (const [name, written, want] of cases)
    test(name, () => assert.deepEqual(problemsOf(OPTIONS, { hostname: 'mx.test', ...written }), [want]));

  test('a required name', () => {
    assert.deepEqual(problemsOf(OPTIONS, {}), [
      'hostname: missing, text on one line is needed; write "mx.example.com"',
    ]);
  });

  test('the whole is not a group', () => {
    assert.deepEqual(problemsOf(OPTIONS, 'x'), ['"x" is not a group of options in braces; write { name: value, … }']);
    assert.equal(problemsOf(OPTIONS, undefined).length, 1);
    assert.equal(problemsOf(OPTIONS, new Map()).length, 1);
  });
});

describe('names of an object’s prototype', () => {
  for (const name of ['__proto__', 'constructor', 'prototype']) {
    const written: unknown = JSON.parse(`{ "hostname": "a.test", "${name}": { "polluted": true } }`);
    test(`${name} is no option`, () => {
      assert.deepEqual(problemsOf(OPTIONS, written), [`${name}: this name cannot be used; remove it`]);
    });
    test(`${name} is no name in a record`, () => {
      const aliases: unknown = JSON.parse(`{ "${name}": ["a"] }`);
      assert.deepEqual(problemsOf(OPTIONS, { hostname: 'a.test', aliases }), [
        `aliases.${name}: this name cannot be used; remove it`,
      ]);
    });
  }
  for (const name of ['toString', 'hasOwnProperty', 'valueOf']) {
    test(`${name} is unknown, not inherited`, () => {
      assert.match(problemsOf(OPTIONS, { hostname: 'a.test', [name]: 1 })[0]!, /there is no such option/);
      assert.match(
        problemsOf(OPTIONS, { hostname: 'a.test', routes: [{ kind: name }] })[0]!,
        /is not mx, maildir or discard/,
      );
    });
  }
});

test('no value makes it throw, and nothing that was not declared gets through', () => {
  const values = fc.anything({ withBigInt: true, withMap: true, withNullPrototype: true, withSparseArray: true });
  fc.assert(
    fc.property(values, fc.constantFrom(...Object.keys(OPTIONS)), (value, name) => {
      const result = read(OPTIONS, { hostname: 'a.test', [name]: value });
      if (result.ok) assert.deepEqual(Object.keys(result.value), Object.keys(OPTIONS));
      else for (const problem of result.problems) assert.ok(formatProblem(problem).length < 1000);
    }),
  );
});

describe('shownValue', () => {
  test('is cut short', () => assert.equal(shownValue('x'.repeat(1000)).length, 60));
  test('of what refers to itself', () => {
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    assert.equal(shownValue(loop), 'an object');
  });
});

describe('partial', () => {
  const fields = { pace: partial({ hops: count(3, 'Hops.'), speed: rate('1/h', 'Speed.') }, 'Pace.') };
  test('has only what was written', () => {
    assert.deepEqual(read(fields, { pace: { speed: '5/m' } }), {
      ok: true,
      value: { pace: { speed: { amount: 5, period: MINUTE, burst: 1 } } },
    });
    assert.deepEqual(read(fields, {}), { ok: true, value: { pace: {} } });
  });
  test('refuses as a group does', () => {
    assert.deepEqual(problemsOf(fields, { pace: { hops: 'x', speeed: 1 } }), [
      'pace.speeed: there is no such option; did you mean speed?',
      'pace.hops: "x" is not a whole number from 0; write 3',
    ]);
  });
});

describe('refine', () => {
  const words = refine(list(text('a', 'A.'), ['a'], 'Words.'), 'a list of at least one word', (value) =>
    value.length > 0 ? parsed(value.join(' ')) : unparsed('it is empty'),
  );
  test('makes something else of what was read', () => {
    assert.deepEqual(read({ words }, { words: ['b', 'c'] }), { ok: true, value: { words: 'b c' } });
    assert.deepEqual(read({ words }, {}), { ok: true, value: { words: 'a' } });
  });
  test('refuses', () => {
    assert.deepEqual(problemsOf({ words }, { words: [] }), [
      'words: [] is not a list of at least one word (it is empty); mend it as said',
    ]);
  });
});
