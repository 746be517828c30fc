import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatReply } from '../../mail/reply.ts';
import { offeredExtensions } from './extensions.ts';
import { ehloReply, greetingOf } from './server-hello.ts';
import { serverOptions } from './server-options.ts';

const smtp = serverOptions({ hostname: 'mx.example' });
const lmtp = serverOptions({ hostname: 'store.example', protocol: 'LMTP' });

describe('the hello of a server', () => {
  it('is the same value for sessions with the same options', () => {
    assert.equal(greetingOf(smtp), greetingOf(smtp));
    const offered = offeredExtensions(smtp, 'available');
    assert.equal(offeredExtensions(smtp, 'available'), offered);
    assert.equal(ehloReply(smtp, offered, 'available'), ehloReply(smtp, offered, 'available'));
  });

  it('is another with other options, and after TLS has begun', () => {
    assert.equal(formatReply(greetingOf(smtp)), '220 mx.example ESMTP ready\r\n');
    assert.equal(formatReply(greetingOf(lmtp)), '220 store.example LMTP ready\r\n');
    const lines = (tls: 'available' | 'active'): readonly string[] =>
      ehloReply(smtp, offeredExtensions(smtp, tls), tls).lines;
    assert.ok(lines('available').includes('STARTTLS'));
    assert.ok(!lines('active').includes('STARTTLS'));
  });

  it('knows a bounded number of sets that come from elsewhere', () => {
    for (let n = 0; n < 100; n += 1)
      assert.deepEqual(ehloReply(smtp, new Set(['PIPELINING']), 'absent').lines, ['mx.example', 'PIPELINING']);
  });
});
