import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ruleOf } from '../../test/lib/entries.ts';
import { type RuleTarget } from '../mail/rule.ts';
import { Rules, type RuleSubject } from './rules.ts';

const subject: RuleSubject = {
  queue: { campaign: 'spring', tenant: 'shop', domain: 'example.com' },
  message: 'm1',
  site: 'mx.example.com',
  source: 'default',
  sender: 'news@shop.test',
  recipients: ['ann@example.com', 'bob@example.com'],
};

describe('what a rule matches', () => {
  const cases: readonly (readonly [RuleTarget, boolean])[] = [
    [{}, true],
    [{ campaign: 'spring' }, true],
    [{ campaign: 'autumn' }, false],
    [{ tenant: 'shop' }, true],
    [{ tenant: 'shop', domain: 'example.com' }, true],
    [{ tenant: 'shop', domain: 'example.org' }, false],
    [{ domain: 'example.com' }, true],
    [{ message: 'm1' }, true],
    [{ message: 'm2' }, false],
    [{ site: 'mx.example.com' }, true],
    [{ source: 'default', site: 'other' }, false],
    [{ source: 'default' }, true],
    [{ sender: '*@shop.test' }, true],
    [{ sender: '<>' }, false],
    [{ recipient: 'bob@*' }, true],
    [{ recipient: 'carl@example.com' }, false],
    [{ tenant: 'shop', sender: 'other@shop.test' }, false],
  ];
  for (const [target, want] of cases)
    test(`${JSON.stringify(target)}: ${want}`, () => {
      assert.equal(new Rules([ruleOf({ target })]).decide(subject, 0).kind, want ? 'suspended' : 'go');
    });

  test('mail to a next hop is found by the domains of its recipients, and once', () => {
    const relayed = { ...subject, queue: { ...subject.queue, domain: '192.0.2.1:25' } };
    const rules = new Rules([ruleOf({ target: { domain: 'example.com' } })]);
    assert.equal(rules.decide(relayed, 0).kind, 'suspended');
    assert.equal(rules.matching(relayed, 0).length, 1);
    assert.equal(rules.matching(subject, 0).length, 1);
    assert.equal(rules.decide({ queue: relayed.queue }, 0).kind, 'go');
    assert.equal(new Rules([ruleOf({ target: { domain: '192.0.2.1:25' } })]).decide(relayed, 0).kind, 'suspended');
  });

  test('what is not known yet does not match a rule that names it', () => {
    const rules = new Rules([
      ruleOf({ target: { site: 'mx.example.com' } }),
      ruleOf({ id: 'r2', target: { sender: '*' } }),
    ]);
    assert.equal(rules.decide({ queue: subject.queue }, 0).kind, 'go');
  });
});

describe('which rule decides', () => {
  const hold = ruleOf({ id: 'h', kind: 'hold' });
  const short = ruleOf({ id: 's', until: 100 });
  const long = ruleOf({ id: 'l', until: 200 });
  const reroute = ruleOf({ id: 'r', kind: 'reroute', route: 'hub' });

  test('hold before suspension before reroute', () => {
    assert.equal(new Rules([reroute, short, hold]).decide(subject, 0).kind, 'held');
    assert.equal(new Rules([reroute, short]).decide(subject, 0).kind, 'suspended');
    assert.deepEqual(new Rules([reroute]).decide(subject, 0), { kind: 'rerouted', rule: reroute, route: 'hub' });
  });

  test('the suspension that lasts longer', () => {
    for (const order of [
      [short, long],
      [long, short],
    ])
      assert.deepEqual(new Rules(order).decide(subject, 0), { kind: 'suspended', rule: long, until: 200 });
    assert.deepEqual(new Rules([long, ruleOf({ id: 'x' })]).decide(subject, 0), {
      kind: 'suspended',
      rule: ruleOf({ id: 'x' }),
      until: undefined,
    });
  });

  test('a rule ends by itself, even before it is swept', () => {
    const rules = new Rules([short, long]);
    assert.equal(rules.nextEnd(), 100);
    assert.deepEqual(rules.decide(subject, 150), { kind: 'suspended', rule: long, until: 200 });
    assert.deepEqual(rules.expire(100), [short]);
    assert.equal(rules.nextEnd(), 200);
    assert.deepEqual(rules.expire(200), [long]);
    assert.equal(rules.nextEnd(), undefined);
    assert.equal(rules.size, 0);
  });
});

test('a rule is replaced by its id and removed once', () => {
  const rules = new Rules([ruleOf({ target: { tenant: 'shop' } })]);
  rules.put(ruleOf({ epoch: 7, target: { tenant: 'other' } }));
  assert.equal(rules.size, 1);
  assert.equal(rules.epoch, 7);
  assert.equal(rules.decide(subject, 0).kind, 'go');
  assert.equal(rules.remove('r1')?.epoch, 7);
  assert.equal(rules.remove('r1'), undefined);
  assert.deepEqual(rules.list(), []);
});

test('rules about other messages are not looked at', () => {
  const rules = new Rules();
  for (let i = 0; i < 10_000; i++) rules.put(ruleOf({ id: `r${i}`, target: { message: `x${i}` } }));
  let looked = 0;
  const counting: RuleSubject = {
    queue: subject.queue,
    get message() {
      looked++;
      return 'x7';
    },
  };
  assert.equal(rules.decide(counting, 0).kind, 'suspended');
  assert.ok(looked < 10, `${looked}`);
});
