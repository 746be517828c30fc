/** Attempts to servers that resume TLS sessions, or say that they do, or break: real TLS, one connection for each message. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type Socket } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { agentFor, dispatchOf, type Letter, MX } from '../../../test/lib/delivery.ts';
import { PeerServer, type PeerScript } from '../../../test/lib/peer-server.ts';
import { certify } from '../../../test/lib/pki.ts';
import { zoneResolver } from '../../../test/lib/zone-resolver.ts';
import { HOUR } from '../../lib/time.ts';
import { type Route } from '../../mail/route.ts';
import { publicKeyInfoOf } from '../../tlspolicy/certificate.ts';
import { type AgentOptions } from '../options.ts';
import { ResumptionCache } from './resumption-cache.ts';

const root = await certify({ subject: 'root', ca: true });
const good = await certify({ subject: 'mx', names: ['mx.test'], issuer: root });
const stranger = await certify({ subject: 'mx', names: ['mx.test'] });
const chain = { cert: `${good.cert}${root.cert}`, key: good.key };
const digest = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex');

interface World {
  readonly tls?: Partial<PeerScript>;
  readonly agent?: Partial<AgentOptions>;
  readonly route?: Partial<Route>;
  readonly letter?: Letter;
  readonly secure?: boolean;
  readonly tlsa?: boolean;
}

/** A server that ends each connection after one message. */
async function world(t: TestContext, { tls, agent: more, route, letter, secure = false, tlsa = false }: World = {}) {
  const peer = await new PeerServer({ certificate: chain, resumes: true, ...tls }).listen();
  t.after(() => peer.close());
  let at = 0;
  const clock = { now: () => Date.now() + at, monotonic: () => performance.now() + at };
  const resumptions = new ResumptionCache(clock, { lifetime: HOUR, sessions: 100 });
  const data = createHash('sha256').update(publicKeyInfoOf(good.certificate.raw)!).digest();
  const records = [{ usage: 3, selector: 1, matchingType: 1, data }];
  const resolver = zoneResolver({
    'mx.test': { A: ['127.0.0.1'], secure },
    ...(tlsa && { [`_${peer.port}._tcp.mx.test`]: { TLSA: records, secure: true } }),
  });
  const { agent } = agentFor(t, { resolver, clock, family: 'ipv4', resumptions, tls: { ca: root.cert }, ...more });
  let slot = 0;
  /** On a connection of its own; how it was delivered. */
  const send = async (other: World = {}): Promise<string> => {
    slot += 1;
    const way = { ...MX, tls: 'opportunistic', port: peer.port, ...route, ...other.route } as Route;
    const report = await agent.deliver(dispatchOf(way, { slot, secure, ...letter, ...other.letter }));
    agent.closeSlot(slot);
    await agent.drain(1000);
    const { outcomes, tlsSession } = report;
    if (outcomes[0]?.kind !== 'delivered') return `${outcomes[0]?.kind} ${outcomes[0]?.diagnostic}`;
    if (report.tls === undefined) return 'in clear';
    return tlsSession?.resumed === true ? 'resumed' : 'full';
  };
  const wait = (time: number): void => void (at += time);
  return { peer, send, wait, agent, resumptions };
}

async function three(send: () => Promise<string>): Promise<string[]> {
  return [await send(), await send(), await send()];
}

const versions = ['TLSv1.2', 'TLSv1.3'] as const;

for (const maxVersion of versions)
  describe(`sessions of ${maxVersion}`, () => {
    test('are resumed, behind STARTTLS', async (t) => {
      const { peer, send } = await world(t, { tls: { maxVersion } });
      assert.deepEqual(await three(send), ['full', 'resumed', 'resumed']);
      assert.deepEqual(peer.resumed, [false, true, true]);
      assert.equal(peer.messages.length, 3);
    });

    test('are resumed, where TLS is from the first octet', async (t) => {
      const route = { kind: 'smarthost', host: 'mx.test', implicitTls: true, auth: undefined, tls: 'encrypt' } as const;
      const { peer, send } = await world(t, { tls: { maxVersion, implicitTls: true }, route });
      assert.deepEqual(await three(send), ['full', 'resumed', 'resumed']);
      assert.deepEqual(peer.resumed, [false, true, true]);
    });

    test('end with their lifetime, however often they were resumed', async (t) => {
      const { peer, send, wait } = await world(t, { tls: { maxVersion } });
      assert.deepEqual(await three(send), ['full', 'resumed', 'resumed']);
      wait(HOUR);
      assert.equal(await send(), 'full');
      assert.equal(peer.resumed.at(-1), false);
    });

    test('that the server does not know any more are full handshakes', async (t) => {
      const { send, resumptions } = await world(t, { tls: { maxVersion, resumes: false } });
      assert.deepEqual(await three(send), ['full', 'full', 'full']);
      // Those of the last handshake; what was not resumed took what was older with it.
      assert.equal(resumptions.size, maxVersion === 'TLSv1.3' ? 2 : 1);
    });

    test('are not offered where resuming is switched off', async (t) => {
      const { peer, send } = await world(t, { tls: { maxVersion }, agent: { resumptions: undefined } });
      assert.deepEqual(await three(send), ['full', 'full', 'full']);
      assert.deepEqual(peer.resumed, [false, false, false]);
    });

    test('a certificate that is demanded was checked once, and the session is as good', async (t) => {
      const { peer, send } = await world(t, { tls: { maxVersion }, route: { tls: 'verify' } });
      assert.deepEqual(await three(send), ['full', 'resumed', 'resumed']);
      assert.deepEqual(peer.resumed, [false, true, true]);
    });

    test('a certificate that is not good enough leaves no session', async (t) => {
      const { peer, send, resumptions } = await world(t, {
        tls: { maxVersion, certificate: stranger },
        route: { tls: 'verify' },
      });
      assert.match(await send(), /^deferred .*SELF_SIGNED/);
      assert.match(await send(), /^deferred .*SELF_SIGNED/);
      assert.equal(resumptions.size, 0);
      assert.equal(peer.connections, 2);
    });
  });

describe('one ticket of TLS 1.3', () => {
  test('is used once, also by connections at the same time', async (t) => {
    const { peer, send } = await world(t);
    await send();
    // A server in Node hands out two with a full handshake and none with a resumed one.
    assert.deepEqual(await Promise.all([send(), send(), send()]).then((all) => all.toSorted()), [
      'full',
      'resumed',
      'resumed',
    ]);
    assert.equal(peer.resumed.filter((each) => each).length, 2);
  });
});

describe('nothing is resumed', () => {
  const cases: readonly [name: string, world: World][] = [
    ['by DANE', { secure: true, tlsa: true }],
    ['by MTA-STS', { letter: { sts: { mode: 'enforce', mx: ['mx.test'], maxAge: 60 } } }],
    ['where a policy of MTA-STS is tested', { letter: { sts: { mode: 'testing', mx: ['mx.test'], maxAge: 60 } } }],
    ['with fingerprints', { route: { tls: 'encrypt', tlsOptions: { fingerprints: [digest(good.certificate.raw)] } } as Partial<Route> }],
    ['with REQUIRETLS', { tls: { offersBehindTls: ['REQUIRETLS'] }, letter: { sts: { mode: 'testing', mx: ['mx.test'], maxAge: 60 }, sender: { requireTls: true } } }],
  ]; // prettier-ignore
  for (const [name, described] of cases)
    for (const maxVersion of versions)
      test(`${name}, ${maxVersion}`, async (t) => {
        const { peer, send, resumptions } = await world(t, { ...described, tls: { ...described.tls, maxVersion } });
        assert.deepEqual(await three(send), ['full', 'full', 'full']);
        assert.deepEqual([peer.resumed, resumptions.size], [[false, false, false], 0]);
      });

  test('from one way to another', async (t) => {
    const { send } = await world(t, { tls: { maxVersion: 'TLSv1.2', offersBehindTls: ['AUTH PLAIN'] } });
    const ways: readonly Partial<Route>[] = [
      { tls: 'opportunistic' },
      { tls: 'encrypt' },
      { tls: 'verify' },
      { tls: 'encrypt', tlsOptions: { profile: 'intermediate' } } as Partial<Route>,
      {
        kind: 'smarthost',
        host: 'mx.test',
        implicitTls: false,
        auth: { user: 'ann', password: 'a' },
      } as Partial<Route>,
      {
        kind: 'smarthost',
        host: 'mx.test',
        implicitTls: false,
        auth: { user: 'bob', password: 'b' },
      } as Partial<Route>,
    ];
    for (const round of ['full', 'resumed'])
      for (const route of ways) assert.equal(await send({ route }), round, JSON.stringify(route));
  });

  test('below TLS 1.3 where we show a certificate', async (t) => {
    const client = await certify({ subject: 'us' });
    const clientCertificates = new Map([['/us.pem', { cert: client.cert, key: client.key }]]);
    const route = {
      tls: 'encrypt',
      tlsOptions: { clientCertificate: { certificate: '/us.pem', key: '/us.key' } },
    } as Partial<Route>;
    for (const maxVersion of versions) {
      const { send } = await world(t, {
        tls: { maxVersion, asksCertificate: true },
        route,
        agent: { tls: { clientCertificates } },
      });
      assert.deepEqual([await send(), await send()], ['full', maxVersion === 'TLSv1.3' ? 'resumed' : 'full']);
    }
  });
});

describe('a message that demands more than the one for which a session was resumed', () => {
  test('gets a connection of its own', async (t) => {
    const { peer, send, agent } = await world(t, { tls: { maxVersion: 'TLSv1.2' } });
    await send();
    const way = { ...MX, tls: 'opportunistic', port: peer.port } as Route;
    const on = (letter: Letter = {}) => agent.deliver(dispatchOf(way, { slot: 99, ...letter }));
    const sts = { mode: 'enforce', mx: ['mx.test'], maxAge: 60 } as const;
    const reports = [await on(), await on(), await on({ sts })];
    assert.deepEqual(reports.map(({ reused, tlsSession }) => [reused, tlsSession?.resumed]), [[false, true], [true, true], [false, undefined]]); // prettier-ignore
    assert.equal(reports[2]?.tlsSession?.policy, 'sts');
  });
});

describe('a server that changes its certificate', () => {
  test('between two connections gets the mail where nothing is demanded, and waits where it is', async (t) => {
    for (const [tls, want] of [['opportunistic', /^full$/], ['verify', /^deferred .*SELF_SIGNED/]] as const) {
      const script = { certificate: chain, resumes: true, maxVersion: 'TLSv1.2' as const };
      const { send, peer } = await world(t, { tls: script, route: { tls } });
      assert.deepEqual([await send(), await send()], ['full', 'resumed']);
      Object.assign(peer.script, { certificate: stranger, resumes: false });
      assert.match(await send(), want);
      // The certificate that was seen last is what counts from now on.
      assert.match(await send(), want);
    } // prettier-ignore
  });
});

describe('a server that breaks', () => {
  // OpenSSL ends the handshake when a session is offered to a server that asks for certificates and has no id context.
  for (const implicitTls of [false, true])
    for (const maxVersion of versions)
      test(`at the handshake, ${maxVersion}${implicitTls ? ', from the first octet' : ''}`, async (t) => {
        const tls = { maxVersion, implicitTls, asksCertificate: true, resumes: 'badly' } as const;
        const route = { kind: 'smarthost', host: 'mx.test', implicitTls, auth: undefined, tls: 'encrypt' } as const;
        const { send, peer } = await world(t, { tls, route });
        assert.deepEqual(await three(send), ['full', 'full', 'full']);
        assert.deepEqual([peer.connections, peer.secured], [4, 3]);
      });

  test('whatever is done gets the mail in clear at last, where nothing is demanded', async (t) => {
    const { send, peer } = await world(t, { tls: { asksCertificate: true, resumes: 'badly' } });
    await send();
    Object.assign(peer.script, { replies: { STARTTLS: (_: string, { socket }: { socket: Socket }) => (socket.end('220 go\r\n'), '') } });
    assert.equal(await send(), 'in clear');
    assert.equal(peer.connections, 4);
  }); // prettier-ignore

  for (const [name, verb] of [['at the hello behind it', 'EHLO'], ['at the sender', 'MAIL']] as const)
    for (const maxVersion of versions)
      test(`${name}, ${maxVersion}`, async (t) => {
        const breaking = (_: string, { socket, secure }: { socket: Socket; secure: boolean }): string | undefined => {
          if (!secure || !(socket as Socket & { isSessionReused(): boolean }).isSessionReused()) return undefined;
          socket.destroy();
          return '';
        };
        const { send, peer } = await world(t, { tls: { maxVersion, replies: { [verb]: breaking } } });
        assert.equal(await send(), 'full');
        // Gone before it was open: at once, once more. Gone later: the message waits its time.
        const second = await send();
        if (verb === 'EHLO') assert.equal(second, 'full');
        else assert.match(second, /^deferred /);
        assert.deepEqual([await send(), await send()], ['full', 'full']);
        assert.deepEqual(peer.resumed.filter((each) => each), [true]);
      }); // prettier-ignore
});
