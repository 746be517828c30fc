import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { decodeQuery, type DecodedQuery, encodeAnswer, type NewReply } from '../wire/dns/message.ts';
import { type ResourceRecord } from '../wire/dns/record.ts';
import { type DnsServer } from './resolv-conf.ts';
import { StubResolver, type StubResolverOptions } from './stub-resolver.ts';

type Way = 'udp' | 'tcp';

interface Asked extends DecodedQuery {
  readonly way: Way;
  readonly from: number;
  /** Octets as they are, in place of or before an answer. */
  readonly send: (octets: Buffer) => void;
  /** Without the length that TCP asks for. */
  readonly sendRaw: (octets: Buffer) => void;
  readonly hangUp: () => void;
}

/** What a server of these tests does with a query: answers with these parts, or says nothing. */
type Behave = (asked: Asked) => Partial<NewReply> | undefined;

const cleanUps: (() => void)[] = [];
after(() => {
  for (const cleanUp of cleanUps) cleanUp();
});

/** A name server on loopback, over UDP and TCP on one port. */
async function serve(behave: Behave, address = '127.0.0.1') {
  const asked: Asked[] = [];
  const answer = (octets: Buffer, way: Pick<Asked, 'way' | 'from' | 'send' | 'sendRaw' | 'hangUp'>): void => {
    const query = decodeQuery(octets);
    assert.ok(query.ok);
    const full = { ...query.value, ...way };
    asked.push(full);
    const parts = behave(full);
    if (parts === undefined) return;
    way.send(encodeAnswer({ id: full.id, question: full.question, rcode: 0, edns: full.edns, ...parts }));
  };

  const tcp = createServer((socket: Socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      const sendRaw = (octets: Buffer) => void socket.write(octets);
      const send = (octets: Buffer) => sendRaw(Buffer.concat([lengthOf(octets), octets]));
      const hangUp = () => void socket.destroy();
      answer(chunk.subarray(2), { way: 'tcp', from: socket.remotePort ?? 0, send, sendRaw, hangUp });
    });
  });
  tcp.listen(0, address);
  await once(tcp, 'listening');
  const bound = tcp.address();
  assert.ok(bound !== null && typeof bound === 'object');

  const udp = createSocket('udp4');
  udp.on('message', (octets: Buffer, peer: RemoteInfo) => {
    const send = (reply: Buffer) => udp.send(reply, peer.port, peer.address);
    answer(octets, { way: 'udp', from: peer.port, send, sendRaw: send, hangUp: () => undefined });
  });
  udp.bind(bound.port, address);
  await once(udp, 'listening');
  let stopped = false;
  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    tcp.close();
    udp.close();
  };
  cleanUps.push(stop);
  return { server: { address, port: bound.port }, asked, stop };
}

function lengthOf(octets: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(octets.length);
  return length;
}

function setUp(options: Partial<StubResolverOptions> & Pick<StubResolverOptions, 'servers'>) {
  let at = 0;
  const resolver = new StubResolver({
    timeoutMs: 100,
    attempts: 2,
    trustAd: 'loopback',
    cacheOctets: 1_000_000,
    clock: { now: () => 0, monotonic: () => at },
    timers: {
      after(delay, wake) {
        const handle = setTimeout(wake, delay);
        return { cancel: () => clearTimeout(handle) };
      },
    },
    ...options,
  });
  cleanUps.push(() => resolver.close());
  return { resolver, move: (seconds: number) => void (at += seconds * 1000) };
}

const a = (name: string, data = '192.0.2.1', ttl = 60): ResourceRecord => ({ name, type: 'A', ttl, data });
const soa: ResourceRecord = {
  name: 'test',
  type: 'SOA',
  ttl: 100,
  data: { mname: 'ns.test', rname: 'root.test', minimum: 50 },
};

describe('StubResolver asks', () => {
  test('with recursion, the AD bit and EDNS, each time from another port with another id', async () => {
    const { server, asked } = await serve(() => ({ rcode: 3 }));
    const { resolver } = setUp({ servers: [server] });
    await Promise.all(Array.from({ length: 20 }, (_, i) => resolver.resolve(`n${i}.test`, 'MX')));
    assert.equal(asked.length, 20);
    for (const query of asked) {
      assert.equal(query.recursionDesired, true);
      assert.equal(query.wantsAuthenticated, true);
      assert.equal(query.udpSize, 1232);
    }
    assert.equal(new Set(asked.map(({ from }) => from)).size, 20);
    assert.ok(new Set(asked.map(({ id }) => id)).size > 15);
  });
  test('each type', async () => {
    const tlsa = { usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32, 5) };
    const zone: readonly ResourceRecord[] = [
      a('x.test'),
      { name: 'x.test', type: 'AAAA', ttl: 60, data: '2001:db8::1' },
      { name: 'x.test', type: 'MX', ttl: 60, data: { preference: 10, exchange: 'mx.test' } },
      { name: 'x.test', type: 'TXT', ttl: 60, data: 'v=spf1 -all' },
      { name: 'x.test', type: 'PTR', ttl: 60, data: 'y.test' },
      { name: 'x.test', type: 'TLSA', ttl: 60, data: tlsa },
    ];
    const { server } = await serve(() => ({ records: zone }));
    const { resolver } = setUp({ servers: [server] });
    for (const record of zone) {
      if (record.type === 'SOA') continue;
      const answer = await resolver.resolve('X.Test', record.type);
      assert.deepEqual(answer, { kind: 'found', records: [record.data], ttl: 60, authenticated: false });
    }
  });
  test('the same question once, however many wait for it, in whatever case', async () => {
    const { server, asked } = await serve(({ question }) => ({ records: [a(question.name)] }));
    const { resolver } = setUp({ servers: [server] });
    const names = ['a.test', 'A.test', 'a.TEST', 'a.test'];
    const answers = await Promise.all(names.map((name) => resolver.resolve(name, 'A')));
    assert.ok(answers.every(({ kind }) => kind === 'found'));
    assert.equal(asked.length, 1);
  });
  test('nobody for a name that cannot be in the DNS', async () => {
    const { server, asked } = await serve(() => ({}));
    const { resolver } = setUp({ servers: [server] });
    for (const name of ['a..b', 'é.test', 'a b', `${'a'.repeat(64)}.test`, `${'a.'.repeat(127)}b`])
      assert.equal((await resolver.resolve(name, 'A')).kind, 'noName');
    assert.equal(asked.length, 0);
  });
  // The system drops some of such a burst: attempts are many and short here.
  test('a thousand questions at once and gets a thousand answers', async () => {
    const { server } = await serve(({ question }) => ({ records: [a(question.name)] }));
    const { resolver } = setUp({ servers: [server], timeoutMs: 300, attempts: 10 });
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) => resolver.resolve(`n${i}.test`, 'A')));
    assert.ok(answers.every(({ kind }) => kind === 'found'));
  });
  test('no more than 512 at a time', async () => {
    const open = new Set<string>();
    let most = 0;
    const { server } = await serve(({ send, id, question }) => {
      open.add(question.name);
      most = Math.max(most, open.size);
      setTimeout(() => {
        open.delete(question.name);
        send(encodeAnswer({ id, question, rcode: 3 }));
      }, 50);
      return undefined;
    });
    const { resolver } = setUp({ servers: [server], timeoutMs: 300, attempts: 10 });
    const answers = await Promise.all(Array.from({ length: 700 }, (_, i) => resolver.resolve(`n${i}.test`, 'A')));
    assert.ok(answers.every(({ kind }) => kind === 'noName'));
    assert.ok(most > 100 && most <= 512, String(most));
  });
  test('and refuses what would wait behind ten thousand', async () => {
    const { server } = await serve(() => undefined);
    const { resolver } = setUp({ servers: [server], timeoutMs: 60_000 });
    const all = Array.from({ length: 10_513 }, (_, i) => resolver.resolve(`n${i}.test`, 'A'));
    assert.deepEqual(await all.at(-1), { kind: 'temporary', reason: 'too many questions are waiting' });
    resolver.close();
    const answers = await Promise.all(all);
    assert.ok(answers.every(({ kind }) => kind === 'temporary'));
    // Sockets that were closed while they were being connected have had their turn.
    await new Promise((wake) => setTimeout(wake, 20));
  });
});

describe('StubResolver answers', () => {
  const mx = (exchange: string): ResourceRecord => ({
    name: 'x.test',
    type: 'MX',
    ttl: 60,
    data: { preference: 0, exchange },
  });
  const cases: readonly (readonly [string, Partial<NewReply>, 'A' | 'MX', unknown])[] = [
    [
      'records',
      { records: [a('x.test')] },
      'A',
      { kind: 'found', records: ['192.0.2.1'], ttl: 60, authenticated: false },
    ],
    [
      'a null MX',
      { records: [mx('')] },
      'MX',
      { kind: 'found', records: [{ preference: 0, exchange: '' }], ttl: 60, authenticated: false },
    ],
    ['no such name', { rcode: 3, authority: [soa] }, 'A', { kind: 'noName', ttl: 50, authenticated: false }],
    ['no such record', { authority: [soa] }, 'A', { kind: 'noData', ttl: 50, authenticated: false }],
    [
      'records of another name are none',
      { records: [a('evil.test')], authority: [soa] },
      'A',
      { kind: 'noData', ttl: 50, authenticated: false },
    ],
    ['a negative answer without SOA', { rcode: 3 }, 'A', { kind: 'noName', ttl: 5, authenticated: false }],
    [
      'a negative TTL of a month',
      {
        rcode: 3,
        authority: [
          { ...soa, ttl: 2_600_000, data: { ...(soa.data as object), minimum: 2_600_000 } } as ResourceRecord,
        ],
      },
      'A',
      { kind: 'noName', ttl: 3600, authenticated: false },
    ],
    [
      'a TTL of a month',
      { records: [a('x.test', '192.0.2.1', 2_600_000)] },
      'A',
      { kind: 'found', records: ['192.0.2.1'], ttl: 86_400, authenticated: false },
    ],
    [
      'AD from loopback',
      { records: [a('x.test')], authenticated: true },
      'A',
      { kind: 'found', records: ['192.0.2.1'], ttl: 60, authenticated: true },
    ],
    [
      'a name behind a CNAME that does not exist',
      { rcode: 3, records: [{ name: 'x.test', type: 'CNAME', ttl: 9, data: 'y.test' }], authority: [soa] },
      'A',
      { kind: 'noName', ttl: 50, authenticated: false },
    ],
  ];
  for (const [name, parts, type, want] of cases)
    test(name, async () => {
      const { server } = await serve(() => parts);
      const { resolver } = setUp({ servers: [server] });
      assert.deepEqual(await resolver.resolve('x.test', type), want);
    });

  test('a CNAME loop is temporary, and asked for once', async () => {
    const { server, asked } = await serve(({ question: { name } }) => ({
      records: [
        { name, type: 'CNAME', ttl: 9, data: 'y.test' },
        { name: 'y.test', type: 'CNAME', ttl: 9, data: name },
      ],
    }));
    const { resolver } = setUp({ servers: [server] });
    const answer = await resolver.resolve('x.test', 'A');
    assert.equal(answer.kind, 'temporary');
    assert.equal(asked.length, 1);
  });
  test('a CNAME that the server did not follow is followed', async () => {
    const { server, asked } = await serve(({ question: { name } }) => {
      const n = Number(/^c(\d)/.exec(name)?.[1]);
      if (n === 3) return { records: [a(name)], authenticated: false };
      return { records: [{ name, type: 'CNAME', ttl: 9 - n, data: `c${n + 1}.test` }], authenticated: true };
    });
    const { resolver } = setUp({ servers: [server] });
    const answer = await resolver.resolve('c0.test', 'A');
    const found = { kind: 'found', records: ['192.0.2.1'], ttl: 7 };
    assert.deepEqual(answer, { ...found, authenticated: false, name: 'c3.test' });
    assert.equal(asked.length, 4);
  });
  test('a CNAME that the server followed: whose the records are is told', async () => {
    const records = [{ name: 'x.test', type: 'CNAME', ttl: 9, data: 'y.test' } as const, a('y.test')];
    const { server } = await serve(() => ({ records, authenticated: true }));
    const { resolver } = setUp({ servers: [server], trustAd: 'loopback' });
    const found = { kind: 'found', ttl: 9, authenticated: true };
    assert.deepEqual(await resolver.resolve('x.test', 'A'), { ...found, records: ['192.0.2.1'], name: 'y.test' });
    assert.deepEqual(await resolver.resolve('x.test', 'CNAME'), { ...found, records: ['y.test'] });
  });
  // Else who can make signatures bogus could have forged answers taken for unsigned ones.
  test('what a trusted server calls bogus another trusted one may know, and no other', async () => {
    const bogus = await serve(() => ({ rcode: 2 }));
    const good = await serve(({ question }) => ({ records: [a(question.name)] }));
    // The same as the loopback address, and not known as one.
    const other = { ...good.server, address: '0.0.0.0' };
    const kinds = async (servers: readonly DnsServer[], trustAd: StubResolverOptions['trustAd']) =>
      (await setUp({ servers, trustAd }).resolver.resolve('x.test', 'A')).kind;
    assert.equal(await kinds([bogus.server, good.server], 'loopback'), 'found');
    assert.equal(await kinds([bogus.server, other], 'loopback'), 'temporary');
    assert.equal(await kinds([bogus.server, other, good.server], 'loopback'), 'found');
    assert.equal(await kinds([bogus.server, other], 'never'), 'found');
    // Nor what a trusted one does not say at all, or not in time.
    const silent = await serve(() => undefined);
    assert.equal(await kinds([silent.server, other], 'loopback'), 'temporary');
    assert.equal(await kinds([other, silent.server], 'loopback'), 'temporary');
    assert.equal(await kinds([silent.server, other], 'never'), 'found');
  });
  test('a CNAME to a name that does not exist', async () => {
    const { server } = await serve(({ question: { name } }) =>
      name === 'x.test'
        ? { records: [{ name, type: 'CNAME', ttl: 9, data: 'y.test' }] }
        : { rcode: 3, authority: [soa] },
    );
    const { resolver } = setUp({ servers: [server] });
    assert.deepEqual(await resolver.resolve('x.test', 'A'), { kind: 'noName', ttl: 9, authenticated: false });
  });
  test('CNAMEs without end are followed eight times', async () => {
    const { server, asked } = await serve(({ question: { name } }) => ({
      records: [{ name, type: 'CNAME', ttl: 9, data: `a.${name}` }],
    }));
    const { resolver } = setUp({ servers: [server] });
    assert.equal((await resolver.resolve('x.test', 'A')).kind, 'temporary');
    assert.equal(asked.length, 9);
  });
  test('with at most a hundred records of a thousand', async () => {
    const many = Array.from({ length: 1000 }, (_, i) => a('x.test', `192.0.2.${i % 256}`));
    const { server, asked } = await serve(({ way }) => (way === 'udp' ? { truncated: true } : { records: many }));
    const { resolver } = setUp({ servers: [server], timeoutMs: 2000 });
    const answer = await resolver.resolve('x.test', 'A');
    assert.equal(answer.kind === 'found' && answer.records.length, 100);
    assert.deepEqual(
      asked.map(({ way }) => way),
      ['udp', 'tcp'],
    );
  });
  for (const [trustAd, want] of [
    ['never', false],
    ['always', true],
    ['loopback', true],
  ] as const)
    test(`AD with trust "${trustAd}": ${want}`, async () => {
      const { server } = await serve(() => ({ rcode: 3, authenticated: true }));
      const { resolver } = setUp({ servers: [server], trustAd });
      const answer = await resolver.resolve('x.test', 'A');
      assert.equal(answer.kind === 'noName' && answer.authenticated, want);
    });
});

describe('StubResolver remembers', () => {
  test('an answer until its TTL has passed', async () => {
    const { server, asked } = await serve(({ question }) => ({ records: [a(question.name, '192.0.2.1', 60)] }));
    const { resolver, move } = setUp({ servers: [server] });
    await resolver.resolve('x.test', 'A');
    move(59);
    const kept = await resolver.resolve('X.TEST', 'A');
    assert.equal(kept.kind === 'found' && kept.ttl, 1);
    assert.equal(asked.length, 1);
    move(1);
    await resolver.resolve('x.test', 'A');
    assert.equal(asked.length, 2);
  });
  test('a negative answer by its SOA', async () => {
    const { server, asked } = await serve(() => ({ rcode: 3, authority: [soa] }));
    const { resolver, move } = setUp({ servers: [server] });
    await resolver.resolve('x.test', 'A');
    move(49);
    await resolver.resolve('x.test', 'A');
    assert.equal(asked.length, 1);
    move(1);
    await resolver.resolve('x.test', 'A');
    assert.equal(asked.length, 2);
  });
  test('a failure for five seconds', async () => {
    const { server, asked } = await serve(() => ({ rcode: 2 }));
    const { resolver, move } = setUp({ servers: [server] });
    await resolver.resolve('x.test', 'A');
    await resolver.resolve('x.test', 'A');
    assert.equal(asked.length, 1);
    move(5);
    await resolver.resolve('x.test', 'A');
    assert.equal(asked.length, 2);
  });
  test('no answer for longer than it is told to', async () => {
    const { server, asked } = await serve(() => ({ rcode: 3, authority: [soa] }));
    const { resolver, move } = setUp({ servers: [server], maxTtl: 10_000 });
    const answer = await resolver.resolve('x.test', 'A');
    assert.equal(answer.kind === 'noName' && answer.ttl, 10);
    move(10);
    await resolver.resolve('x.test', 'A');
    assert.equal(asked.length, 2);
  });
  test('types of one name apart', async () => {
    const { server, asked } = await serve(() => ({ rcode: 0, authority: [soa] }));
    const { resolver } = setUp({ servers: [server] });
    await resolver.resolve('x.test', 'A');
    await resolver.resolve('x.test', 'AAAA');
    assert.equal(asked.length, 2);
  });
  test('nothing after a flush', async () => {
    const { server, asked } = await serve(() => ({ rcode: 3, authority: [soa] }));
    const { resolver } = setUp({ servers: [server] });
    await resolver.resolve('x.test', 'A');
    resolver.flush();
    await resolver.resolve('x.test', 'A');
    assert.equal(asked.length, 2);
  });
});

describe('a bad server', () => {
  const temporary = async (behave: Behave, reason: RegExp, times: number): Promise<void> => {
    const { server, asked } = await serve(behave);
    const { resolver } = setUp({ servers: [server] });
    const answer = await resolver.resolve('x.test', 'A');
    assert.ok(answer.kind === 'temporary', JSON.stringify(answer));
    assert.match(answer.reason, reason);
    assert.equal(asked.length, times);
  };
  const truth = { records: [a('x.test')] };

  test('that is silent is asked again and given up', () => temporary(() => undefined, /no answer in time/, 2));
  test('that says SERVFAIL is asked once', () => temporary(() => ({ rcode: 2 }), /SERVFAIL/, 1));
  test('that says REFUSED is asked once', () => temporary(() => ({ rcode: 5 }), /REFUSED/, 1));
  test('that answers with a record cut short', () =>
    temporary(
      ({ id, question, send }) => {
        const octets = encodeAnswer({ id, question, rcode: 0, ...truth });
        return void send(octets.subarray(0, octets.length - 1));
      },
      /malformed/,
      2,
    ));
  test('that answers with a header only', () =>
    temporary(({ id, send }) => void send(Buffer.from([id >> 8, id & 0xff, 0x81, 0x80, 0, 1, 0, 9])), /malformed/, 2));
  test('that floods with wrong answers', () =>
    temporary(
      ({ id, send }) => {
        for (let i = 0; i < 150; i++) send(Buffer.from([~id >> 8, ~id, 0x81, 0x80, i]));
        return undefined;
      },
      /too many wrong answers|in time/,
      2,
    ));
  test('that truncates by TCP too', () => temporary(() => ({ truncated: true }), /truncated by TCP/, 2));
  test('that hangs up on TCP', () =>
    temporary(
      ({ way, hangUp }) => (way === 'udp' ? { truncated: true } : void hangUp()),
      /closed without an answer|ECONNRESET/,
      4,
    ));
  test('that answers another question by TCP', () =>
    temporary(
      ({ way, id }) => (way === 'udp' ? { truncated: true } : { id, question: { name: 'y.test', type: 1 } }),
      /another question/,
      4,
    ));
  test('that is silent on TCP', () =>
    temporary(({ way }) => (way === 'udp' ? { truncated: true } : undefined), /no answer in time/, 4));

  const lies: readonly (readonly [string, (asked: Asked) => Buffer])[] = [
    ['another id', ({ id, question }) => encodeAnswer({ id: id ^ 1, question, rcode: 3 })],
    ['another name', ({ id, question }) => encodeAnswer({ id, question: { ...question, name: 'y.test' }, rcode: 3 })],
    ['another type', ({ id, question }) => encodeAnswer({ id, question: { ...question, type: 15 }, rcode: 3 })],
    ['one octet', () => Buffer.from([1])],
    ['nothing', () => Buffer.alloc(0)],
  ];
  for (const [name, lie] of lies)
    test(`: ${name} is ignored, and the true answer taken`, async () => {
      const { server } = await serve((asked) => {
        asked.send(lie(asked));
        return truth;
      });
      const { resolver } = setUp({ servers: [server], timeoutMs: 2000, attempts: 1 });
      assert.equal((await resolver.resolve('x.test', 'A')).kind, 'found');
    });

  test('that answers from another port is not heard', async () => {
    const stranger = createSocket('udp4');
    cleanUps.push(() => stranger.close());
    const { server } = await serve(({ id, question, from }) => {
      stranger.send(encodeAnswer({ id, question, rcode: 0, ...truth }), from, '127.0.0.1');
      return undefined;
    });
    const { resolver } = setUp({ servers: [server], attempts: 1 });
    const answer = await resolver.resolve('x.test', 'A');
    assert.equal(answer.kind, 'temporary');
  });
  test('that sends its TCP answer in pieces is understood', async () => {
    const { server } = await serve(({ way, id, question, sendRaw }) => {
      if (way === 'udp') return { truncated: true };
      const octets = encodeAnswer({ id, question, rcode: 0, ...truth });
      const whole = Buffer.concat([lengthOf(octets), octets, Buffer.from('more than was said')]);
      for (let at = 0; at < whole.length; at++) setTimeout(() => sendRaw(whole.subarray(at, at + 1)), at);
      return undefined;
    });
    const { resolver } = setUp({ servers: [server], timeoutMs: 5000 });
    assert.equal((await resolver.resolve('x.test', 'A')).kind, 'found');
  });
});

describe('several servers', () => {
  const truth: Behave = ({ question }) => ({ records: [a(question.name)] });

  test('the second is asked when the first fails', async () => {
    for (const behave of [() => undefined, () => ({ rcode: 2 }), () => ({ rcode: 5 })] as readonly Behave[]) {
      const [bad, good] = await Promise.all([serve(behave), serve(truth)]);
      const { resolver } = setUp({ servers: [bad.server, good.server] });
      assert.equal((await resolver.resolve('x.test', 'A')).kind, 'found');
      assert.deepEqual([bad.asked.length, good.asked.length], [1, 1]);
    }
  });
  test('one that nobody listens on is passed over at once', async () => {
    const gone = await serve(truth);
    gone.stop();
    const good = await serve(truth);
    const { resolver } = setUp({ servers: [gone.server, good.server], timeoutMs: 60_000 });
    assert.equal((await resolver.resolve('x.test', 'A')).kind, 'found');
  });
  test('the one that works is stayed with', async () => {
    const [silent, good] = await Promise.all([serve(() => undefined), serve(truth)]);
    const { resolver } = setUp({ servers: [silent.server, good.server] });
    for (const name of ['a.test', 'b.test', 'c.test']) await resolver.resolve(name, 'A');
    assert.deepEqual([silent.asked.length, good.asked.length], [1, 3]);
  });
  test('no such name is an answer', async () => {
    const [one, two] = await Promise.all([serve(() => ({ rcode: 3 })), serve(truth)]);
    const { resolver } = setUp({ servers: [one.server, two.server] });
    assert.equal((await resolver.resolve('x.test', 'A')).kind, 'noName');
    assert.equal(two.asked.length, 0);
  });
  test('without any there is no resolver', () => assert.throws(() => setUp({ servers: [] }), /needs a server/));
});

describe('close', () => {
  test('ends what is on its way and what comes later', async () => {
    const { server, asked } = await serve(() => undefined);
    const { resolver } = setUp({ servers: [server], timeoutMs: 60_000 });
    const open = resolver.resolve('x.test', 'A');
    await waitUntil(() => asked.length === 1);
    resolver.close();
    assert.equal((await open).kind, 'temporary');
    assert.deepEqual(await resolver.resolve('y.test', 'A'), { kind: 'temporary', reason: 'resolver closed' });
    assert.equal(asked.length, 1);
  });
  test('ends a TCP question too', async () => {
    const { server, asked } = await serve(({ way }) => (way === 'udp' ? { truncated: true } : undefined));
    const { resolver } = setUp({ servers: [server], timeoutMs: 60_000 });
    const open = resolver.resolve('x.test', 'A');
    await waitUntil(() => asked.length === 2);
    resolver.close();
    assert.equal((await open).kind, 'temporary');
  });
});

async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((wake) => setTimeout(wake, 2));
}
