import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MX, siteAnswer } from '../../test/lib/queue-world.ts';
import { HOUR } from '../lib/time.ts';
import { type Route, type SmarthostRoute } from '../mail/route.ts';
import { DEFAULT_PACING } from './pace.ts';
import { type Site } from './site-state.ts';
import { dials, siteNameOf, SiteTable } from './site-table.ts';
import { type SiteAnswer } from './site.ts';

function tableOf(maxResolutions = 100) {
  const released: string[] = [];
  const table = new SiteTable({
    pacing: DEFAULT_PACING,
    sources: ['default'],
    maxResolutions,
    released: ({ name }) => released.push(name),
  });
  const learn = (domain: string, answer: SiteAnswer, now = 0): Site | undefined => {
    table.lookUp(MX, domain).asking = true;
    return table.resolved(domain, 'mx', { answer, now })?.site;
  };
  return { table, released, learn };
}

describe('SiteTable', () => {
  test('domains of one MX set share a site', () => {
    const { table, learn } = tableOf();
    assert.equal(learn('a.test', siteAnswer('mx.x')), learn('b.test', siteAnswer('mx.x')));
    assert.equal(table.size, 1);
  });

  test('a site keeps its identity while the new MX set shares a host with the old', () => {
    const { learn } = tableOf();
    const before = learn('a.test', siteAnswer('mx1.x,mx2.x'));
    assert.equal(learn('a.test', siteAnswer('mx2.x,mx3.x')), before);
    assert.equal(learn('a.test', siteAnswer('mx3.x')), before, 'from one set to the next');
    const moved = learn('a.test', siteAnswer('mx9.y'));
    assert.notEqual(moved, before);
    assert.equal(moved?.name, 'mx9.y');
  });

  test('a site to which nothing leads is forgotten', () => {
    const { table, learn, released } = tableOf();
    learn('a.test', siteAnswer('mx.x'));
    learn('a.test', siteAnswer('mx.y'));
    assert.deepEqual(released, ['mx.x']);
    assert.equal(table.size, 1);
    assert.deepEqual(
      [...table.groups()].map(({ name }) => name),
      ['mx.y'],
    );
  });

  test('the resolution used longest ago is dropped, one that is waited for is not', () => {
    const { table, learn } = tableOf(3);
    table.lookUp(MX, 'waiting.test').asking = true;
    for (const domain of ['a.test', 'b.test', 'c.test', 'd.test']) learn(domain, siteAnswer(`mx.${domain}`));
    assert.equal(table.resolutions, 3);
    assert.ok(table.peek(MX, 'waiting.test'));
    assert.equal(table.peek(MX, 'a.test'), undefined);
    assert.equal(table.size, 2);
  });

  test('an answer is believed for at least a second and at most an hour', () => {
    const { table, learn } = tableOf();
    learn('a.test', siteAnswer('mx.x', 0));
    assert.equal(table.peek(MX, 'a.test')?.until, 1000);
    learn('a.test', siteAnswer('mx.x', 99 * HOUR));
    assert.equal(table.peek(MX, 'a.test')?.until, HOUR);
  });

  test('an answer to no question is nothing', () => {
    const { table } = tableOf();
    assert.equal(table.resolved('a.test', 'mx', { answer: siteAnswer('mx.x'), now: 0 }), undefined);
  });

  test('a swapped configuration asks again', () => {
    const { table, learn } = tableOf();
    learn('a.test', siteAnswer('mx.x'));
    assert.ok(table.lookUp(MX, 'a.test').until > 0);
    assert.ok(table.lookUp({ ...MX }, 'a.test').until < 0);
  });
});

describe('site names', () => {
  const base = { name: 'r', match: {} };
  const open: SmarthostRoute = {
    ...base,
    kind: 'smarthost',
    host: 'h',
    port: 587,
    tls: 'verify',
    implicitTls: false,
    auth: undefined,
  };
  const lmtp: Route = { ...base, kind: 'lmtp', to: { host: 'h', port: 24 } };
  const socket: Route = { ...base, kind: 'lmtp', to: { socket: '/s' } };
  const maildir: Route = { ...base, kind: 'maildir', path: '/m' };

  test('credentials, protocol and port are part of the name', () => {
    const cases: readonly (readonly [Route, string])[] = [
      [MX, 'x'],
      [{ ...MX, port: 2525 }, 'x:2525'],
      [open, 'x'],
      [{ ...open, auth: { user: 'u', password: 'p' } }, 'x/r'],
      [lmtp, 'lmtp:x'],
    ];
    for (const [route, want] of cases) assert.equal(siteNameOf(route, 'x'), want);
  });

  test('routes that dial nobody have a site of their own at once', () => {
    assert.deepEqual([dials(socket), dials(maildir), dials(MX)], [false, false, true]);
    const { table } = tableOf();
    assert.equal(table.lookUp(maildir, 'maildir:r').site?.name, 'maildir:r');
    assert.equal(table.lookUp(socket, 'lmtp:r').site?.name, 'lmtp:r');
  });
});
