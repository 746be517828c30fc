import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { type X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { makeAuthority } from '../../test/lib/certificates.ts';
import { tlsParameters } from '../lib/tls-profile.ts';
import { type NamedPair, namesOf, type ServerContext, serverContext } from './certificate-choice.ts';
import { chooseContext, clientCertificate, secureServerSocket, tlsFacts } from './server-tls.ts';

const authority = makeAuthority();
const stranger = makeAuthority();

function pair(names: readonly string[], kind: 'ecdsa' | 'rsa' = 'ecdsa', shownFor = names): NamedPair {
  const { cert, key } = kind === 'rsa' ? authority.issueRsa(...names) : authority.issue(...names);
  return { certificate: cert, key, names: shownFor };
}

const usual = pair(['mx.test']);
const PAIRS: readonly [NamedPair, ...NamedPair[]] = [
  usual,
  pair(['mx.test'], 'rsa'),
  pair(['a.example.test', 'b.example.test']),
  pair(['*.wild.test']),
  pair(['c.wild.test']),
  pair(['a.example.test'], 'ecdsa', ['a.example.test']),
  pair(['rsa.test'], 'rsa'),
];
const PLAIN = { parameters: tlsParameters('compatible') };

interface Shaken {
  readonly client: TLSSocket;
  readonly shown: X509Certificate;
  readonly server: TLSSocket;
}

let context: ServerContext = serverContext(PAIRS, PLAIN);
const servers: TLSSocket[] = [];
const server = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  chooseContext(socket, context, (chosen) => {
    const secured = secureServerSocket(socket, chosen);
    secured.on('error', () => secured.destroy());
    servers.push(secured);
  });
});
before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
after(() => server.close());

async function shake(options: ConnectionOptions): Promise<Shaken> {
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1' });
  const client = connectTls({ socket, ca: authority.cert, checkServerIdentity: () => undefined, ...options });
  client.resume();
  try {
    await once(client, 'secureConnect');
    const shown = client.getPeerX509Certificate();
    assert.ok(shown !== undefined);
    return { client, shown, server: servers.at(-1)! };
  } finally {
    client.destroy();
  }
}

describe('which certificate a client is shown', () => {
  const cases: readonly (readonly [title: string, servername: string, names: string])[] = [
    ['no name', '', 'mx.test'],
    ['a name that has an RSA key alone, while the usual one has both', 'rsa.test', 'rsa.test'],
    ['its own name', 'mx.test', 'mx.test'],
    ['a name of another certificate', 'b.example.test', 'a.example.test,b.example.test'],
    ['in capitals', 'B.Example.TEST', 'a.example.test,b.example.test'],
    ['of two of a kind for a name, the first', 'a.example.test', 'a.example.test,b.example.test'],
    ['a label under a wildcard', 'x.wild.test', '*.wild.test'],
    ['a name before the wildcard that covers it', 'c.wild.test', 'c.wild.test'],
    ['two labels under a wildcard', 'x.y.wild.test', 'mx.test'],
    ['the domain of a wildcard', 'wild.test', 'mx.test'],
    ['an unknown name', 'nobody.test', 'mx.test'],
    ['a name that every object has', '__proto__', 'mx.test'],
    ['constructor', 'constructor', 'mx.test'],
    ['the wildcard itself', '*.wild.test', '*.wild.test'],
    // CVE-2019-15846
    ['a name that ends in a backslash', 'mx.test\\', 'mx.test'],
    ['a very long name', `${'a.'.repeat(120)}wild.test`, 'mx.test'],
  ];
  for (const [title, servername, names] of cases)
    test(title, async () => {
      context = serverContext(PAIRS, PLAIN);
      const { shown } = await shake(servername === '' ? {} : { servername });
      assert.equal(namesOf(shown.toString()).join(), names);
    });

  test('any octets as a name are answered with some certificate, and never throw', () => {
    const { byName } = serverContext(PAIRS, PLAIN);
    assert.ok(byName !== undefined);
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (name) => void byName(name)));
  });

  test('the final dot of a name counts for nothing', () => {
    const { byName } = serverContext(PAIRS, PLAIN);
    assert.equal(byName?.('b.example.test.'), byName?.('b.example.test'));
    assert.notEqual(byName?.('b.example.test.'), undefined);
  });

  test('one certificate alone needs no choice', () => {
    assert.equal(serverContext([usual], PLAIN).byName, undefined);
  });

  for (const [algorithms, kind] of [
    ['rsa_pss_rsae_sha256', 'rsa'],
    ['ecdsa_secp256r1_sha256', 'ec'],
  ] as const)
    for (const servername of ['mx.test', undefined])
      test(`a client that verifies only ${kind} is shown that of both kinds, ${servername ?? 'without SNI'}`, async () => {
        context = serverContext(PAIRS, PLAIN);
        const { shown } = await shake({ sigalgs: algorithms, ...(servername !== undefined && { servername }) });
        assert.equal(shown.publicKey.asymmetricKeyType, kind);
      });

  test('a name without a certificate for such clients is refused, and not shown that of another name', async () => {
    context = serverContext(PAIRS, PLAIN);
    await assert.rejects(shake({ servername: 'b.example.test', sigalgs: 'rsa_pss_rsae_sha256' }), /handshake failure/);
  });

  test('a pair that does not belong together is refused', () => {
    assert.throws(() => serverContext([{ ...usual, key: PAIRS[2]!.key }], PLAIN), /key values mismatch/);
  });
});

describe('versions and ciphers by profile', () => {
  const cases = [
    ['compatible', 'TLSv1.2', /^TLSv1\.2 /],
    ['compatible', 'TLSv1.3', /^TLSv1\.3 /],
    ['intermediate', 'TLSv1.2', /^TLSv1\.2 TLS_ECDHE_ECDSA_WITH_AES_(128|256)_GCM/],
    ['intermediate', 'TLSv1.3', /^TLSv1\.3 /],
    ['modern', 'TLSv1.3', /^TLSv1\.3 /],
    ['tls12', 'TLSv1.2', /^TLSv1\.2 /],
  ] as const;
  for (const [profile, version, facts] of cases)
    test(`${profile} speaks ${version}`, async () => {
      context = serverContext([usual], { parameters: tlsParameters(profile) });
      const { server: there } = await shake({ minVersion: version, maxVersion: version });
      assert.match(tlsFacts(there), facts);
    });
  const refused = [
    ['modern', { maxVersion: 'TLSv1.2' }],
    ['tls12', { minVersion: 'TLSv1.3' }],
    // CBC, and a key exchange without forward secrecy.
    ['intermediate', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256' }],
    ['tls12', { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' }],
  ] as const;
  for (const [profile, options] of refused)
    test(`${profile} does not speak ${JSON.stringify(options)}`, async () => {
      context = serverContext([usual], { parameters: tlsParameters(profile) });
      await assert.rejects(shake(options), /alert|disconnected|ECONNRESET/i);
    });

  test('the stricter of profile and oldest version counts', () => {
    assert.equal(tlsParameters('intermediate', 'TLSv1.3').minVersion, 'TLSv1.3');
    assert.equal(tlsParameters('modern', 'TLSv1.2').minVersion, 'TLSv1.3');
  });
});

describe('certificates of clients', () => {
  const asking = { ...PLAIN, clientCa: authority.cert };
  const own = authority.issue('client.test');
  const foreign = stranger.issue('client.test');

  const cases = [
    ['one that the authority vouches for', own, 'client.test'],
    ['one of a stranger', foreign, undefined],
    ['none', undefined, undefined],
  ] as const;
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
    for (const [title, shown, proved] of cases)
      test(`${version}, ${title}: the session is served, and knows`, async () => {
        context = serverContext(PAIRS, asking);
        const credentials = shown === undefined ? {} : { cert: shown.cert, key: shown.key };
        const { port } = server.address() as AddressInfo;
        const client = connectTls({
          port,
          host: '127.0.0.1',
          maxVersion: version,
          ca: authority.cert,
          ...credentials,
          checkServerIdentity: () => undefined,
        });
        await once(client, 'secureConnect');
        const there = servers.at(-1)!;
        client.write('hello');
        assert.equal(String(await once(there, 'data')), 'hello');
        const found = clientCertificate(there);
        assert.equal(found === undefined ? undefined : namesOf(found.toString())[0], proved);
        client.destroy();
      });

  test('a session that is resumed still knows', async () => {
    context = serverContext([usual], asking);
    const { port } = server.address() as AddressInfo;
    const options = {
      port,
      host: '127.0.0.1',
      ca: authority.cert,
      cert: own.cert,
      key: own.key,
      checkServerIdentity: () => undefined,
    };
    const first = connectTls(options);
    const [session] = (await once(first, 'session')) as [Buffer];
    first.destroy();
    const second = connectTls({ ...options, session });
    await once(second, 'secureConnect');
    second.write('hello');
    const there = servers.at(-1)!;
    await once(there, 'data');
    assert.equal(second.isSessionReused(), true);
    assert.deepEqual(namesOf(clientCertificate(there)!.toString()), ['client.test']);
    second.destroy();
  });

  test('nobody is asked where no authority is given', async () => {
    context = serverContext([usual], PLAIN);
    const { server: there } = await shake({ cert: own.cert, key: own.key });
    assert.equal(clientCertificate(there), undefined);
  });
});

test('names of a certificate: DNS names alone, in lower case, each once', () => {
  assert.deepEqual(namesOf(authority.issue('MX.Test', 'mx.test', '*.a.test').cert), ['mx.test', '*.a.test']);
  assert.deepEqual(namesOf(authority.cert), []);
});
