import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DEFAULT_LIMITS, DEFAULT_PACING, pacingFor, SHIPPED_RULES, type PacingRule } from './pace.ts';

const site = (domain: string, ...names: readonly string[]) => ({
  site: names.join(','),
  domain,
  hosts: names.map((name) => ({ name })),
});

describe('pacingFor', () => {
  test('without a rule a site is its own group, and every value is a default', () => {
    const pace = pacingFor(site('a.test', 'mx.a.test'), DEFAULT_PACING);
    assert.equal(pace.group, 'mx.a.test');
    assert.deepEqual(pace.values, DEFAULT_LIMITS);
    assert.deepEqual(new Set(Object.values(pace.by)), new Set(['default']));
  });

  test('a provider is known by its MX, whatever the domain, and each value says who set it', () => {
    const pace = pacingFor(site('shop.test', 'aspmx.l.google.com', 'ALT1.aspmx.l.google.com'), DEFAULT_PACING);
    assert.equal(pace.group, 'google');
    assert.equal(pace.values.connections, 5);
    assert.equal(pace.by.connections, 'shipped rule google');
    assert.equal(pace.by.idleTimeout, 'default');
  });

  test('every host must be the provider’s', () => {
    assert.equal(
      pacingFor(site('x.test', 'aspmx.l.google.com', 'mx.x.test'), DEFAULT_PACING).group,
      'aspmx.l.google.com,mx.x.test',
    );
    assert.equal(pacingFor(site('x.test', 'notgoogle.com'), DEFAULT_PACING).group, 'notgoogle.com');
    assert.equal(pacingFor(site('x.test'), DEFAULT_PACING).group, '');
  });

  test('the first rule that matches decides', () => {
    const own: PacingRule = {
      name: 'own',
      by: 'queue.pace.rules[0]',
      match: { domains: ['shop.test', '.shop.test'] },
      limits: { connections: 1 },
    };
    const bySite: PacingRule = {
      name: 'one',
      by: 'queue.pace.rules[1]',
      match: { sites: ['mx.b.test'] },
      limits: { depth: 1 },
    };
    const pacing = { defaults: DEFAULT_LIMITS, rules: [own, bySite, ...SHIPPED_RULES] };
    const group = (domain: string, host: string) => pacingFor(site(domain, host), pacing).group;
    assert.equal(group('shop.test', 'aspmx.l.google.com'), 'own');
    assert.equal(group('a.shop.test', 'mx.b.test'), 'own');
    assert.equal(group('workshop.test', 'mx.b.test'), 'one');
    assert.equal(group('other.test', 'aspmx.l.google.com'), 'google');
  });

  const providers = [
    ['gmail-smtp-in.l.google.com', 'google'],
    ['mta5.am0.yahoodns.net', 'yahoo'],
    ['outlook-com.olc.protection.outlook.com', 'outlook'],
    ['contoso-com.mail.protection.outlook.com', 'office365'],
    ['mx01.mail.icloud.com', 'apple'],
    ['mx1.mxge.comcast.net', 'comcast'],
    ['smtp-in.orange.fr', 'orange'],
  ] as const;
  for (const [host, group] of providers)
    test(`${host} is ${group}`, () => assert.equal(pacingFor(site('x.test', host), DEFAULT_PACING).group, group));
});
