import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Proof, type Requirement, satisfies } from './proof.ts';

const proof: Proof = {
  protocol: 'smtp',
  host: 'mx.test',
  address: '192.0.2.1',
  port: 25,
  tls: undefined,
  credentials: undefined,
};
const wanted: Requirement = {
  protocol: 'smtp',
  hosts: ['mx.test', 'mx2.test'],
  port: 25,
  tls: 'opportunistic',
  credentials: undefined,
};
const unverified = { name: 'TLSv1.3', verified: false };
const verified = { name: 'TLSv1.3', verified: true };
const ann = { user: 'ann', password: 'a' };

describe('an open connection is enough for a message', () => {
  const cases: readonly [name: string, proof: Partial<Proof>, wanted: Partial<Requirement>, want: boolean][] = [
    ['in clear, when TLS is only welcome', {}, {}, true],
    ['in clear, when none is wanted', {}, { tls: 'none' }, true],
    ['over TLS, when none is wanted', { tls: unverified }, { tls: 'none' }, true],
    ['in clear, when encryption is demanded', {}, { tls: 'encrypt' }, false],
    ['over unverified TLS, when encryption is demanded', { tls: unverified }, { tls: 'encrypt' }, true],
    ['in clear, when a valid certificate is demanded', {}, { tls: 'verify' }, false],
    ['two domains on one MX, the second demands a valid certificate', { tls: unverified }, { tls: 'verify' }, false],
    ['over verified TLS', { tls: verified }, { tls: 'verify' }, true],
    ['to a host that is not the domain\'s', { host: 'elsewhere.test' }, {}, false],
    ['verified for a host that is not the domain\'s', { host: 'elsewhere.test', tls: verified }, { tls: 'verify' }, false],
    ['to another port', { port: 587 }, {}, false],
    ['by another protocol', { protocol: 'lmtp' }, {}, false],
    ['with the same login', { credentials: ann }, { credentials: { ...ann } }, true],
    ['two tenants on one smarthost', { credentials: ann }, { credentials: { user: 'bob', password: 'a' } }, false],
    ['with a password that has changed', { credentials: ann }, { credentials: { user: 'ann', password: 'b' } }, false],
    ['with a login that the message has not', { credentials: ann }, {}, false],
    ['without the login that the message has', {}, { credentials: ann }, false],
  ]; // prettier-ignore
  for (const [name, proved, required, want] of cases)
    test(name, () => assert.equal(satisfies({ ...proof, ...proved }, { ...wanted, ...required }), want));
});
