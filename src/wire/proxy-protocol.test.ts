import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ProxyHeader, type ProxyStep } from './proxy-protocol.ts';

const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

interface V2 {
  readonly command?: number;
  readonly family?: number;
  readonly length?: number;
  readonly body?: readonly number[];
}

function v2({ command = 0x21, family = 0x11, body = [], length = body.length }: V2): Buffer {
  return Buffer.concat([V2_START, Buffer.from([command, family, length >> 8, length & 0xff, ...body])]);
}

const IPV4_BODY = [192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0, 25];
const IPV6_BODY = [
  ...Buffer.from('20010db8000000000000000000000001'.concat('20010db8000000000000000000000002', '30390019'), 'hex'),
];
const MAPPED_BODY = [...Array<number>(10).fill(0), 0xff, 0xff, 192, 0, 2, 1, ...Array<number>(16).fill(0), 0, 7, 0, 25];

const text = (line: string) => Buffer.from(line, 'latin1');
const whole = (octets: Buffer) => new ProxyHeader().push(octets);

const good: readonly (readonly [string, Buffer, { address: string; port: number } | undefined])[] = [
  ['v1 over IPv4', text('PROXY TCP4 192.0.2.1 198.51.100.2 12345 25\r\n'), { address: '192.0.2.1', port: 12345 }],
  ['v1 over IPv6', text('PROXY TCP6 2001:DB8:0::1 ::2 1 65535\r\n'), { address: '2001:db8::1', port: 1 }],
  ['v1 with a mapped address', text('PROXY TCP6 ::ffff:192.0.2.1 ::2 0 25\r\n'), { address: '192.0.2.1', port: 0 }],
  ['v1 UNKNOWN', text('PROXY UNKNOWN\r\n'), undefined],
  ['v1 UNKNOWN with addresses', text('PROXY UNKNOWN ::1 ::2 1 2\r\n'), undefined],
  ['v1 UNKNOWN of 107 octets', text(`PROXY UNKNOWN ${'f'.repeat(91)}\r\n`), undefined],
  ['v2 over IPv4', v2({ body: IPV4_BODY }), { address: '192.0.2.1', port: 12345 }],
  ['v2 over IPv6', v2({ family: 0x21, body: IPV6_BODY }), { address: '2001:db8::1', port: 12345 }],
  ['v2 with a mapped address', v2({ family: 0x21, body: MAPPED_BODY }), { address: '192.0.2.1', port: 7 }],
  ['v2 with TLVs', v2({ body: [...IPV4_BODY, 0x04, 0, 3, 1, 2, 3] }), { address: '192.0.2.1', port: 12345 }],
  ['v2 LOCAL', v2({ command: 0x20, family: 0, body: [] }), undefined],
  ['v2 LOCAL whatever it says', v2({ command: 0x20, family: 0x11, body: [1, 2, 3] }), undefined],
  ['v2 over UDP', v2({ family: 0x12, body: IPV4_BODY }), undefined],
  ['v2 of a Unix socket', v2({ family: 0x31, body: Array<number>(216).fill(0x41) }), undefined],
  ['v2 unspecified', v2({ family: 0x00, body: [] }), undefined],
  [
    'v2 of 2048 octets',
    v2({ body: [...IPV4_BODY, ...Array<number>(2036).fill(0)] }),
    { address: '192.0.2.1', port: 12345 },
  ],
];

describe('a PROXY header gives the source', () => {
  for (const [name, octets, source] of good) {
    const want = source === undefined ? { kind: 'header' } : { kind: 'header', source };
    test(name, () => assert.deepEqual(whole(octets), { ...want, rest: Buffer.alloc(0) }));
    test(`${name}, and what follows`, () =>
      assert.deepEqual(whole(Buffer.concat([octets, text('EHLO a\r\n')])), { ...want, rest: text('EHLO a\r\n') }));
  }
});

const bad: readonly (readonly [string, Buffer])[] = [
  ['SMTP at once', text('EHLO client.test\r\n')],
  ['lower case', text('proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n')],
  ['an unknown family', text('PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n')],
  ['IPv6 as TCP4', text('PROXY TCP4 ::1 ::2 1 2\r\n')],
  ['IPv4 as TCP6', text('PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n')],
  ['families mixed', text('PROXY TCP4 192.0.2.1 ::2 1 2\r\n')],
  ['a bad address', text('PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n')],
  ['a bad destination', text('PROXY TCP4 192.0.2.2 192.0.2.256 1 2\r\n')],
  ['leading zeros', text('PROXY TCP4 192.0.02.1 192.0.2.2 1 2\r\n')],
  ['a port above 65535', text('PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n')],
  ['a port with a leading zero', text('PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n')],
  ['no ports', text('PROXY TCP4 192.0.2.1 192.0.2.2\r\n')],
  ['two spaces', text('PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n')],
  ['words too many', text('PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n')],
  ['a bare LF', text('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n')],
  ['a bare CR', text('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rQ\r\n')],
  ['108 octets', text(`PROXY UNKNOWN ${'f'.repeat(92)}\r\n`)],
  ['a line without an end', text(`PROXY ${'1'.repeat(1000)}`)],
  ['UNKNOWN with more letters', text('PROXY UNKNOWNS\r\n')],
  ['v2 of another version', v2({ command: 0x11, body: IPV4_BODY })],
  ['v2 with an unknown command', v2({ command: 0x22, body: IPV4_BODY })],
  ['v2 too short for IPv4', v2({ body: IPV4_BODY.slice(0, 11) })],
  ['v2 too short for IPv6', v2({ family: 0x21, body: IPV4_BODY })],
  ['v2 above its limit', v2({ length: 2049 })],
  ['v2 with a broken signature', text('\r\n\r\n\0\r\nQUIT\r')],
];

describe('a bad PROXY header is refused', () => {
  for (const [name, octets] of bad) test(name, () => assert.equal(whole(octets).kind, 'bad'));
});

test('an unfinished header asks for more, as long as it may still become one', () => {
  for (const [name, octets] of good)
    for (let end = 0; end < octets.length; end++)
      assert.equal(whole(octets.subarray(0, end)).kind, 'more', `${name} cut at ${end}`);
});

test('a used-up machine is not asked again', () => {
  const machine = new ProxyHeader();
  machine.push(text('EHLO'));
  assert.throws(() => machine.push(text('x')), /after the end/);
});

/** Pushes piece by piece; the octets that were never pushed belong to the rest. */
function inPieces(octets: Buffer, sizes: readonly number[]): ProxyStep {
  const machine = new ProxyHeader();
  let at = 0;
  for (const size of [...sizes, octets.length]) {
    const step = machine.push(octets.subarray(at, at + size));
    at += size;
    if (step.kind === 'header') return { ...step, rest: Buffer.concat([step.rest, octets.subarray(at)]) };
    if (step.kind === 'bad') return step;
  }
  return { kind: 'more' };
}

test('any split of the input gives the same result', () => {
  const input = fc.oneof(
    fc.constantFrom(...good, ...bad).map(([, octets]) => octets),
    fc
      .tuple(fc.constantFrom(V2_START, text('PROXY '), text('PROXY TCP4 ')), fc.uint8Array({ maxLength: 120 }))
      .map(([start, tail]) => Buffer.concat([start, tail])),
    fc.uint8Array({ maxLength: 40 }).map((octets) => Buffer.from(octets)),
  );
  fc.assert(
    fc.property(
      input,
      fc.uint8Array({ maxLength: 8 }),
      fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 20 }),
      (start, tail, sizes) => {
        const octets = Buffer.concat([start, tail]);
        const once = whole(octets);
        const pieces = inPieces(octets, sizes);
        assert.equal(pieces.kind, once.kind);
        assert.deepEqual(pieces, once);
        assert.deepEqual(inPieces(octets, Array<number>(octets.length).fill(1)), once);
      },
    ),
    { numRuns: 400 },
  );
});
