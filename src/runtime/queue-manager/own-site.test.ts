import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Route } from '../../mail/route.ts';
import { ownSite } from './own-site.ts';

const match = {};
const routes: readonly (readonly [Route, string | undefined])[] = [
  [{ name: 'm', kind: 'mx', match, port: 25, tls: 'none' }, undefined],
  [
    { name: 's', kind: 'smarthost', match, host: 'h.test', port: 587, tls: 'verify', auth: undefined } as Route,
    'h.test:587',
  ],
  [
    {
      name: 's',
      kind: 'smarthost',
      match,
      host: 'h.test',
      port: 587,
      tls: 'verify',
      auth: { user: 'u', password: 'p' },
    } as Route,
    'h.test:587:u',
  ],
  [{ name: 'r', kind: 'relay', match, host: 'h.test', port: 25, tls: 'none' }, 'h.test:25'],
  [{ name: 'l', kind: 'lmtp', match, to: { socket: '/run/lmtp' } } as Route, 'lmtp:/run/lmtp'],
  [{ name: 'l', kind: 'lmtp', match, to: { host: 'h.test', port: 24 } } as Route, 'lmtp:h.test:24'],
  [{ name: 'd', kind: 'discard', match }, 'discard:d'],
  [{ name: 'f', kind: 'fail', match, code: 550, status: '5.1.1', text: 'no' }, 'fail:f'],
];

for (const [route, site] of routes)
  test(`a route of kind ${route.kind} leads to ${site ?? 'what DNS says'}`, () => {
    const answer = ownSite(route);
    assert.equal(answer?.kind === 'site' ? answer.site : undefined, site);
  });
