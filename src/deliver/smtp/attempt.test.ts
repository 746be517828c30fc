import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type Resolver } from '../../ports/resolver.ts';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test, type TestContext } from 'node:test';
import { type Authority, makeAuthority } from '../../../test/lib/certificates.ts';
import {
  agentFor,
  dispatchOf,
  type Letter,
  MX,
  recipient,
  resolverOf,
  verdictsOf,
} from '../../../test/lib/delivery.ts';
import { type PeerScript, PeerServer, type PeerSession } from '../../../test/lib/peer-server.ts';
import { type SmarthostRoute, type TlsLevel } from '../../mail/route.ts';
import { type AgentOptions, DEFAULT_TIMEOUTS } from '../options.ts';

async function peer(t: TestContext, script: PeerScript = {}): Promise<PeerServer> {
  const server = await new PeerServer(script).listen();
  t.after(() => server.close());
  return server;
}

const mx = (port: number, tls: TlsLevel = 'none') => ({ ...MX, port, tls });
const smarthost = (port: number, more: Partial<SmarthostRoute> = {}): SmarthostRoute => {
  return { kind: 'smarthost', name: 'out', match: {}, host: 'mx.test', port, tls: 'none', implicitTls: false, auth: undefined, ...more };
}; // prettier-ignore
const PIPELINING = { offers: ['PIPELINING', '8BITMIME'] };

/** One letter to one peer. */
async function send(t: TestContext, script: PeerScript, letter: Letter = {}, more: Partial<AgentOptions> = {}) {
  const server = await peer(t, script);
  const under = agentFor(t, more);
  const report = await under.agent.deliver(dispatchOf(mx(server.port), letter));
  return { server, report, verdicts: verdictsOf(report.outcomes), ...under };
}

describe('one message', () => {
  for (const offers of [[], ['PIPELINING'], ['PIPELINING', 'CHUNKING'], ['CHUNKING']])
    test(`to a server that offers ${offers.join(', ') || 'nothing'}`, async (t) => {
      const content = 'Subject: x\r\n\r\n.dot\r\nHello\r\n';
      const { server, report, verdicts } = await send(t, { offers }, { content });
      assert.deepEqual(verdicts, ['delivered']);
      assert.equal(report.connection, 'open');
      assert.equal(report.address, '127.0.0.1');
      assert.equal(report.host, 'mx.test');
      const wire = offers.length === 2 ? content : content.replace('.dot', '..dot');
      assert.deepEqual(server.messages, [wire]);
    });

  test('from a file, larger than the socket takes at once', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'postrider-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const content = `Subject: x\r\n\r\n${'a line of text\r\n'.repeat(200_000)}`;
    writeFileSync(join(folder, 'content'), content);
    const file = { file: join(folder, 'content'), octets: content.length };
    const { server, verdicts } = await send(t, PIPELINING, { content: file });
    assert.deepEqual(verdicts, ['delivered']);
    assert.equal(server.messages[0]?.length, content.length);
    assert.equal(server.messages[0], content);
  });

  for (const octets of [10, 1000])
    test(`a content file that is gone or cut short defers (${octets} octets)`, async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'postrider-'));
      t.after(() => rmSync(folder, { recursive: true }));
      const path = join(folder, octets === 10 ? 'none' : 'short');
      if (octets === 1000) writeFileSync(path, 'Subject: x\r\n\r\nHello\r\n');
      const { verdicts, server, logged } = await send(t, PIPELINING, { content: { file: path, octets } });
      assert.deepEqual(verdicts, ['deferred 4.3.0 message']);
      assert.deepEqual(server.messages, []);
      assert.equal(logged[0]?.level, 'error');
    });

  test('binary content goes in chunks from a file', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'postrider-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const content = Buffer.concat([Buffer.from('Subject: x\r\n\r\n'), Buffer.alloc(600_000, 0xfe)]);
    writeFileSync(join(folder, 'content'), content);
    const offers = ['PIPELINING', 'CHUNKING', 'BINARYMIME', '8BITMIME'];
    const letter = {
      content: { file: join(folder, 'content'), octets: content.length },
      sender: { body: 'BINARYMIME' as const },
    };
    const { server, verdicts } = await send(t, { offers }, letter);
    assert.deepEqual(verdicts, ['delivered']);
    assert.equal(server.messages[0], content.toString('latin1'));
    assert.ok(server.lines.filter((line) => line.startsWith('BDAT')).length >= 3);
  });
});

describe('connections are used again', () => {
  test('for the next message of the slot', async (t) => {
    const server = await peer(t, PIPELINING);
    const { agent } = agentFor(t);
    const reports = await Promise.all([1, 2, 3].map(() => agent.deliver(dispatchOf(mx(server.port)))));
    assert.deepEqual(
      reports.map(({ reused }) => reused),
      [false, true, true],
    );
    assert.equal(server.connections, 1);
    assert.equal(server.messages.length, 3);
  });

  test('not for that of another slot', async (t) => {
    const server = await peer(t, PIPELINING);
    const { agent } = agentFor(t);
    for (const slot of [1, 2]) await agent.deliver(dispatchOf(mx(server.port), { slot }));
    assert.equal(server.connections, 2);
  });

  test('one that the server has closed in the meantime is replaced without a word', async (t) => {
    let messages = 0;
    const server = await peer(t, {
      ...PIPELINING,
      replies: {
        MAIL: (_, { socket, number }) => (number === 1 && ++messages === 2 ? (socket.destroy(), '') : '250 ok'),
      },
    });
    const { agent } = agentFor(t);
    await agent.deliver(dispatchOf(mx(server.port)));
    const report = await agent.deliver(dispatchOf(mx(server.port)));
    assert.deepEqual(verdictsOf(report.outcomes), ['delivered']);
    assert.equal(report.reused, false);
    assert.equal(server.connections, 2);
  });

  test('an idle one that the server closes is told of', async (t) => {
    const server = await peer(t, PIPELINING);
    const told = Promise.withResolvers<number>();
    const { agent } = agentFor(t, { onSlotClosed: (slot) => told.resolve(slot) });
    await agent.deliver(dispatchOf(mx(server.port), { slot: 7 }));
    server.say('421 4.4.2 idle\r\n');
    assert.equal(await told.promise, 7);
  });

  test('not for another login, nor for none', async (t) => {
    const server = await peer(t, { offers: ['AUTH PLAIN'] });
    const { agent } = agentFor(t);
    const logins = [{ user: 'a', password: '1' }, { user: 'b', password: '2' }, { user: 'b', password: '2' }, { user: 'b', password: '3' }, undefined]; // prettier-ignore
    for (const auth of logins) await agent.deliver(dispatchOf(smarthost(server.port, { auth })));
    assert.equal(server.connections, 4);
    assert.equal(server.lines.filter((line) => line.startsWith('AUTH')).length, 3);
  });

  test('MAILMAX is obeyed', async (t) => {
    const server = await peer(t, { offers: ['PIPELINING', 'LIMITS MAILMAX=2'] });
    const { agent } = agentFor(t);
    const reports = [];
    for (const _ of [1, 2, 3]) reports.push(await agent.deliver(dispatchOf(mx(server.port))));
    assert.deepEqual(
      reports.map(({ connection }) => connection),
      ['open', 'closed', 'open'],
    );
    assert.equal(server.connections, 2);
  });
});

describe('hosts and addresses', () => {
  const two = [{ name: 'a.test', preference: 10 }, { name: 'b.test', preference: 20 }]; // prettier-ignore
  const resolver = resolverOf({ 'a.test': ['127.0.0.2'], 'b.test': ['127.0.0.1'], 'c.test': ['?'] });

  test('the next host is tried when one is dead', async (t) => {
    const { report, verdicts } = await send(t, PIPELINING, { hosts: two }, { resolver });
    assert.deepEqual(verdicts, ['delivered']);
    assert.equal(report.host, 'b.test');
    assert.equal(report.refused, true);
  });

  test('the next address is tried when one is dead', async (t) => {
    const addresses = resolverOf({ 'mx.test': ['127.0.0.2', '127.0.0.3', '127.0.0.1'] });
    const { report } = await send(t, PIPELINING, {}, { resolver: addresses });
    assert.equal(report.address, '127.0.0.1');
  });

  test('at most so many addresses', async (t) => {
    const addresses = resolverOf({ 'mx.test': ['127.0.0.2', '127.0.0.3', '127.0.0.1'] });
    const { verdicts, server } = await send(t, PIPELINING, {}, { resolver: addresses, maxAddresses: 2 });
    assert.deepEqual(verdicts, ['deferred 4.4.1 site']);
    assert.equal(server.connections, 0);
  });

  test('names that cannot be looked up count as addresses do', async (t) => {
    const asked: string[] = [];
    const silent: Resolver = {
      resolve: (name) => {
        asked.push(name);
        return Promise.resolve({ kind: 'temporary', reason: 'no answer in time' });
      },
    };
    const hosts = Array.from({ length: 20 }, (_, i) => ({ name: `h${i}.test`, preference: i }));
    const { verdicts } = await send(t, PIPELINING, { hosts }, { resolver: silent, maxAddresses: 3 });
    assert.deepEqual(verdicts, ['deferred 4.4.3 site']);
    assert.equal(new Set(asked).size, 3);
  });

  const greetings: readonly [name: string, greeting: string, want: string][] = [
    ['4xx', '450 4.7.0 later', 'deferred 4.7.0 site'],
    ['421', '421 busy', 'deferred 4.3.2 site'],
    ['554', '554 5.7.1 not you', 'failed 5.7.1 site'],
    ['521', '521 no mail here', 'failed 5.3.2 site'],
    ['no SMTP', 'hello', 'deferred 4.5.0 site'],
  ];
  for (const [name, greeting, want] of greetings)
    test(`every host greets with ${name}`, async (t) => {
      const { verdicts, report } = await send(t, { greeting });
      assert.deepEqual(verdicts, [want]);
      assert.equal(report.refused, true);
      assert.equal(report.connection, 'closed');
    });

  test('a 5xx greeting of one host is not final while another was not there', async (t) => {
    const { verdicts } = await send(t, { greeting: '554 5.7.1 no' }, { hosts: two }, { resolver });
    assert.deepEqual(verdicts, ['deferred 4.3.2 site']);
  });

  test('names that cannot be looked up, or do not exist, defer', async (t) => {
    for (const [name, want] of [
      ['c.test', 'deferred 4.4.3 site'],
      ['none.test', 'deferred 4.4.4 site'],
    ] as const) {
      const { verdicts } = await send(t, {}, { hosts: [{ name, preference: 0 }] }, { resolver });
      assert.deepEqual(verdicts, [want]);
    }
  });

  test('a prohibited address is never dialled', async (t) => {
    const { verdicts, server, report } = await send(t, {}, {}, { prohibited: () => true });
    assert.deepEqual(verdicts, ['deferred 4.4.6 site']);
    assert.equal(server.connections, 0);
    assert.match(report.outcomes[0]!.diagnostic, /leads back/);
  });

  test('a local socket that is not there', async (t) => {
    const { agent } = agentFor(t);
    const to = { socket: join(tmpdir(), 'postrider-none.sock') };
    const report = await agent.deliver(dispatchOf({ kind: 'lmtp', name: 'lmtp', match: {}, to }));
    assert.deepEqual(verdictsOf(report.outcomes), ['deferred 4.4.1 site']);
  });
});

describe('a server that breaks off', () => {
  test('after any octet of its dialogue: an outcome, and delivered only by the whole last reply', async (t) => {
    const whole = await send(t, PIPELINING);
    assert.deepEqual(whole.verdicts, ['delivered']);
    const dialogue = ['220 peer.test ESMTP', '250-peer.test', '250-PIPELINING', '250 8BITMIME', '250 ok', '250 ok', '354 go', '250 2.0.0 queued', ''].join('\r\n'); // prettier-ignore
    for (let cutAfter = 1; cutAfter <= dialogue.length; cutAfter++) {
      const server = await new PeerServer({ ...PIPELINING, cutAfter }).listen();
      const { agent } = agentFor(t);
      const report = await agent.deliver(dispatchOf(mx(server.port)));
      const [verdict] = verdictsOf(report.outcomes);
      await server.close();
      if (cutAfter === dialogue.length) assert.equal(verdict, 'delivered');
      else assert.match(verdict!, /^deferred 4\.4\.2 (site|host|message)$/, `cut after ${cutAfter}`);
    }
  });
});

describe('time', () => {
  const timeouts = {
    ...DEFAULT_TIMEOUTS,
    connect: 200,
    greeting: 60,
    command: 60,
    data: 60,
    final: 60,
    block: 60,
    handshake: 60,
    quit: 20,
  };
  const cases: readonly [name: string, script: PeerScript, want: string][] = [
    ['no greeting', { greeting: '' }, 'deferred 4.4.2 site'],
    ['no reply to EHLO', { replies: { EHLO: '' } }, 'deferred 4.4.2 site'],
    ['no reply to MAIL', { replies: { MAIL: '' } }, 'deferred 4.4.2 host'],
    ['no reply to DATA', { replies: { DATA: '' } }, 'deferred 4.4.2 host'],
    ['no reply to the content', { replies: { '.': '' } }, 'deferred 4.4.2 message'],
  ];
  for (const [name, script, want] of cases)
    test(name, async (t) => {
      const { verdicts, report } = await send(t, script, {}, { timeouts });
      assert.deepEqual(verdicts, [want]);
      assert.match(report.outcomes[0]!.diagnostic, /^postrider: timed out/);
    });

  test('single octets do not start the clock anew', async (t) => {
    const dripping = (socket: Socket): true => {
      const timer = setInterval(() => socket.write('2'), 10);
      socket.on('close', () => clearInterval(timer));
      return true;
    };
    const { verdicts } = await send(t, { takeOver: dripping }, {}, { timeouts });
    assert.deepEqual(verdicts, ['deferred 4.4.2 site']);
  });

  test('a reply every now and then is bounded by the whole', async (t) => {
    const slow = {
      RCPT: (_: string, { socket }: PeerSession) => {
        setTimeout(() => socket.write('250 ok\r\n'), 30);
        return '';
      },
    };
    const to = Array.from({ length: 20 }, (_, i) => `r${i}@peer.test`);
    const { verdicts } = await send(t, { replies: slow }, { to }, { timeouts: { ...timeouts, total: 100 } });
    assert.deepEqual(new Set(verdicts), new Set(['deferred 4.4.7 host']));
  });

  test('a server that stops reading content', async (t) => {
    const content = `Subject: x\r\n\r\n${'x'.repeat(70)}\r\n`.repeat(200_000);
    const replies = {
      DATA: (_: string, { socket }: PeerSession) => {
        socket.write('354 go\r\n');
        socket.pause();
        return '';
      },
    };
    const { verdicts } = await send(t, { replies }, { content }, { timeouts });
    assert.deepEqual(verdicts, ['deferred 4.4.2 message']);
  });
});

describe('TLS', () => {
  let authority: Authority;
  before(() => void (authority = makeAuthority()));

  test('opportunistic takes any certificate', async (t) => {
    const server = await peer(t, {
      certificate: authority.issue('elsewhere.test'),
      offersBehindTls: ['PIPELINING'],
    });
    const { agent } = agentFor(t);
    const report = await agent.deliver(dispatchOf(mx(server.port, 'opportunistic')));
    assert.deepEqual(verdictsOf(report.outcomes), ['delivered']);
    assert.match(report.tls!, /^TLSv1\.[23] /);
    assert.equal(server.secured, 1);
  });

  test('opportunistic goes on in clear when the handshake fails', async (t) => {
    const broken = {
      STARTTLS: (_: string, { socket }: PeerSession) => {
        socket.write('220 go\r\n');
        socket.removeAllListeners('data');
        socket.once('data', () => socket.end('nonsense, not TLS\r\n'));
        return '';
      },
    };
    const server = await peer(t, { offers: ['STARTTLS'], replies: broken });
    const { agent } = agentFor(t);
    const report = await agent.deliver(dispatchOf(mx(server.port, 'opportunistic')));
    assert.deepEqual(verdictsOf(report.outcomes), ['delivered']);
    assert.equal(report.tls, undefined);
    assert.equal(server.connections, 2);
    const strict = await agent.deliver(dispatchOf(mx(server.port, 'encrypt'), { slot: 2 }));
    assert.deepEqual(verdictsOf(strict.outcomes), ['deferred 4.7.5 site']);
  });

  test('octets in clear behind the 220 end the session, and are not taken for an excuse to go on in clear', async (t) => {
    const server = await peer(t, { offers: ['STARTTLS'], replies: { STARTTLS: '220 go\n250 injected' } });
    const { agent } = agentFor(t);
    const report = await agent.deliver(dispatchOf(mx(server.port, 'opportunistic')));
    assert.deepEqual(verdictsOf(report.outcomes), ['deferred 4.5.0 site']);
    assert.deepEqual(server.messages, []);
    assert.equal(server.connections, 1);
  });

  const levels: readonly [level: TlsLevel, name: string, trusted: boolean, want: string][] = [
    ['encrypt', 'elsewhere.test', false, 'delivered'],
    ['verify', 'mx.test', true, 'delivered'],
    ['verify', 'elsewhere.test', true, 'deferred 4.7.5 site'],
    ['verify', 'mx.test', false, 'deferred 4.7.5 site'],
  ];
  for (const [level, name, trusted, want] of levels)
    for (const implicitTls of [false, true])
      test(`${level}, certificate for ${name}, ${trusted ? 'trusted' : 'unknown'} authority, ${implicitTls ? 'implicit' : 'STARTTLS'}`, async (t) => {
        const server = await peer(t, { certificate: authority.issue(name), implicitTls });
        const { agent } = agentFor(t, trusted ? { tls: { ca: authority.cert } } : {});
        const report = await agent.deliver(dispatchOf(smarthost(server.port, { tls: level, implicitTls })));
        assert.deepEqual(verdictsOf(report.outcomes), [want]);
        if (want !== 'delivered')
          assert.deepEqual(
            server.lines.filter((line) => line.startsWith('MAIL')),
            [],
          );
      });

  test('a server without TLS is not good enough for encrypt', async (t) => {
    const server = await peer(t);
    const { agent } = agentFor(t);
    const report = await agent.deliver(dispatchOf(mx(server.port, 'encrypt')));
    assert.deepEqual(verdictsOf(report.outcomes), ['deferred 4.7.4 site']);
  });

  test('a domain that demands verified TLS does not ride on what another domain was content with', async (t) => {
    const server = await peer(t, { certificate: authority.issue('mx.test') });
    const { agent } = agentFor(t, { tls: { ca: authority.cert } });
    const reused = [];
    for (const tls of ['none', 'verify', 'opportunistic', 'verify'] as const)
      reused.push((await agent.deliver(dispatchOf(mx(server.port, tls)))).reused);
    assert.deepEqual(reused, [false, false, true, true]);
    assert.equal(server.connections, 2);
  });

  test('credentials are not sent in clear, but on loopback', async (t) => {
    const server = await peer(t, { offers: ['AUTH PLAIN'] });
    const { agent } = agentFor(t);
    const auth = { user: 'u', password: 'p' };
    const report = await agent.deliver(dispatchOf(smarthost(server.port, { auth })));
    assert.deepEqual(verdictsOf(report.outcomes), ['delivered']);
  });
});

describe('what the next hop cannot take', () => {
  test('8-bit content is converted for a 7-bit server', async (t) => {
    const content =
      'Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nViele Grüße aus der Ferne\r\n';
    const { server, verdicts } = await send(t, { offers: ['PIPELINING'] }, { content, sender: { body: '8BITMIME' } });
    assert.deepEqual(verdicts, ['delivered']);
    assert.match(
      server.messages[0]!,
      /Content-Transfer-Encoding: quoted-printable\r\n\r\nViele Gr=C3=BC=C3=9Fe aus der Ferne\r\n/,
    );
    assert.ok(!server.lines.some((line) => line.includes('BODY=')));
  });

  test('8-bit content stays what it is for one that offers 8BITMIME', async (t) => {
    const content = 'Subject: x\r\n\r\nGrüße\r\n';
    const { server } = await send(t, { offers: ['8BITMIME'] }, { content, sender: { body: '8BITMIME' } });
    assert.equal(server.messages[0], Buffer.from(content).toString('latin1'));
    assert.match(
      server.lines.find((line) => line.startsWith('MAIL'))!,
      /BODY=8BITMIME/,
    );
  });

  test('a signed message is converted or refused, as it is told', async (t) => {
    const content = 'DKIM-Signature: v=1\r\nSubject: x\r\n\r\nGrüße\r\n';
    assert.deepEqual((await send(t, {}, { content })).verdicts, ['delivered']);
    assert.deepEqual((await send(t, {}, { content }, { convertSigned: 'fail' })).verdicts, ['failed 5.6.3 message']);
  });

  test('SMTPUTF8 that is ASCII in fact goes anywhere', async (t) => {
    const { verdicts, server } = await send(t, {}, { sender: { smtpUtf8: true } });
    assert.deepEqual(verdicts, ['delivered']);
    assert.ok(!server.lines.some((line) => line.includes('SMTPUTF8')));
  });

  test('an address that is not ASCII fails alone', async (t) => {
    const { verdicts } = await send(t, {}, { to: ['bob@peer.test', 'jörg@peer.test'], sender: { smtpUtf8: true } });
    assert.deepEqual(verdicts, ['delivered', 'failed 5.6.7 recipient']);
  });

  test('a header section that is not ASCII fails, after another host was asked', async (t) => {
    const content = 'Subject: Grüße\r\n\r\nHello\r\n';
    const hosts = [{ name: 'a.test', preference: 10 }, { name: 'b.test', preference: 20 }]; // prettier-ignore
    const resolver = resolverOf({ 'a.test': ['127.0.0.1'], 'b.test': ['127.0.0.1'] });
    const without = await send(t, {}, { content, hosts, sender: { smtpUtf8: true } }, { resolver });
    assert.deepEqual(without.verdicts, ['failed 5.6.7 message']);
    assert.equal(without.server.connections, 2);
    const dead = resolverOf({ 'a.test': ['127.0.0.1'], 'b.test': ['127.0.0.2'] });
    const unknown = await send(t, {}, { content, hosts, sender: { smtpUtf8: true } }, { resolver: dead });
    assert.deepEqual(unknown.verdicts, ['deferred 4.4.1 site']);
    const replies = {
      EHLO: (_: string, { number }: { number: number }) =>
        number === 1 ? '250 a' : '250-b\n250-8BITMIME\n250 SMTPUTF8',
    };
    const second = await send(t, { replies }, { content, hosts, sender: { smtpUtf8: true } }, { resolver });
    assert.deepEqual(second.verdicts, ['delivered']);
    assert.equal(second.report.host, 'b.test');
  });
});

describe('LMTP', () => {
  const lmtp = (port: number) => ({ kind: 'lmtp', name: 'lmtp', match: {}, to: { host: '127.0.0.1', port } }) as const;

  test('each recipient has an outcome of its own', async (t) => {
    const replies = { '.': (line: string) => (line === '. 1' ? '452 4.2.2 full' : '250 2.0.0 ok') };
    const server = await peer(t, { lmtp: true, offers: ['PIPELINING'], replies });
    const { agent } = agentFor(t);
    const report = await agent.deliver(dispatchOf(lmtp(server.port), { to: ['a@x', 'b@x', 'c@x'] }));
    assert.deepEqual(verdictsOf(report.outcomes), ['delivered', 'deferred 4.2.2 recipient', 'delivered']);
    assert.equal(server.lines[0], 'LHLO us.test');
  });

  test('over a local socket, which is used again', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'postrider-'));
    const server = await new PeerServer({ lmtp: true }).listen(join(folder, 's'));
    t.after(async () => {
      await server.close();
      rmSync(folder, { recursive: true });
    });
    const { agent } = agentFor(t);
    const route = { kind: 'lmtp', name: 'lmtp', match: {}, to: { socket: join(folder, 's') } } as const;
    for (const _ of [1, 2])
      assert.deepEqual(verdictsOf((await agent.deliver(dispatchOf(route))).outcomes), ['delivered']);
    assert.equal(server.connections, 1);
  });

  test('a loop is not delivered again', async (t) => {
    const server = await peer(t, { lmtp: true });
    const { agent } = agentFor(t);
    const content = 'Delivered-To: A@x\r\nSubject: x\r\n\r\nHello\r\n';
    const report = await agent.deliver(dispatchOf(lmtp(server.port), { to: ['a@x', 'b@x'], content }));
    assert.deepEqual(verdictsOf(report.outcomes), ['failed 5.4.6 recipient', 'delivered']);
  });
});

describe('the agent', () => {
  test('an unexpected throw costs one attempt', async (t) => {
    const server = await peer(t);
    const { agent, logged } = agentFor(t);
    const report = await agent.deliver(
      dispatchOf(mx(server.port), { recipients: [recipient('a@x'), undefined as never] }),
    );
    assert.deepEqual(verdictsOf(report.outcomes), ['deferred 4.3.0 message', 'deferred 4.3.0 message']);
    assert.equal(logged[0]?.level, 'error');
    assert.deepEqual(verdictsOf((await agent.deliver(dispatchOf(mx(server.port)))).outcomes), ['delivered']);
  });

  test('closes a slot when it is told to, and says QUIT', async (t) => {
    const quit = Promise.withResolvers<void>();
    const server = await peer(t, {
      replies: {
        QUIT: () => {
          quit.resolve();
          return '221 bye';
        },
      },
    });
    const { agent, slotsClosed } = agentFor(t);
    await agent.deliver(dispatchOf(mx(server.port)));
    agent.closeSlot(1);
    agent.closeSlot(99);
    await quit.promise;
    assert.deepEqual(slotsClosed, []);
  });

  test('drains: what is on its way is waited for, then cut off and deferred', async (t) => {
    const server = await peer(t, { replies: { MAIL: '' } });
    const { agent } = agentFor(t);
    const report = agent.deliver(dispatchOf(mx(server.port)));
    await agent.drain(50);
    assert.match(verdictsOf((await report).outcomes)[0]!, /^deferred 4\.3\.[02]/);
    const quick = await peer(t);
    const other = agentFor(t).agent;
    const delivered = other.deliver(dispatchOf(mx(quick.port)));
    await other.drain(10_000);
    assert.deepEqual(verdictsOf((await delivered).outcomes), ['delivered']);
  });

  test('a listener that nobody accepts from does not hold more than its timeout', async (t) => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    t.after(() => silent.close());
    const { port } = silent.address() as AddressInfo;
    const { agent } = agentFor(t, { timeouts: { ...DEFAULT_TIMEOUTS, greeting: 40 } });
    assert.deepEqual(verdictsOf((await agent.deliver(dispatchOf(mx(port)))).outcomes), ['deferred 4.4.2 site']);
  });
});
