import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatMailbox, type Mailbox, parseMailbox } from '../mail/path.ts';
import { Aliases, type AliasOptions } from './aliases.ts';

const options: AliasOptions = {
  aliases: {
    sales: ['ann@local.test', 'bob@far.test'],
    'info@other.test': ['sales@local.test'],
    loop: ['loop@local.test'],
    ping: ['pong@local.test'],
    pong: ['ping@local.test'],
    short: ['ann'],
  },
  localDomains: ['local.test', 'other.test'],
  postmaster: 'admin@far.test',
  hostname: 'local.test',
};

function mailbox(text: string): Mailbox {
  const read = parseMailbox(text);
  assert.ok(read.ok, text);
  return read.value;
}

function compiled(changes: Partial<AliasOptions> = {}): Aliases {
  const aliases = Aliases.compile({ ...options, ...changes });
  assert.ok(aliases.ok, aliases.ok ? '' : aliases.reason);
  return aliases.value;
}

function expand(address: string, aliases = compiled()): readonly string[] {
  return aliases.expand(mailbox(address)).map(formatMailbox);
}

describe('an address stands for', () => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ['itself when it is no alias', 'ann@local.test', ['ann@local.test']],
    ['itself in a domain that is not ours', 'sales@far.test', ['sales@far.test']],
    ['its targets, near and far', 'sales@local.test', ['ann@local.test', 'bob@far.test']],
    [
      'the same in every local domain when the alias names none',
      'sales@other.test',
      ['ann@local.test', 'bob@far.test'],
    ],
    ['the same in any case', 'SALES@local.test', ['ann@local.test', 'bob@far.test']],
    ['the targets of its targets', 'info@other.test', ['ann@local.test', 'bob@far.test']],
    ['nothing of an alias for another domain', 'info@local.test', ['info@local.test']],
    ['itself when it is an alias of itself', 'loop@local.test', ['loop@local.test']],
    ['a mailbox here when the target has no domain', 'short@local.test', ['ann@local.test']],
    ['the postmaster when it is a role that the map does not name', 'abuse@other.test', ['admin@far.test']],
  ];
  for (const [name, address, want] of cases) test(name, () => assert.deepEqual(expand(address), want));

  test('the postmaster when it is postmaster without a domain', () => {
    assert.deepEqual(compiled().expand({ localPart: 'PostMaster', domain: '' }).map(formatMailbox), ['admin@far.test']);
  });
});

test('a loop of aliases ends', () => assert.equal(expand('ping@local.test').length, 1));

test('a chain longer than ten ends where it is', () => {
  const chain = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`a${i}`, [`a${i + 1}@local.test`]]));
  assert.deepEqual(expand('a0@local.test', compiled({ aliases: chain })), ['a10@local.test']);
});

test('an alias that multiplies at each step stays bounded', () => {
  const bomb = Object.fromEntries(
    Array.from({ length: 10 }, (_, i) => [`a${i}`, Array.from({ length: 4 }, (_, k) => `a${i + 1}@d${k}.test`)]),
  );
  const aliases = compiled({ aliases: bomb, localDomains: ['d0.test', 'd1.test', 'd2.test', 'd3.test'] });
  assert.ok(aliases.expand(mailbox('a0@d0.test')).length <= 1000);
});

test('names of prototype members are no aliases', () => {
  assert.deepEqual(expand('constructor@local.test'), ['constructor@local.test']);
});

test('a target that is no address is refused with its name', () => {
  const bad = Aliases.compile({ ...options, aliases: { x: ['not an address@@'] } });
  assert.ok(!bad.ok);
  assert.match(bad.reason, /alias x: "not an address@@"/);
});

describe('an alias map cannot be used', () => {
  const many = Object.fromEntries(
    Array.from({ length: 8 }, (_, i) => [
      `list${i}`,
      i === 7
        ? ['end@far.test']
        : Array.from({ length: 4 }, (_, k) => [`list${i + 1}@local.test`, `l${i}n${k}@far.test`]).flat(),
    ]),
  );
  const cases: readonly (readonly [string, AliasOptions['aliases'], RegExp])[] = [
    ['with an alias that leads nowhere: its mail would vanish', { nobody: [] }, /alias nobody leads nowhere/],
    ['with a target that is no address', { bad: ['a@b@c'] }, /alias bad: "a@b@c" is not an address/],
    [
      'with an alias that leads to more than can be kept',
      { all: Array.from({ length: 5001 }, (_, i) => `n${i}@far.test`) },
      /alias all leads to more than 5000 addresses/,
    ],
  ];
  for (const [name, aliases, reason] of cases)
    test(name, () => {
      const read = Aliases.compile({ ...options, aliases });
      assert.match(read.ok ? '' : read.reason, reason);
    });

  test('but one whose lists lead to each other often, and to few addresses, can', () => {
    const found = expand('list0@local.test', compiled({ aliases: many }));
    assert.equal(new Set(found).size, found.length);
    assert.ok(found.includes('end@far.test'));
  });
});
