import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type TlsLevel } from '../../mail/route.ts';
import { type DaneFacts } from '../../tlspolicy/decide.ts';
import { type Proof, type Requirement, satisfies, type TlsProof } from './proof.ts';
import { type TlsWanted } from './session-policy.ts';

const proof: Proof = {
  protocol: 'smtp',
  host: 'mx.test',
  address: '192.0.2.1',
  port: 25,
  tls: undefined,
  dane: undefined,
  credentials: undefined,
};
const plain: TlsWanted = { level: 'opportunistic', domain: 'd.test', secure: false, sts: undefined, sender: 'usual' };
const level = (name: TlsLevel): Partial<Requirement> => ({ tls: { ...plain, level: name } });
const more = (tls: Partial<TlsWanted>): Partial<Requirement> => ({ tls: { ...plain, ...tls } });
const wanted: Requirement = {
  protocol: 'smtp',
  hosts: ['mx.test', 'mx2.test'],
  port: 25,
  tls: plain,
  credentials: undefined,
};
const unverified = { name: 'TLSv1.3', verified: false };
const verified = { name: 'TLSv1.3', verified: true };
const record = { usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32) };
const usable: DaneFacts = { kind: 'usable', base: 'mx.test', records: [record] };
const unusable: DaneFacts = { kind: 'unusable', base: 'mx.test' };
const none: DaneFacts = { kind: 'none' };
const matched: TlsProof = { ...unverified, dane: { kind: 'matched', record } };
const anchored = (...names: readonly string[]): TlsProof => ({
  ...unverified,
  dane: { kind: 'matched', record: { ...record, usage: 2 }, names },
});
const mismatched: TlsProof = { ...verified, dane: { kind: 'failed', result: 'validation-failure', reason: 'no' } };
const sts = (mode: 'enforce' | 'testing', host = 'mx.test') => ({ mode, mx: [host], maxAge: 60 });
const ann = { user: 'ann', password: 'a' };

describe('an open connection is enough for a message', () => {
  const cases: readonly [name: string, proof: Partial<Proof>, wanted: Partial<Requirement>, want: boolean][] = [
    ['in clear, when TLS is only welcome', {}, {}, true],
    ['in clear, when none is wanted', {}, level('none'), true],
    ['over TLS, when none is wanted', { tls: unverified }, level('none'), true],
    ['in clear, when encryption is demanded', {}, level('encrypt'), false],
    ['over unverified TLS, when encryption is demanded', { tls: unverified }, level('encrypt'), true],
    ['in clear, when a valid certificate is demanded', {}, level('verify'), false],
    ['two domains on one MX, the second demands a valid certificate', { tls: unverified }, level('verify'), false],
    ['over verified TLS', { tls: verified }, level('verify'), true],
    ['to a host that is not the domain\'s', { host: 'elsewhere.test' }, {}, false],
    ['verified for a host that is not the domain\'s', { host: 'elsewhere.test', tls: verified }, level('verify'), false],
    ['to another port', { port: 587 }, {}, false],
    ['by another protocol', { protocol: 'lmtp' }, {}, false],
    ['with the same login', { credentials: ann }, { credentials: { ...ann } }, true],
    ['two tenants on one smarthost', { credentials: ann }, { credentials: { user: 'bob', password: 'a' } }, false],
    ['with a password that has changed', { credentials: ann }, { credentials: { user: 'ann', password: 'b' } }, false],
    ['with a login that the message has not', { credentials: ann }, {}, false],
    // What is published: of the domain that asks, and not of the one that the connection was opened for.
    ['opened with DANE, for a domain of which nobody vouches for the host', { tls: matched, dane: usable }, {}, true],
    ['opened with DANE, for a domain that is vouched for', { tls: matched, dane: usable }, more({ secure: true }), true],
    ['by a certificate for the host', { tls: anchored('mx.test'), dane: usable }, more({ secure: true }), true],
    ['by a certificate for the domain', { tls: anchored('d.test'), dane: usable }, more({ secure: true }), true],
    ['by one for another domain of the same host', { tls: anchored('e.test'), dane: usable }, more({ secure: true }), false],
    ['opened without asking for DANE', { tls: verified }, more({ secure: true }), false],
    ['asked for DANE, and there is none', { dane: none }, more({ secure: true }), true],
    ['a certificate that does not match', { tls: mismatched, dane: usable }, more({ secure: true }), false],
    ['a certificate that does not match, for a domain that is not vouched for', { tls: mismatched, dane: usable }, {}, true],
    ['in clear, where records cannot be used', { dane: unusable }, more({ secure: true }), false],
    ['encrypted, where records cannot be used', { tls: unverified, dane: unusable }, more({ secure: true }), true],
    ['a domain whose policy wants a certificate', { tls: unverified }, more({ sts: sts('enforce') }), false],
    ['and gets one', { tls: verified }, more({ sts: sts('enforce') }), true],
    ['to a host that its policy does not allow', { tls: verified }, more({ sts: sts('enforce', 'a.test') }), false],
    ['a policy that only watches', {}, more({ sts: sts('testing', 'a.test') }), true],
    ['in clear, and REQUIRETLS', {}, more({ sender: 'required' }), false],
    ['verified, and nobody vouches for the name', { tls: verified }, more({ sender: 'required' }), false],
    ['verified, and a policy does', { tls: verified }, more({ sender: 'required', sts: sts('testing') }), true],
    ['by DANE, and REQUIRETLS', { tls: matched, dane: usable }, more({ sender: 'required', secure: true }), true],
    ['TLS-Required: No on what does not match', { tls: mismatched, dane: usable }, more({ sender: 'optional', secure: true }), true],
    ['a route of DANE alone', { tls: matched, dane: usable }, more({ level: 'dane', secure: true }), true],
    ['a route of DANE alone, and a certificate', { tls: verified, dane: none }, more({ level: 'dane', secure: true }), false],
    ['a route of DANE alone, and nobody vouches for the host', { tls: matched, dane: usable }, level('dane'), false],
    ['resumed, when encryption is demanded', { tls: { ...verified, resumed: true } }, level('encrypt'), true],
    ['resumed from what was verified', { tls: { ...verified, resumed: true } }, level('verify'), true],
    ['resumed, asked for DANE, and there is none', { tls: { ...verified, resumed: true }, dane: none }, more({ secure: true }), true],
    ['resumed, where records cannot be used', { tls: { ...verified, resumed: true }, dane: unusable }, more({ secure: true }), false],
    ['resumed, and a policy wants a certificate', { tls: { ...verified, resumed: true } }, more({ sts: sts('enforce') }), false],
    ['resumed, and a policy only watches', { tls: { ...verified, resumed: true } }, more({ sts: sts('testing') }), false],
    ['resumed, and REQUIRETLS', { tls: { ...verified, resumed: true } }, more({ sender: 'required', sts: sts('testing') }), false],
    ['without the login that the message has', {}, { credentials: ann }, false],
  ]; // prettier-ignore
  for (const [name, proved, required, want] of cases)
    test(name, () => assert.equal(satisfies({ ...proof, ...proved }, { ...wanted, ...required }), want));
});
