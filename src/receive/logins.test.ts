import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { makeAuthority } from '../../test/lib/certificates.ts';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { type Identity } from '../mail/identity.ts';
import { parseMailbox } from '../mail/path.ts';
import { type Authenticated } from './authenticator.ts';
import { FailureCounts } from './failure-counts.ts';
import { KnownClients } from './known-clients.ts';
import { timeTable } from './shared-times.ts';
import { Logins } from './logins.ts';
import { maySendAs, PeerLogins } from './session-logins.ts';
import { type Peer } from './transaction.ts';

const ANN: Identity = { user: 'ann', tenant: '', senders: ['a.test', 'boss@b.test', '.c.test'], limits: {} };
const PEER: Peer = {
  ...{ address: '192.0.2.1', port: 1, listener: 'submission', helloName: 'x', protocol: 'ESMTP', tls: 'TLSv1.3' },
};

function world(answer: Authenticated = { kind: 'refused' }) {
  const clock = new HandClock();
  const asked: string[] = [];
  const logins = new Logins({
    failures: new FailureCounts(timeTable(), () => clock.monotonic()),
    known: new KnownClients(timeTable(), () => clock.monotonic()),
    authenticator: {
      password: (user, password) => {
        asked.push(user);
        return Promise.resolve(password === 'right' ? { kind: 'identity', identity: ANN } : answer);
      },
      user: () => Promise.resolve(answer),
      token: () => Promise.resolve(answer),
      scram: () => Promise.reject(new Error('not asked here')),
    },
  });
  const told: string[] = [];
  const peers = new PeerLogins(logins, {
    refused: (peer, user, why) => void told.push(`${peer.address} ${user} ${why.code}`),
    clientUsers: () => ({ from: 'address', byFingerprint: new Map() }),
  });
  const attempt = (address: string, user = 'ann', password = 'x') =>
    peers.check({ ...PEER, address }, { kind: 'password', user, password });
  return { clock, asked, told, attempt, peers };
}

describe('a login', () => {
  test('that is right gives the identity, and is not counted', async () => {
    const { attempt, told } = world({ kind: 'identity', identity: ANN });
    for (let n = 0; n < 100; n += 1) assert.equal(await attempt('192.0.2.1'), ANN);
    assert.deepEqual(told, []);
  });

  test('that cannot be checked now is no failure', async () => {
    const { attempt, told } = world({ kind: 'unavailable', reason: 'disk' });
    assert.equal(await attempt('192.0.2.1'), 'unavailable');
    assert.deepEqual(told, []);
  });

  test('by SCRAM that cannot be checked now is told so', async () => {
    const answer = await world().peers.scram(PEER, 'ann');
    assert.ok('code' in answer);
    assert.equal(`${answer.code} ${answer.status}`, '454 4.7.0');
  });

  test('that is wrong is told of, without what was tried', async () => {
    const { attempt, told } = world();
    assert.equal(await attempt('192.0.2.1', 'eve'), 'refused');
    assert.deepEqual(told, ['192.0.2.1 eve 535']);
  });
});

describe('failures', () => {
  test('of one address end in no more tries, of whatever name, and one more each minute', async () => {
    const { attempt, asked, clock } = world();
    for (let n = 0; n < 20; n += 1) assert.equal(await attempt('192.0.2.1', `user${n}`), 'refused');
    const asked20 = asked.length;
    const last = await attempt('192.0.2.1', 'another');
    assert.ok(typeof last === 'object' && 'code' in last && last.code === 421);
    assert.equal(asked.length, asked20, 'nothing is looked up any more');
    assert.equal(await attempt('192.0.2.2', 'another'), 'refused');
    clock.advance(61_000);
    assert.equal(await attempt('192.0.2.1', 'another'), 'refused');
    assert.notEqual(await attempt('192.0.2.1', 'another'), 'refused');
  });

  test('of one IPv6 network count together', async () => {
    const { attempt } = world();
    for (let n = 0; n < 20; n += 1) await attempt(`2001:db8:1:2::${n}`, `user${n}`);
    assert.notEqual(await attempt('2001:db8:1:2:ffff::1', 'x'), 'refused');
    assert.equal(await attempt('2001:db8:1:3::1', 'x'), 'refused');
  });

  test('of one name from many addresses lock the name for a while', async () => {
    const { attempt, clock } = world();
    for (let n = 0; n < 50; n += 1) assert.equal(await attempt(`192.0.2.${n}`), 'refused');
    const last = await attempt('198.51.100.1');
    assert.ok(typeof last === 'object' && 'code' in last && last.code === 454);
    clock.advance(61_000);
    assert.equal(await attempt('198.51.100.1'), 'refused');
  });

  test('of strangers do not lock a name where its user has logged in before', async () => {
    const { attempt, clock } = world();
    assert.equal(await attempt('198.51.100.1', 'ann', 'right'), ANN);
    for (let n = 0; n < 50; n += 1) await attempt(`192.0.2.${n}`);
    for (const address of ['198.51.100.2', '192.0.2.200'])
      assert.equal(((await attempt(address, 'ann', 'right')) as { code: number }).code, 454);
    assert.equal(await attempt('198.51.100.1', 'ann', 'right'), ANN);
    // Not without end there either: the address has its own count.
    for (let n = 0; n < 20; n += 1) assert.equal(await attempt('198.51.100.1'), 'refused');
    assert.equal(((await attempt('198.51.100.1', 'ann', 'right')) as { code: number }).code, 421);
    clock.advance(8 * 86_400_000);
    for (let n = 0; n < 50; n += 1) await attempt(`192.0.2.${n}`);
    assert.equal(((await attempt('198.51.100.1', 'ann', 'right')) as { code: number }).code, 454);
  });

  test('of who may not even try are not counted: one more each minute stays one more each minute', async () => {
    const { peers, attempt, clock, told } = world();
    for (let n = 0; n < 20; n += 1) peers.failed(PEER, undefined);
    for (let n = 0; n < 1000; n += 1) {
      clock.advance(59);
      peers.failed(PEER, undefined);
    }
    assert.equal(told.length, 1020, 'they are told of');
    clock.advance(2000);
    assert.equal(await attempt(PEER.address), 'refused');
  });

  test('an exchange that proves nothing counts too', async () => {
    const { peers, attempt } = world();
    for (let n = 0; n < 20; n += 1) peers.failed(PEER, undefined);
    assert.notEqual(await attempt(PEER.address), 'refused');
  });
});

describe('a login by certificate', () => {
  const issued = makeAuthority().issueUser('Ann', 'email:ann@a.test');
  const clientCertificate = new X509Certificate(issued.cert);

  test('is of the user that it names, and no other', async () => {
    const { peers, told } = world({ kind: 'identity', identity: ANN });
    const peer = { ...PEER, clientCertificate };
    assert.equal(await peers.check(peer, { kind: 'certificate', user: undefined }), ANN);
    assert.equal(await peers.check(peer, { kind: 'certificate', user: 'ann@a.test' }), ANN);
    assert.deepEqual(told, []);
    assert.equal(await peers.check(peer, { kind: 'certificate', user: 'boss@a.test' }), 'refused');
    assert.deepEqual(told, ['192.0.2.1 boss@a.test 535']);
  });

  test('is none without one, and counts as a failure', async () => {
    const { peers } = world({ kind: 'identity', identity: ANN });
    for (let n = 0; n < 20; n += 1)
      assert.equal(await peers.check(PEER, { kind: 'certificate', user: undefined }), 'refused');
    const last = await peers.check({ ...PEER, clientCertificate }, { kind: 'certificate', user: undefined });
    assert.ok(typeof last === 'object' && 'code' in last && last.code === 421);
  });
});

describe('a login by token', () => {
  const check = { kind: 'token', user: 'ann', token: 'very-secret' } as const;

  test('that is refused counts, and is told of by the reason and without the token', async () => {
    const { peers, told } = world({ kind: 'refused', reason: 'The token has expired' });
    assert.equal(await peers.check(PEER, check), 'refused');
    assert.deepEqual(told, ['192.0.2.1 ann 535']);
    for (let n = 1; n < 20; n += 1) await peers.check(PEER, { ...check, user: undefined });
    const last = await peers.check(PEER, check);
    assert.ok(typeof last === 'object' && 'code' in last && last.code === 421);
  });

  test('that cannot be checked now never counts', async () => {
    const { peers, told } = world({ kind: 'unavailable', reason: 'slow' });
    for (let n = 0; n < 100; n += 1) assert.equal(await peers.check(PEER, check), 'unavailable');
    assert.deepEqual(told, []);
  });
});

describe('whom a user may send as', () => {
  for (const [address, may] of [
    ['anybody@a.test', true],
    ['ANYBODY@A.TEST', true],
    ['boss@b.test', true],
    ['ann@b.test', false],
    ['x@deep.c.test', true],
    ['x@c.test', false],
    ['x@nota.test', false],
    ['x@a.test.evil.test', false],
  ] as const)
    test(`${address}: ${may}`, () => {
      const mailbox = parseMailbox(address);
      assert.ok(mailbox.ok);
      assert.equal(maySendAs(ANN, mailbox.value), may);
    });

  test('reports of its own', () => assert.equal(maySendAs(ANN, null), true));
  test('nobody, without a list', () => {
    const mailbox = parseMailbox('x@a.test');
    assert.ok(mailbox.ok);
    assert.equal(maySendAs({ ...ANN, senders: [] }, mailbox.value), false);
  });
});
