import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decode as oracle, encode as oracleEncode } from 'dns-packet';
import fc from 'fast-check';
import {
  decodeAnswer,
  decodeQuery,
  type DnsReply,
  encodeAnswer,
  encodeQuery,
  rcodeName,
  typeNumber,
} from './message.ts';
import { RECORD_TYPES, type RecordType, type ResourceRecord } from './record.ts';

const MX: ResourceRecord = {
  name: 'example.com',
  type: 'MX',
  ttl: 60,
  data: { preference: 10, exchange: 'mx.example.com' },
};
const question = { name: 'example.com', type: typeNumber('MX') };

function reply(octets: Buffer): DnsReply {
  const result = decodeAnswer(octets);
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

/** Octets of a name without compression. */
function name(text: string): number[] {
  const labels = text.split('.').map((label) => Buffer.from(label, 'latin1'));
  return [...Buffer.concat(labels.flatMap((label) => [Buffer.from([label.length]), label])), 0];
}

const u16 = (value: number) => [value >> 8, value & 0xff];

interface Raw {
  readonly type?: number;
  readonly rdata?: readonly number[];
  readonly rdlength?: number;
  readonly owner?: readonly number[];
  readonly ttl?: readonly number[];
}

function rr({
  type = 15,
  rdata = [],
  rdlength = rdata.length,
  owner = [0xc0, 12],
  ttl = [0, 0, 0, 60],
}: Raw): number[] {
  return [...owner, ...u16(type), ...u16(1), ...ttl, ...u16(rdlength), ...rdata];
}

/** An answer about example.com written by hand. */
function handmade(records: readonly number[], count = 1, flags = 0x8180): Buffer {
  return Buffer.from([
    ...u16(7),
    ...u16(flags),
    ...u16(1),
    ...u16(count),
    ...u16(0),
    ...u16(0),
    ...name('example.com'),
    ...u16(15),
    ...u16(1),
    ...records,
  ]);
}

describe('queries', () => {
  const query = {
    id: 0xbeef,
    name: 'Example.COM',
    type: 'MX',
    recursionDesired: true,
    dnssecOk: false,
    udpSize: 1232,
  } as const;
  test('are read as they were written', () => {
    const octets = encodeQuery(query);
    assert.ok(octets.ok);
    assert.deepEqual(decodeQuery(octets.value), {
      ok: true,
      value: {
        id: 0xbeef,
        question: { name: 'Example.COM', type: 15 },
        recursionDesired: true,
        wantsAuthenticated: true,
        dnssecOk: false,
        udpSize: 1232,
        edns: true,
      },
    });
  });
  test('ask for DNSSEC records when told', () => {
    const octets = encodeQuery({ ...query, dnssecOk: true, recursionDesired: false });
    assert.ok(octets.ok);
    const read = decodeQuery(octets.value);
    assert.ok(read.ok);
    assert.equal(read.value.dnssecOk, true);
    assert.equal(read.value.recursionDesired, false);
  });
  test('for the root are possible', () => {
    const octets = encodeQuery({ ...query, name: '' });
    assert.ok(octets.ok);
    const read = decodeQuery(octets.value);
    assert.equal(read.ok && read.value.question.name, '');
  });
  const unaskable = [
    'a..b',
    '.a',
    'a.',
    `${'a'.repeat(64)}.com`,
    `${'a.'.repeat(127)}b`,
    'a b',
    'é',
    'a\\.b',
    'a\0b',
    'a\r\nb',
  ];
  for (const text of unaskable)
    test(`for ${JSON.stringify(text.slice(0, 20))} cannot be written`, () =>
      assert.equal(encodeQuery({ ...query, name: text }).ok, false));
  test('253 octets are a name', () => assert.equal(encodeQuery({ ...query, name: `${'a.'.repeat(126)}b` }).ok, true));
  test('an answer is no query', () => assert.equal(decodeQuery(encodeAnswer({ id: 1, question, rcode: 0 })).ok, false));
  test('without EDNS 512 octets are taken', () => {
    const read = decodeQuery(oracleEncode({ type: 'query', id: 1, questions: [{ name: 'a.b', type: 'A' }] }));
    assert.ok(read.ok);
    assert.equal(read.value.udpSize, 512);
    assert.equal(read.value.edns, false);
    assert.equal(read.value.wantsAuthenticated, false);
  });
  test('a label with a dot in it is refused by the server', () => {
    const octets = Buffer.from([
      ...u16(1),
      ...u16(0x100),
      ...u16(1),
      ...u16(0),
      ...u16(0),
      ...u16(0),
      3,
      0x61,
      0x2e,
      0x62,
      0,
      ...u16(1),
      ...u16(1),
    ]);
    assert.equal(decodeQuery(octets).ok, false);
  });
});

describe('answers', () => {
  const records: readonly ResourceRecord[] = [
    { name: 'example.com', type: 'CNAME', ttl: 1, data: 'other.test' },
    MX,
    { name: 'example.com', type: 'MX', ttl: 60, data: { preference: 0, exchange: '' } },
    { name: 'a.test', type: 'A', ttl: 2, data: '192.0.2.1' },
    { name: 'a.test', type: 'AAAA', ttl: 3, data: '2001:db8::1' },
    { name: 't.test', type: 'TXT', ttl: 4, data: 'v=spf1 -all' },
    { name: 't.test', type: 'TXT', ttl: 4, data: '' },
    { name: 't.test', type: 'TXT', ttl: 4, data: 'long '.repeat(200) },
    { name: '1.2.0.192.in-addr.arpa', type: 'PTR', ttl: 5, data: 'a.test' },
    {
      name: '_25._tcp.a.test',
      type: 'TLSA',
      ttl: 6,
      data: { usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32, 7) },
    },
  ];
  test('are read as they were written', () => {
    const soa: ResourceRecord = {
      name: 'test',
      type: 'SOA',
      ttl: 9,
      data: { mname: 'ns.test', rname: 'root.test', minimum: 8 },
    };
    const read = reply(
      encodeAnswer({ id: 9, question, rcode: 0, records, authority: [soa], authenticated: true, edns: true }),
    );
    assert.deepEqual(read, { id: 9, question, rcode: 0, truncated: false, authenticated: true, answers: records, soa });
  });
  test('names come in lower case', () => {
    const read = reply(
      encodeAnswer({
        id: 9,
        question: { name: 'EXAMPLE.com', type: 15 },
        rcode: 0,
        records: [{ ...MX, name: 'Example.Com', data: { preference: 1, exchange: 'MX.test' } } as ResourceRecord],
      }),
    );
    assert.equal(read.question?.name, 'example.com');
    assert.deepEqual(read.answers, [{ ...MX, data: { preference: 1, exchange: 'mx.test' } }]);
  });
  test('a truncated one has no records', () => {
    const read = reply(encodeAnswer({ id: 9, question, rcode: 0, records, truncated: true }));
    assert.equal(read.truncated, true);
    assert.deepEqual(read.answers, []);
  });
  test('a truncated one may end anywhere behind its question', () => {
    assert.equal(reply(handmade([0xc0], 5, 0x8380)).truncated, true);
  });
  test('a question may be of a type that we do not know', () => {
    const read = reply(encodeAnswer({ id: 9, question: { name: 'a.test', type: 65 }, rcode: 0 }));
    assert.deepEqual(read.question, { name: 'a.test', type: 65 });
  });
  test('error codes', () => {
    for (const [rcode, text] of [
      [0, 'NOERROR'],
      [2, 'SERVFAIL'],
      [3, 'NXDOMAIN'],
      [5, 'REFUSED'],
      [9, 'RCODE9'],
    ] as const) {
      assert.equal(reply(encodeAnswer({ id: 1, question, rcode })).rcode, rcode);
      assert.equal(rcodeName(rcode), text);
    }
  });
  test('the upper bits of the error code are in OPT', () => {
    const opt = [0, ...u16(41), ...u16(1232), 1, 0, 0, 0, ...u16(0)];
    const octets = handmade(opt, 0);
    octets.writeUInt16BE(1, 10);
    assert.equal(rcodeName(reply(octets).rcode), 'BADVERS');
  });
  test('an error may come without its question, an answer not', () => {
    const bare = (flags: number) => Buffer.from([...u16(7), ...u16(flags), 0, 0, 0, 0, 0, 0, 0, 0]);
    assert.equal(reply(bare(0x8181)).question, undefined);
    assert.equal(decodeAnswer(bare(0x8180)).ok, false);
  });
  test('at most 100 records are read, and what follows is still found', () => {
    const octets = encodeAnswer({
      id: 1,
      question,
      rcode: 0,
      records: Array.from({ length: 1000 }, () => MX),
      authority: [{ name: 'test', type: 'SOA', ttl: 9, data: { mname: 'a', rname: 'b', minimum: 8 } }],
    });
    const read = reply(octets);
    assert.equal(read.answers.length, 100);
    assert.equal(read.soa?.data.minimum, 8);
  });
  test('a name that cannot be written is a bug of the caller', () =>
    assert.throws(
      () => encodeAnswer({ id: 1, question, rcode: 0, records: [{ ...MX, name: 'a..b' }] }),
      /cannot be written/,
    ));
});

describe('records written by hand', () => {
  const good: readonly (readonly [string, readonly number[], unknown])[] = [
    [
      'a compressed exchange',
      rr({ rdata: [0, 10, 2, 0x6d, 0x78, 0xc0, 12] }),
      { preference: 10, exchange: 'mx.example.com' },
    ],
    ['MX to the root', rr({ rdata: [0, 0, 0] }), { preference: 0, exchange: '' }],
    [
      'a dot inside a label is not a dot',
      rr({ rdata: [0, 1, 3, 0x61, 0x2e, 0x62, 0] }),
      { preference: 1, exchange: 'a\\046b' },
    ],
    [
      'control characters are escaped',
      rr({ rdata: [0, 1, 2, 0x0d, 0x0a, 0] }),
      { preference: 1, exchange: '\\013\\010' },
    ],
    [
      'octets above 127 are escaped',
      rr({ rdata: [0, 1, 2, 0xc3, 0xbc, 0] }),
      { preference: 1, exchange: '\\195\\188' },
    ],
    ['a backslash is escaped', rr({ rdata: [0, 1, 1, 0x5c, 0] }), { preference: 1, exchange: '\\092' }],
    ['text of many strings is joined', rr({ type: 16, rdata: [1, 0x61, 0, 2, 0x62, 0x63] }), 'abc'],
    [
      'TLSA of one octet of data',
      rr({ type: 52, rdata: [3, 1, 1, 9] }),
      { usage: 3, selector: 1, matchingType: 1, data: Buffer.from([9]) },
    ],
    ['zero groups of IPv6', rr({ type: 28, rdata: Array<number>(16).fill(0) }), '::'],
  ];
  for (const [title, record, data] of good)
    test(title, () =>
      assert.deepEqual(
        reply(handmade(record)).answers.map((answer) => answer.data),
        [data],
      ),
    );

  /** A record of an unknown type that holds a name of labels that point to each other, and one that is owned by it. */
  const chained = (labels: number) => {
    const start = 12 + 17 + 12;
    const links = Array.from({ length: labels }, (_, i) => [
      1,
      0x61,
      ...u16(0xc000 + start + (i === 0 ? 0 : 4 * i - 3)),
    ]);
    const holder = rr({ type: 99, rdata: [0, ...links.flat()] });
    return handmade([...holder, ...rr({ owner: u16(0xc000 + start + 4 * labels - 3), rdata: [0, 0, 0] })], 2);
  };
  test('a name may be made of pointers', () => {
    const [answer] = reply(chained(100)).answers;
    assert.equal(answer?.name, Array.from({ length: 100 }, () => 'a').join('.'));
  });

  const bad: readonly (readonly [string, Buffer])[] = [
    ['nothing', Buffer.alloc(0)],
    ['half a header', Buffer.alloc(11)],
    ['a query', handmade([], 0, 0x0100)],
    ['another opcode', handmade([], 0, 0xa980)],
    [
      'two questions',
      Buffer.from([
        ...u16(7),
        ...u16(0x8180),
        ...u16(2),
        ...u16(0),
        ...u16(0),
        ...u16(0),
        0,
        0,
        1,
        0,
        1,
        0,
        0,
        1,
        0,
        1,
      ]),
    ],
    [
      'a question of class CH',
      Buffer.from([...u16(7), ...u16(0x8180), ...u16(1), ...u16(0), ...u16(0), ...u16(0), 0, 0, 15, 0, 3]),
    ],
    ['records that are not there', handmade([], 1)],
    ['65535 records that are not there', handmade(rr({ rdata: [0, 0, 0] }), 65_535)],
    ['RDATA that is not there', handmade(rr({ rdata: [0, 10], rdlength: 200 }))],
    ['MX without data', handmade(rr({ rdata: [] }))],
    ['MX of one octet', handmade(rr({ rdata: [0] }))],
    ['MX without exchange', handmade(rr({ rdata: [0, 10] }))],
    [
      'MX whose exchange runs out of its RDATA',
      handmade([...rr({ rdata: [0, 10, 2, 0x6d], rdlength: 4 }), 0x78, 0], 1),
    ],
    ['MX with octets left over', handmade(rr({ rdata: [0, 10, 0, 0] }))],
    ['A of 3 octets', handmade(rr({ type: 1, rdata: [1, 2, 3] }))],
    ['A of 5 octets', handmade(rr({ type: 1, rdata: [1, 2, 3, 4, 5] }))],
    ['AAAA of 4 octets', handmade(rr({ type: 28, rdata: [1, 2, 3, 4] }))],
    ...[0, 1, 2, 3].map(
      (n) =>
        [`TLSA of ${n} octets`, handmade([...rr({ type: 52, rdata: [3, 1, 1].slice(0, n) }), 9, 9, 9, 9])] as const,
    ),
    ['TXT without a string', handmade(rr({ type: 16, rdata: [] }))],
    ['TXT whose string is too long', handmade(rr({ type: 16, rdata: [5, 0x61] }))],
    ['a pointer to itself', handmade(rr({ owner: u16(0xc000 + 12 + 17), rdata: [0, 0, 0] }))],
    ['a pointer forward', handmade(rr({ owner: u16(0xc000 + 100), rdata: [0, 0, 0] }))],
    ['a pointer out of the message', handmade(rr({ owner: [0xff, 0xff], rdata: [0, 0, 0] }))],
    ['half a pointer', handmade([0xc0])],
    [
      'two pointers that lead to each other',
      handmade(rr({ type: 5, rdata: [...u16(0xc000 + 43), ...u16(0xc000 + 41)] })),
    ],
    ['a label of an unknown kind', handmade(rr({ owner: [0x41, 0x61, 0], rdata: [0, 0, 0] }))],
    [
      'a name of 256 octets',
      handmade(rr({ owner: [...Array.from({ length: 128 }, () => [1, 0x61]).flat(), 0], rdata: [0, 0, 0] })),
    ],
    ['a name without an end', handmade(rr({ owner: [63, 0x61], rdata: [] }))],
    ['a name that grows by pointers', chained(128)],
  ];
  for (const [title, octets] of bad) test(`${title} is refused`, () => assert.equal(decodeAnswer(octets).ok, false));

  test('a TTL with its highest bit set is zero', () =>
    assert.equal(reply(handmade(rr({ rdata: [0, 0, 0], ttl: [0x80, 0, 0, 1] }))).answers[0]?.ttl, 0));
  test('records of other types and classes are passed over', () => {
    const chaos = rr({ rdata: [0, 0, 0] });
    chaos[5] = 3;
    assert.deepEqual(reply(handmade([...rr({ type: 46, rdata: [1, 2] }), ...chaos], 2)).answers, []);
  });
});

describe('properties', () => {
  test('no octets make reading throw', () => {
    const octets = fc.oneof(
      fc.uint8Array({ maxLength: 120 }).map((tail) => Buffer.from(tail)),
      fc
        .tuple(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 0, max: 9 }))
        .map(([tail, count]) => handmade([...tail], count)),
      fc
        .tuple(
          fc.constantFrom(1, 5, 6, 12, 15, 16, 28, 52, 41),
          fc.uint8Array({ maxLength: 40 }),
          fc.integer({ min: 0, max: 50 }),
        )
        .map(([type, rdata, rdlength]) => handmade(rr({ type, rdata: [...rdata], rdlength }))),
    );
    fc.assert(
      fc.property(octets, (message) => {
        const answer = decodeAnswer(message);
        if (answer.ok) assert.doesNotMatch(JSON.stringify(answer.value.answers.map(({ name }) => name)), /[^ -~]/);
        decodeQuery(message);
      }),
      { numRuns: 2000 },
    );
  });
  test('one flipped octet never makes reading throw', () => {
    const whole = encodeAnswer({ id: 1, question, rcode: 0, records: [MX, MX], edns: true });
    fc.assert(
      fc.property(
        fc.nat(whole.length - 1),
        fc.integer({ min: 0, max: 255 }),
        fc.nat(whole.length),
        (at, value, end) => {
          const octets = Buffer.from(whole.subarray(0, end));
          if (at < octets.length) octets[at] = value;
          decodeAnswer(octets);
          decodeQuery(octets);
        },
      ),
      { numRuns: 2000 },
    );
  });
  test('reads what another implementation reads in what it wrote', () => {
    const host = fc.domain();
    const data: fc.Arbitrary<readonly [RecordType, unknown]> = fc.oneof(
      host.map((target) => ['CNAME', target] as const),
      host.map((target) => ['PTR', target] as const),
      fc.tuple(fc.nat(65_535), host).map(([preference, exchange]) => ['MX', { preference, exchange }] as const),
      fc.ipV4().map((address) => ['A', address] as const),
      fc
        .array(fc.string({ maxLength: 40 }), { minLength: 1, maxLength: 4 })
        .map((strings) => ['TXT', strings] as const),
    );
    fc.assert(
      fc.property(host, fc.array(fc.tuple(host, data, fc.nat(100_000)), { maxLength: 8 }), (asked, records) => {
        const octets = oracleEncode({
          type: 'response',
          id: 5,
          questions: [{ name: asked, type: 'MX' }],
          answers: records.map(([owner, [type, value], ttl]) => ({ name: owner, type, ttl, data: value }) as never),
        });
        const theirs = oracle(octets);
        const ours = reply(octets);
        assert.equal(ours.question?.name, asked.toLowerCase());
        assert.deepEqual(
          ours.answers.map(({ name, type, ttl }) => [name, type, ttl]),
          (theirs.answers ?? []).map((answer) => [
            answer.name.toLowerCase(),
            answer.type,
            'ttl' in answer ? answer.ttl : -1,
          ]),
        );
        assert.deepEqual(
          ours.answers.map((answer) => answer.data),
          records.map(([, [type, value]]) => (type === 'TXT' ? (value as string[]).join('') : lower(value))),
        );
      }),
    );
  });
});

function lower(value: unknown): unknown {
  if (typeof value === 'string') return value.toLowerCase();
  const { preference, exchange } = value as { preference: number; exchange: string };
  return { preference, exchange: exchange.toLowerCase() };
}

test('the types are those of the registry', () =>
  assert.deepEqual(RECORD_TYPES, { A: 1, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, TLSA: 52 }));
