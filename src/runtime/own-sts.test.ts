import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Config, readConfig } from '../config/config.ts';
import { parseStsPolicy } from '../tlspolicy/mta-sts.ts';
import { ownStsPolicy, ownStsText } from './own-sts.ts';

function config(mtaSts: object): Config {
  const written = { hostname: 'mx.a.test', local: { domains: ['a.test'] }, relay: { domains: ['r.test'] }, mtaSts };
  const read = readConfig(
    { ...written, routes: [{ kind: 'maildir', name: 'local', path: '/m/{user}', match: { recipients: ['a.test'] } }] },
    '/',
  );
  if (!read.ok) throw new Error(read.problems.map(String).join());
  return read.value;
}

describe('our own policy', () => {
  test('is off until it is asked for', () => {
    assert.equal(ownStsPolicy(config({})), undefined);
    assert.equal(ownStsText(config({}), 'a.test'), undefined);
  });

  test('names this host unless told', () => {
    const policy = ownStsPolicy(config({ mode: 'testing' }));
    assert.deepEqual(policy, { mode: 'testing', mx: ['mx.a.test'], maxAge: 604_800 });
  });

  test('is served for local and relay domains, and for no other', () => {
    const served = config({ mode: 'enforce', maxAge: '1h', mx: ['mx1.a.test', '*.backup.test'] });
    const policy = { mode: 'enforce', mx: ['mx1.a.test', '*.backup.test'], maxAge: 3600 };
    for (const domain of ['a.test', 'r.test'])
      assert.deepEqual(parseStsPolicy(ownStsText(served, domain)!), { ok: true, value: policy });
    for (const domain of ['b.test', 'x.a.test', '']) assert.equal(ownStsText(served, domain), undefined);
  });

  test('none takes it back', () => {
    assert.deepEqual(ownStsPolicy(config({ mode: 'none' })), { mode: 'none', mx: [], maxAge: 604_800 });
  });

  for (const [name, mtaSts] of [
    ['a host that is none', { mode: 'enforce', mx: ['mx_1..test'] }],
    ['an asterisk alone', { mode: 'enforce', mx: ['*'] }],
    ['a mode that is none', { mode: 'on' }],
    ['longer than a year', { mode: 'enforce', maxAge: '400d' }],
  ] as const) {
    test(`${name} is refused`, () => assert.throws(() => config(mtaSts)));
  }
});
