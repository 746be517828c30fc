import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type TlsLevel } from '../mail/route.ts';
import { type StsMode } from '../mail/sts-policy.ts';
import { type DaneFacts, decideTls, type SenderTls, type TlsFacts } from './decide.ts';

const RECORD = { usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32) };
const USABLE: DaneFacts = { kind: 'usable', base: 'base.test', records: [RECORD] };
const UNUSABLE: DaneFacts = { kind: 'unusable', base: 'base.test' };
const BOGUS: DaneFacts = { kind: 'temporary', reason: 'SERVFAIL' };
const sts = (mode: StsMode, host = 'mx.test') => ({ mode, mx: [host], maxAge: 60 });

const PLAIN: TlsFacts = {
  host: 'mx.test',
  secureName: false,
  level: 'opportunistic',
  sender: 'usual',
  dane: { kind: 'none' },
  sts: undefined,
};

/** `policy level policyType`, or `skip policy result status`. */
function told(facts: Partial<TlsFacts>): string {
  const decision = decideTls({ ...PLAIN, ...facts });
  if (decision.kind === 'skip') return `skip ${decision.policy} ${decision.result} ${decision.status}`;
  const extras = `${decision.sts === 'none' ? '' : ` ${decision.sts}`}${decision.requireTls ? ' REQUIRETLS' : ''}`;
  return `${decision.policy} ${decision.level} ${decision.policyType}${extras}`;
}

describe('the strongest policy decides', () => {
  const secure = { secureName: true };
  const required = { sender: 'required' } as const;
  const relaxed = { sender: 'optional' } as const;
  const cases: readonly [name: string, facts: Partial<TlsFacts>, want: string][] = [
    ['nothing is known', {}, 'opportunistic opportunistic no-policy-found'],
    ['the route demands encryption', { level: 'encrypt' }, 'configured encrypt no-policy-found'],
    ['the route demands a certificate', { level: 'verify' }, 'configured verify no-policy-found'],
    ['the route forbids encryption', { level: 'none' }, 'configured none no-policy-found'],
    ['the route forbids it, whatever is published', { level: 'none', dane: USABLE }, 'configured none tlsa'],
    // MTA-STS
    ['MTA-STS enforce', { sts: sts('enforce') }, 'sts verify sts listed'],
    ['MTA-STS enforce, another host', { sts: sts('enforce', 'a.test') }, 'skip sts validation-failure 4.7.5'],
    ['MTA-STS testing never blocks', { sts: sts('testing') }, 'opportunistic opportunistic sts listed'],
    ['nor another host', { sts: sts('testing', 'a.test') }, 'opportunistic opportunistic sts unlisted'],
    ['MTA-STS none', { sts: sts('none') }, 'opportunistic opportunistic no-policy-found'],
    ['MTA-STS above the route', { sts: sts('enforce'), level: 'encrypt' }, 'sts verify sts listed'],
    ['testing leaves the route as it is', { sts: sts('testing'), level: 'verify' }, 'configured verify sts listed'],
    // DANE
    ['TLSA records', { ...secure, dane: USABLE }, 'dane dane tlsa'],
    ['TLSA above the route', { ...secure, dane: USABLE, level: 'verify' }, 'dane dane tlsa'],
    ['TLSA above MTA-STS', { ...secure, dane: USABLE, sts: sts('enforce', 'a.test') }, 'dane dane tlsa'],
    ['unusable records: encryption, whoever it is', { ...secure, dane: UNUSABLE }, 'dane encrypt tlsa'],
    ['unusable records beside MTA-STS', { ...secure, dane: UNUSABLE, sts: sts('enforce') }, 'sts verify tlsa'],
    ['beside MTA-STS testing', { ...secure, dane: UNUSABLE, sts: sts('testing') }, 'dane encrypt tlsa'],
    ['beside a route that verifies', { ...secure, dane: UNUSABLE, level: 'verify' }, 'configured verify tlsa'],
    ['what is bogus is never none', { ...secure, dane: BOGUS }, 'skip dane dnssec-invalid 4.7.5'],
    ['bogus beside MTA-STS', { ...secure, dane: BOGUS, sts: sts('enforce') }, 'skip dane dnssec-invalid 4.7.5'],
    ['a route of DANE alone', { ...secure, dane: USABLE, level: 'dane' }, 'dane dane tlsa'],
    ['and no record', { ...secure, level: 'dane' }, 'skip configured dane-required 4.7.5'],
    ['and no usable one', { ...secure, dane: UNUSABLE, level: 'dane' }, 'skip configured dane-required 4.7.5'],
    ['and MTA-STS', { level: 'dane', sts: sts('enforce') }, 'skip configured dane-required 4.7.5'],
    // REQUIRETLS
    ['REQUIRETLS by DANE', { ...required, ...secure, dane: USABLE }, 'requiretls dane tlsa REQUIRETLS'],
    ['by DNSSEC and a certificate', { ...required, ...secure }, 'requiretls verify no-policy-found REQUIRETLS'],
    ['by MTA-STS', { ...required, sts: sts('enforce') }, 'requiretls verify sts listed REQUIRETLS'],
    ['by MTA-STS testing: its names are good', { ...required, sts: sts('testing') }, 'requiretls verify sts listed REQUIRETLS'],
    ['a policy that does not name the host', { ...required, sts: sts('enforce', 'a.test') }, 'skip requiretls validation-failure 5.7.10'],
    ['nobody vouches for the name', required, 'skip requiretls validation-failure 5.7.10'],
    ['nobody does, and the route verifies', { ...required, level: 'verify' }, 'skip requiretls validation-failure 5.7.10'],
    ['a policy of none vouches for nothing', { ...required, sts: sts('none') }, 'skip requiretls validation-failure 5.7.10'],
    ['unusable records: a certificate', { ...required, ...secure, dane: UNUSABLE }, 'requiretls verify tlsa REQUIRETLS'],
    ['bogus records are waited for', { ...required, ...secure, dane: BOGUS }, 'skip dane dnssec-invalid 4.7.5'],
    ['a route of DANE alone, and no record', { ...required, ...secure, level: 'dane' }, 'skip configured dane-required 5.7.10'],
    ['a route that forbids encryption', { ...required, ...secure, level: 'none' }, 'skip requiretls validation-failure 5.7.10'],
    // TLS-Required: No
    ['TLS-Required: No sets DANE aside', { ...relaxed, ...secure, dane: USABLE }, 'opportunistic opportunistic tlsa'],
    ['and what is bogus', { ...relaxed, ...secure, dane: BOGUS }, 'opportunistic opportunistic tlsa'],
    ['and MTA-STS', { ...relaxed, sts: sts('enforce', 'a.test') }, 'opportunistic opportunistic sts unlisted'],
    ['and not the route', { ...relaxed, dane: USABLE, level: 'verify' }, 'configured verify tlsa'],
    ['nor a route of DANE alone', { ...relaxed, ...secure, level: 'dane' }, 'skip configured dane-required 4.7.5'],
  ]; // prettier-ignore
  for (const [name, facts, want] of cases) test(name, () => assert.equal(told(facts), want));
});

describe('whatever the facts', () => {
  const STRENGTH: Readonly<Record<TlsLevel, number>> = { none: 0, opportunistic: 1, encrypt: 2, verify: 3, dane: 3 };
  const all = fc.record<TlsFacts>({
    host: fc.constant('mx.test'),
    secureName: fc.boolean(),
    level: fc.constantFrom<TlsLevel>('none', 'opportunistic', 'encrypt', 'verify', 'dane'),
    sender: fc.constantFrom<SenderTls>('required', 'optional', 'usual'),
    dane: fc.constantFrom<DaneFacts>({ kind: 'none' }, USABLE, UNUSABLE, BOGUS),
    sts: fc.constantFrom(undefined, sts('enforce'), sts('enforce', 'a.test'), sts('testing'), sts('none')),
  });

  test('never less is demanded than the route does', () =>
    fc.assert(
      fc.property(all, (facts) => {
        const decision = decideTls(facts);
        assert.ok(decision.kind === 'skip' || STRENGTH[decision.level] >= STRENGTH[facts.level]);
      }),
    ));

  test('REQUIRETLS is sent to nobody who is not known', () =>
    fc.assert(
      fc.property(all, (facts) => {
        const decision = decideTls({ ...facts, sender: 'required' });
        if (decision.kind === 'skip') return;
        assert.ok(decision.requireTls && STRENGTH[decision.level] === 3);
        assert.ok(facts.secureName || facts.dane.kind === 'usable' || facts.sts?.mx[0] === 'mx.test');
      }),
    ));

  test('clear text is for those for whom nothing is published, and whose sender asks for nothing', () =>
    fc.assert(
      fc.property(all, (facts) => {
        const decision = decideTls(facts);
        if (decision.kind === 'skip' || STRENGTH[decision.level] > 1 || facts.level === 'none') return;
        assert.ok(facts.sender === 'optional' || (facts.dane.kind === 'none' && facts.sts?.mode !== 'enforce'));
      }),
    ));

  test('the reason is told in words', () =>
    fc.assert(fc.property(all, (facts) => assert.match(decideTls(facts).reason, /^[\x20-\x7e]{10,200}$/))));
});
