/** Whole attempts under the policies that receivers publish and senders ask for: real TLS, a zone in memory. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test, type TestContext } from 'node:test';
import { agentFor, dispatchOf, type Letter, MX } from '../../../test/lib/delivery.ts';
import { PeerServer, type PeerScript } from '../../../test/lib/peer-server.ts';
import { certify, type Party } from '../../../test/lib/pki.ts';
import { type TestZone, zoneResolver } from '../../../test/lib/zone-resolver.ts';
import { type SmarthostRoute, type TlsLevel } from '../../mail/route.ts';
import { type TlsaRecord } from '../../ports/resolver.ts';
import { type AttemptReport } from '../../queue/dispatch.ts';
import { publicKeyInfoOf } from '../../tlspolicy/certificate.ts';
import { type AgentOptions } from '../options.ts';

const root = await certify({ subject: 'root', ca: true });
const good = await certify({ subject: 'mx', names: ['mx.test'], issuer: root });
const wrong = await certify({ subject: 'other', names: ['mx.test', 'mx2.test'] });

function tlsa({ certificate }: Party, usage = 3): TlsaRecord {
  const data = createHash('sha256').update(publicKeyInfoOf(certificate.raw)!).digest();
  return { usage, selector: 1, matchingType: 1, data };
}

const chain = { cert: `${good.cert}${root.cert}`, key: good.key };

interface World {
  readonly servers: Readonly<Record<string, PeerScript>>;
  /** What is published at the TLSA name of a host; nothing: no such records. */
  readonly tlsa?: Readonly<Record<string, readonly TlsaRecord[] | 'SERVFAIL'>>;
  readonly unsigned?: readonly string[];
  readonly agent?: Partial<AgentOptions>;
}

const ADDRESSES = { 'mx.test': '127.0.0.1', 'mx2.test': '127.0.0.2' };
type HostName = keyof typeof ADDRESSES;

/** Servers on one port, each at its own address. */
async function world(t: TestContext, { servers, tlsa: published = {}, unsigned = [], agent: more = {} }: World) {
  const peers = new Map<string, PeerServer>();
  const zone: Record<string, TestZone[string]> = {};
  let port = 0;
  for (const name of Object.keys(servers) as HostName[]) {
    const peer = await new PeerServer(servers[name]).listen(ADDRESSES[name], port);
    t.after(() => peer.close());
    port = peer.port;
    peers.set(name, peer);
    zone[name] = { A: [ADDRESSES[name]], secure: !unsigned.includes(name) };
    const records = published[name];
    if (records !== undefined)
      zone[`_${port}._tcp.${name}`] = records === 'SERVFAIL' ? records : { TLSA: records, secure: true };
  }
  const asked: string[] = [];
  const { agent } = agentFor(t, { resolver: zoneResolver(zone, asked), family: 'ipv4', ...more });
  const hosts = Object.keys(servers).map((name, preference) => ({ name, preference }));
  const send = (letter: Letter = {}, tls: TlsLevel = 'opportunistic'): Promise<AttemptReport> =>
    agent.deliver(dispatchOf({ ...MX, port, tls }, { hosts, secure: true, ...letter }));
  return { send, agent, port, asked, peer: (name: HostName) => peers.get(name)! };
}

/** `delivered host policy result`, or the status of what became of it. */
function story({ outcomes: [outcome], host, tls, tlsSession }: AttemptReport): string {
  const session = tlsSession === undefined ? 'no session' : `${tlsSession.policy} ${tlsSession.result}`;
  if (outcome?.kind === 'delivered') return `${host} ${tls === undefined ? 'in clear' : 'encrypted'} ${session}`;
  return `${outcome?.kind} ${outcome?.status} ${session}`;
}

const secure: PeerScript = { certificate: chain };
const stranger: PeerScript = { certificate: wrong };
const inClear: PeerScript = {};
const broken: PeerScript = { offers: ['STARTTLS'], replies: { STARTTLS: '454 4.7.0 not now' } };

describe('DANE', () => {
  const cases: readonly [name: string, world: World, want: string][] = [
    ['a certificate that matches', { servers: { 'mx.test': secure }, tlsa: { 'mx.test': [tlsa(good)] } }, 'mx.test encrypted dane successful'],
    ['a trust anchor that matches', { servers: { 'mx.test': secure }, tlsa: { 'mx.test': [tlsa(root, 2)] } }, 'mx.test encrypted dane successful'],
    ['one that does not', { servers: { 'mx.test': stranger }, tlsa: { 'mx.test': [tlsa(good)] } }, 'deferred 4.7.5 dane validation-failure'],
    ['no TLS', { servers: { 'mx.test': inClear }, tlsa: { 'mx.test': [tlsa(good)] } }, 'deferred 4.7.4 dane starttls-not-supported'],
    ['TLS that is refused', { servers: { 'mx.test': broken }, tlsa: { 'mx.test': [tlsa(good)] } }, 'deferred 4.7.0 dane starttls-not-supported'],
    ['records that cannot be used', { servers: { 'mx.test': stranger }, tlsa: { 'mx.test': [tlsa(good, 1)] } }, 'mx.test encrypted dane tlsa-invalid'],
    ['records that cannot be used, and no TLS', { servers: { 'mx.test': inClear }, tlsa: { 'mx.test': [tlsa(good, 1)] } }, 'deferred 4.7.4 dane starttls-not-supported'],
    ['bogus records: never in clear', { servers: { 'mx.test': inClear }, tlsa: { 'mx.test': 'SERVFAIL' } }, 'deferred 4.7.5 dane dnssec-invalid'],
    ['no records', { servers: { 'mx.test': inClear } }, 'mx.test in clear opportunistic starttls-not-supported'],
    ['nobody vouches for the host', { servers: { 'mx.test': stranger }, tlsa: { 'mx.test': [tlsa(good)] }, unsigned: ['mx.test'] }, 'mx.test encrypted opportunistic successful'],
    ['the second host is right', { servers: { 'mx.test': stranger, 'mx2.test': secure }, tlsa: { 'mx.test': [tlsa(good)], 'mx2.test': [tlsa(good)] } }, 'mx2.test encrypted dane successful'],
    ['the second host has none', { servers: { 'mx.test': stranger, 'mx2.test': inClear }, tlsa: { 'mx.test': [tlsa(good)] } }, 'mx2.test in clear opportunistic starttls-not-supported'],
    ['the first is bogus and the second right', { servers: { 'mx.test': secure, 'mx2.test': secure }, tlsa: { 'mx.test': 'SERVFAIL', 'mx2.test': [tlsa(good)] } }, 'mx2.test encrypted dane successful'],
    ['none of two is right', { servers: { 'mx.test': stranger, 'mx2.test': stranger }, tlsa: { 'mx.test': [tlsa(good)], 'mx2.test': 'SERVFAIL' } }, 'deferred 4.7.5 dane dnssec-invalid'],
  ]; // prettier-ignore
  for (const [name, described, want] of cases)
    test(name, async (t) => {
      const { send, peer } = await world(t, described);
      const report = await send();
      assert.equal(story(report), want);
      // What is refused is refused before the server hears of the mail.
      if (!want.startsWith('mx'))
        assert.deepEqual(peer('mx.test').lines.filter((line) => line.startsWith('MAIL')), []); // prettier-ignore
    });

  test('a handshake that fails is no leave to go on in clear', async (t) => {
    const script = { offers: ['STARTTLS'], replies: { STARTTLS: (_: string, { socket }: { socket: { end(text: string): void } }) => (socket.end('220 go\r\n'), '') } }; // prettier-ignore
    const dane = await world(t, { servers: { 'mx.test': script }, tlsa: { 'mx.test': [tlsa(good)] } });
    assert.equal(story(await dane.send()), 'deferred 4.7.5 dane validation-failure');
    assert.equal(dane.peer('mx.test').connections, 1);
  });

  test('every session is told of, and what was wrong is in the words', async (t) => {
    const described = { servers: { 'mx.test': stranger, 'mx2.test': secure }, tlsa: { 'mx.test': [tlsa(good)], 'mx2.test': [tlsa(good)] } }; // prettier-ignore
    const { send } = await world(t, described);
    const { tlsSessions } = await send();
    assert.deepEqual(tlsSessions?.map(({ host, address, policyType, result }) => [host, address, policyType, result]), [
      ['mx.test', '127.0.0.1', 'tlsa', 'validation-failure'],
      ['mx2.test', '127.0.0.2', 'tlsa', 'successful'],
    ]); // prettier-ignore
    assert.deepEqual(tlsSessions.map(({ sourceAddress }) => sourceAddress), ['127.0.0.1', undefined]); // prettier-ignore
    const alone = await world(t, { servers: { 'mx.test': stranger }, tlsa: { 'mx.test': [tlsa(good)] } });
    const { outcomes } = await alone.send();
    assert.match(outcomes[0]!.diagnostic, /^postrider: .*mx\.test: the certificate matches no TLSA record \(DANE: TLSA records of mx\.test\)$/); // prettier-ignore
  });

  test('where nobody vouches for the MX, nothing is asked', async (t) => {
    const { send, asked } = await world(t, { servers: { 'mx.test': stranger }, tlsa: { 'mx.test': [tlsa(good)] } });
    assert.equal(story(await send({ secure: false })), 'mx.test encrypted opportunistic successful');
    assert.deepEqual(asked, ['A mx.test']);
  });

  test('an open connection is asked for what it proved, and for nothing else', async (t) => {
    const { send, peer, asked } = await world(t, { servers: { 'mx.test': secure }, tlsa: { 'mx.test': [tlsa(good)] } });
    const reused = async (letter: Letter): Promise<boolean> => (await send(letter)).reused;
    assert.equal(await reused({ secure: false }), false);
    assert.equal(await reused({ secure: true }), false, 'DANE is still to be asked');
    assert.equal(await reused({ secure: true }), true);
    assert.equal(await reused({ secure: false }), true);
    const report = await send({ secure: true });
    assert.deepEqual([report.tlsSession?.policy, report.tlsSessions], ['dane', undefined]);
    assert.equal(peer('mx.test').connections, 2);
    assert.equal(asked.filter((each) => each.startsWith('TLSA')).length, 1);
  });

  test('of an alias the name that has the records is asked for, and the certificate is checked for the MX too', async (t) => {
    const peer = await new PeerServer(secure).listen('127.0.0.1');
    t.after(() => peer.close());
    const zone: TestZone = {
      'mx.test': { CNAME: ['end.test'], secure: true },
      'end.test': { A: ['127.0.0.1'], secure: true },
      [`_${peer.port}._tcp.end.test`]: { TLSA: [tlsa(root, 2)], secure: true },
    };
    const { agent } = agentFor(t, { resolver: zoneResolver(zone), family: 'ipv4', tls: { ca: root.cert } });
    const route = { ...MX, port: peer.port, tls: 'opportunistic' } as const;
    assert.equal(story(await agent.deliver(dispatchOf(route, { secure: true }))), 'mx.test encrypted dane successful');
    // Without DANE it is the host, by whose name a certificate is valid.
    assert.equal(
      (await agent.deliver(dispatchOf({ ...route, tls: 'verify' }, { slot: 2 }))).outcomes[0]?.kind,
      'delivered',
    );
    assert.deepEqual(peer.serverNames, ['end.test', 'mx.test']);
  });

  test('a next hop that the configuration names is held to its records too', async (t) => {
    const { agent, port } = await world(t, { servers: { 'mx.test': stranger }, tlsa: { 'mx.test': [tlsa(good)] } });
    const route: SmarthostRoute = { kind: 'smarthost', name: 'out', match: {}, host: 'mx.test', port, tls: 'opportunistic', implicitTls: false, auth: undefined }; // prettier-ignore
    assert.equal(story(await agent.deliver(dispatchOf(route))), 'deferred 4.7.5 dane validation-failure');
  });

  test('a route of DANE alone', async (t) => {
    const right = await world(t, { servers: { 'mx.test': secure }, tlsa: { 'mx.test': [tlsa(good)] } });
    assert.equal(story(await right.send({}, 'dane')), 'mx.test encrypted dane successful');
    const without = await world(t, { servers: { 'mx.test': secure } });
    assert.equal(story(await without.send({}, 'dane')), 'deferred 4.7.5 configured dane-required');
    assert.equal(without.peer('mx.test').connections, 0);
  });
});

describe('MTA-STS', () => {
  const trusting = { tls: { ca: root.cert } };
  const sts = (mode: 'enforce' | 'testing', ...mx: string[]) => ({ mode, mx, maxAge: 60 });
  const cases: readonly [name: string, servers: World['servers'], letter: Letter, want: string][] = [
    ['enforce, and a certificate', { 'mx.test': secure }, { sts: sts('enforce', 'mx.test') }, 'mx.test encrypted sts successful'],
    ['enforce, and a stranger', { 'mx.test': stranger }, { sts: sts('enforce', 'mx.test') }, 'deferred 4.7.5 sts certificate-not-trusted'],
    ['enforce, and no TLS', { 'mx.test': inClear }, { sts: sts('enforce', 'mx.test') }, 'deferred 4.7.4 sts starttls-not-supported'],
    ['enforce, and another host', { 'mx.test': secure }, { sts: sts('enforce', 'mx9.test') }, 'deferred 4.7.5 sts validation-failure'],
    ['enforce, and the name is another', { 'mx2.test': secure }, { sts: sts('enforce', 'mx2.test') }, 'deferred 4.7.5 sts certificate-host-mismatch'],
    ['enforce, and only the second host is allowed', { 'mx2.test': stranger, 'mx.test': secure }, { sts: sts('enforce', 'mx.test') }, 'mx.test encrypted sts successful'],
    ['testing, and a stranger', { 'mx.test': stranger }, { sts: sts('testing', 'mx.test') }, 'mx.test encrypted opportunistic certificate-not-trusted'],
    ['testing, and another host', { 'mx.test': secure }, { sts: sts('testing', 'mx9.test') }, 'mx.test encrypted opportunistic validation-failure'],
    ['testing, and no TLS', { 'mx.test': inClear }, { sts: sts('testing', 'mx.test') }, 'mx.test in clear opportunistic starttls-not-supported'],
  ]; // prettier-ignore
  for (const [name, servers, letter, want] of cases)
    test(name, async (t) => {
      const { send } = await world(t, { servers, agent: trusting });
      assert.equal(story(await send({ secure: false, ...letter })), want);
    });
});

describe('REQUIRETLS', () => {
  const offering: PeerScript = { certificate: chain, offersBehindTls: ['REQUIRETLS'] };
  const required = { sender: { requireTls: true } };
  const dane = { 'mx.test': [tlsa(good)], 'mx2.test': [tlsa(good)] };
  const cases: readonly [name: string, world: World, letter: Letter, want: string][] = [
    ['a known server that offers it', { servers: { 'mx.test': offering }, tlsa: dane }, {}, 'mx.test encrypted requiretls successful'],
    ['one that does not', { servers: { 'mx.test': secure }, tlsa: dane }, {}, 'failed 5.7.30 requiretls successful'],
    ['one that offers it in clear', { servers: { 'mx.test': { offers: ['REQUIRETLS'] } } }, {}, 'failed 5.7.10 requiretls starttls-not-supported'],
    ['a stranger', { servers: { 'mx.test': { ...offering, certificate: wrong } }, tlsa: dane }, {}, 'failed 5.7.10 requiretls validation-failure'],
    ['nobody vouches for the name', { servers: { 'mx.test': offering } }, { secure: false }, 'failed 5.7.10 requiretls validation-failure'],
    ['a policy does', { servers: { 'mx.test': offering }, agent: { tls: { ca: root.cert } } }, { secure: false, sts: { mode: 'testing', mx: ['mx.test'], maxAge: 60 } }, 'mx.test encrypted requiretls successful'],
    ['the second host offers it', { servers: { 'mx.test': secure, 'mx2.test': offering }, tlsa: dane }, {}, 'mx2.test encrypted requiretls successful'],
    ['what cannot be looked up is waited for', { servers: { 'mx.test': offering }, tlsa: { 'mx.test': 'SERVFAIL' } }, {}, 'deferred 4.7.5 dane dnssec-invalid'],
    ['one host says no, of the other nobody knows', { servers: { 'mx.test': secure, 'mx2.test': offering }, tlsa: { ...dane, 'mx2.test': 'SERVFAIL' } }, {}, 'deferred 4.7.5 dane dnssec-invalid'],
  ]; // prettier-ignore
  for (const [name, described, letter, want] of cases)
    test(name, async (t) => {
      const { send, peer } = await world(t, described);
      assert.equal(story(await send({ ...required, ...letter })), want);
      const mail = [...Object.keys(described.servers)].flatMap((host) =>
        peer(host as HostName).lines.filter((line) => line.startsWith('MAIL')),
      );
      assert.deepEqual(mail.map((line) => line.endsWith(' REQUIRETLS')), want.startsWith('mx') ? [true] : []); // prettier-ignore
    });

  test('is not told to a server for mail that does not ask for it', async (t) => {
    const { send, peer } = await world(t, { servers: { 'mx.test': offering }, tlsa: dane });
    await send();
    assert.ok(!peer('mx.test').lines.some((line) => line.includes('REQUIRETLS')));
  });
});

describe('what a route says of its TLS', () => {
  const digest = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex');
  const pins = {
    certificate: digest(wrong.certificate.raw),
    key: digest(publicKeyInfoOf(wrong.certificate.raw)!),
    other: digest(good.certificate.raw),
  };
  const cases: readonly [name: string, level: TlsLevel, fingerprints: readonly string[], want: string][] = [
    ['a fingerprint of the certificate', 'verify', [pins.certificate], 'mx.test encrypted configured successful'],
    ['a fingerprint of the key', 'verify', [pins.key], 'mx.test encrypted configured successful'],
    ['one of two', 'verify', [pins.other, pins.key], 'mx.test encrypted configured successful'],
    ['another fingerprint', 'verify', [pins.other], 'deferred 4.7.5 configured certificate-not-trusted'],
    ['no fingerprint, and a stranger', 'verify', [], 'deferred 4.7.5 configured certificate-not-trusted'],
  ];
  for (const [name, level, fingerprints, want] of cases)
    test(name, async (t) => {
      const { agent, port } = await world(t, { servers: { 'mx.test': stranger } });
      const report = await agent.deliver(dispatchOf({ ...MX, port, tls: level, tlsOptions: { fingerprints } }));
      assert.equal(story(report), want);
    });

  test('a fingerprint is demanded beside DANE', async (t) => {
    const { agent, port } = await world(t, { servers: { 'mx.test': secure }, tlsa: { 'mx.test': [tlsa(good)] } });
    const route = { ...MX, port, tls: 'verify', tlsOptions: { fingerprints: [pins.certificate] } } as const;
    const report = await agent.deliver(dispatchOf(route, { secure: true }));
    assert.deepEqual([report.outcomes[0]?.kind, report.tlsSession?.policy], ['deferred', 'dane']);
  });

  test('a certificate of ours is shown where the route says so, and on no connection of another', async (t) => {
    const client = await certify({ subject: 'us' });
    const tls = { clientCertificates: new Map([['/us.pem', { cert: client.cert, key: client.key }]]) };
    const asking = { certificate: chain, asksCertificate: true };
    const { agent, port, peer } = await world(t, { servers: { 'mx.test': asking }, agent: { tls } });
    const shows = { clientCertificate: { certificate: '/us.pem', key: '/us.key' } };
    const send = async (tlsOptions = {}) =>
      (await agent.deliver(dispatchOf({ ...MX, port, tls: 'encrypt', tlsOptions: { ...tlsOptions } }))).reused;
    assert.deepEqual([await send(shows), await send(shows), await send()], [false, true, false]);
    assert.deepEqual(peer('mx.test').shown, ['CN=us', undefined]);
  });

  test('a profile bounds versions and ciphers', async (t) => {
    const old = { certificate: chain, maxVersion: 'TLSv1.2' } as const;
    const { agent, port } = await world(t, { servers: { 'mx.test': old } });
    const send = (profile: 'modern' | 'intermediate') =>
      agent.deliver(dispatchOf({ ...MX, port, tls: 'encrypt', tlsOptions: { profile } }));
    assert.equal(story(await send('modern')), 'deferred 4.7.5 configured validation-failure');
    const report = await send('intermediate');
    assert.match(report.tls!, /^TLSv1\.2 TLS_ECDHE_ECDSA_WITH_AES_\d+_GCM/);
  });
});

describe('TLS-Required: No', () => {
  const optional = { sender: { tlsOptional: true } };
  test('goes where DANE fails, and says so to the reports', async (t) => {
    const { send } = await world(t, { servers: { 'mx.test': stranger }, tlsa: { 'mx.test': [tlsa(good)] } });
    assert.equal(story(await send(optional)), 'mx.test encrypted opportunistic validation-failure');
    assert.equal(story(await send()), 'deferred 4.7.5 dane validation-failure');
  });

  test('goes in clear where there is nothing else', async (t) => {
    const { send } = await world(t, { servers: { 'mx.test': inClear }, tlsa: { 'mx.test': 'SERVFAIL' } });
    assert.equal(story(await send(optional)), 'mx.test in clear opportunistic starttls-not-supported');
  });

  test('means nothing beside REQUIRETLS', async (t) => {
    const { send } = await world(t, { servers: { 'mx.test': stranger }, tlsa: { 'mx.test': [tlsa(good)] } });
    const both = { sender: { tlsOptional: true, requireTls: true } };
    assert.equal(story(await send(both)), 'failed 5.7.10 requiretls validation-failure');
  });
});
