import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readable } from './readable.ts';
import { EVENTS } from './samples.ts';

const ID = '01jd3x7k2mpq0000abcd';
const NO_ID = ' '.repeat(20);

describe('readable', () => {
  const lines: Readonly<Record<keyof typeof EVENTS, string>> = {
    accepted: `accepted    ${ID}  <ann@a.test> → <bob@b.test>, <carl@c.test>  4.0 KiB by ESMTP from 192.0.2.7  signed d=a.test s=2026a, d=a.test s=2026b  repaired missingDate eightBit  "Hello"`,
    rejected: `rejected    ${NO_ID}  recipient from 192.0.2.66 <x@spam.test> → <nobody@b.test>: 550 5.1.1 No such user`,
    attempt: `attempt     ${ID}  <bob@b.test>  attempt 1 by mx to mx.b.test`,
    delivered: `delivered   ${ID}  <bob@b.test>  mx.b.test [192.0.2.25]: 250 2.0.0 Ok: queued  (12ms / 3ms / 45ms / 60ms)  secured by DANE`,
    deferred: `deferred    ${ID}  <bob@b.test>  mx.b.test [192.0.2.25]: 450 4.7.1 Greylisted, come back later  (greylisted; again in 5m)`,
    failed: `failed      ${ID}  <bob@b.test>  mx.b.test [192.0.2.25]: 550 5.1.1 No such user  (12ms / 3ms / 45ms / 60ms)`,
    expired: `expired     ${ID}  <bob@b.test>  after 17 attempts: postrider: no answer from mx.b.test`,
    suppressed: `suppressed  ${ID}  <bob@b.test>  complained on 2026-11-01`,
    dropped: `dropped     ${ID}  <bob@b.test>  by rule discard-tests`,
    held: `held        ${ID}  <bob@b.test>  by rule r7: looks like a mistake`,
    released: `released    ${ID}  <bob@b.test>  by operator`,
    suspended: `suspended   ${NO_ID}  domain b.test  by operator (r8): their wish`,
    resumed: `resumed     ${NO_ID}  domain b.test  by operator (r8)`,
    rerouted: `rerouted    ${NO_ID}  domain b.test  to smarthost by operator (r9)`,
    removed: `removed     ${ID}  <bob@b.test>  by operator`,
    dsn: `dsn         01jd3x9zzzzz0000efgh  to <ann@a.test>  about ${ID}, failed: <bob@b.test>`,
    relayed: `relayed     ${NO_ID}  <ann@a.test> → <bob@b.test>  next.test: 250 2.0.0 Ok  4.0 KiB`,
    directoryChanged: `directoryChanged  ${NO_ID}  user app of acme  changed by cli:operator: messagesPerHour: none → 100, password: a new one`,
    tls: `tls         ${NO_ID}  b.test  mx.b.test [192.0.2.25]: certificate-expired (sts): the certificate of mx.b.test is not valid: CERT_HAS_EXPIRED`,
    tlsReportSent: `tlsReportSent  ${NO_ID}  b.test  2026-11-22 to tls-reports@b.test: 120 sessions were secured, 1 were not`,
    tlsReportReceived: `tlsReportReceived  01jd3x9zzzzz0000efgh  a.test  2026-11-22 by Sender, Inc.: 5326 sessions were secured, 3 were not: 3 certificate-expired at mx.a.test`,
  };
  for (const event of Object.values(EVENTS)) {
    test(event.kind, () => assert.equal(readable(event), `21:26:24.123  ${lines[event.kind]}`));
  }

  test('the time of day follows the zone', () => {
    assert.match(readable(EVENTS.resumed, { zone: 330 }), /^02:56:24\.123 /);
  });

  test('colours only when asked for', () => {
    assert.ok(!readable(EVENTS.failed).includes('\u001b'));
    assert.ok(readable(EVENTS.failed, { colour: true }).includes('\u001b[31mfailed    \u001b[0m'));
  });

  test('many recipients are counted', () => {
    const recipients = ['a@x.test', 'b@x.test', 'c@x.test', 'd@x.test'];
    assert.match(readable({ ...EVENTS.accepted, recipients }), /<a@x\.test>, <b@x\.test> and 2 more/);
  });

  test('the null reverse-path is <>', () => {
    assert.match(readable({ ...EVENTS.accepted, sender: '' }), / <> → /);
  });
  test('a user of this machine by name', () => {
    const local = { clientAddress: '', clientName: 'uid 1000 (ann)', protocol: 'LOCAL' };
    assert.match(readable({ ...EVENTS.accepted, ...local }), / by LOCAL from uid 1000 \(ann\) /);
  });

  test('an encoded subject is read', () => {
    assert.match(readable({ ...EVENTS.accepted, subject: '=?utf-8?Q?Gr=C3=BC=C3=9Fe?=' }), /"Grüße"$/);
  });

  const spans = [
    [999, '999ms'],
    [1500, '1.5s'],
    [90_000, '2m'],
    [4 * 3_600_000, '4h'],
    [3 * 86_400_000, '3d'],
    [-5, '0ms'],
  ] as const;
  for (const [duration, want] of spans) {
    test(`${duration} ms is shown as ${want}`, () => {
      const event = { ...EVENTS.deferred, nextAttemptAt: EVENTS.deferred.at + duration };
      assert.ok(readable(event).endsWith(`again in ${want})`));
    });
  }

  test('no stranger can forge a line or reach the terminal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: -1e17, max: 1e17 }), (text, at) => {
        const events = [
          { ...EVENTS.rejected, at, reply: text, sender: text, clientAddress: text },
          { ...EVENTS.accepted, at, subject: text, recipients: [text], sender: text },
          { ...EVENTS.deferred, at, reply: text, host: text, reason: text },
        ];
        for (const event of events) assert.doesNotMatch(readable(event), /[\p{Cc}\u2028\u2029\u202e]/u);
      }),
    );
  });
});
