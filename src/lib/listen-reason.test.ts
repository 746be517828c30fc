import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenReason } from './listen-reason.ts';

const cases: readonly (readonly [code: string, want: RegExp])[] = [
  ['EADDRINUSE', /^another program listens there; stop it, or choose another port$/],
  ['EACCES', /^ports below 1024 need CAP_NET_BIND_SERVICE/],
  ['EADDRNOTAVAIL', /^this machine has no such address$/],
  ['EMFILE', /^as the system says it$/],
];
for (const [code, want] of cases)
  test(`${code} is said with what to do`, () => {
    assert.match(listenReason(Object.assign(new Error('as the system says it'), { code })), want);
  });
