import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  decodeHead,
  encodeHead,
  FIRST_LINE_OCTETS,
  firstLine,
  MAX_HEAD_OCTETS,
  type PickupEnvelope,
} from './pickup-file.ts';

const WHOLE: PickupEnvelope = {
  sender: 'ann@a.test',
  fullName: 'Änn "A" Smith',
  recipients: ['root', 'bob@b.test'],
  notify: ['FAILURE', 'DELAY'],
  ret: 'HDRS',
  envid: 'QQ+3D1',
};

describe('the head of a pickup file', () => {
  for (const [name, envelope] of Object.entries<PickupEnvelope>({
    'all of it': WHOLE,
    'as little as there may be': { recipients: ['a'] },
    'the null reverse-path': { sender: '', recipients: ['a'] },
    'a thousand recipients': { recipients: Array.from({ length: 1000 }, (_, n) => `user${n}@example.com`) },
  }))
    test(`is read as it was written: ${name}`, () => {
      const head = encodeHead(envelope, 17);
      const read = decodeHead(Buffer.concat([head, Buffer.from('A: b\r\n\r\n')]));
      assert.deepEqual(read, { ok: true, value: { envelope, contentOctets: 17, headOctets: head.length } });
    });

  test('the first line has one length, and can be filled in last', () => {
    assert.equal(firstLine(0).length, FIRST_LINE_OCTETS);
    assert.equal(firstLine(2 ** 40).length, FIRST_LINE_OCTETS);
  });

  const second = (json: unknown): Buffer => Buffer.concat([firstLine(1), Buffer.from(`${JSON.stringify(json)}\n`)]);
  const bad: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
    'an empty file': [Buffer.alloc(0), /no message/],
    'any other file': [Buffer.from('#!/bin/sh\nrm -rf /\n'.repeat(5)), /no message/],
    'another version': [Buffer.from(String(encodeHead(WHOLE, 1)).replace('pickup 1', 'pickup 2')), /no message/],
    'a first line that is cut': [encodeHead(WHOLE, 1).subarray(0, FIRST_LINE_OCTETS - 2), /no message/],
    'an envelope that is cut': [encodeHead(WHOLE, 1).subarray(0, -1), /no end/],
    'an envelope that is too long': [Buffer.concat([firstLine(1), Buffer.alloc(MAX_HEAD_OCTETS, 'x')]), /no end/],
    'no JSON': [Buffer.concat([firstLine(1), Buffer.from('{\n')]), /not JSON/],
    'a list': [second([1]), /not JSON/],
    nothing: [second(null), /not JSON/],
    'no recipients': [second({ recipients: [] }), /names no recipients/],
    'recipients that are no list': [second({ recipients: 'a' }), /names no recipients/],
    'an empty recipient': [second({ recipients: ['a', ''] }), /names no recipients/],
    'a recipient that is a number': [second({ recipients: ['a', 1] }), /names no recipients/],
    'too many recipients': [second({ recipients: Array.from({ length: 1001 }, () => 'a') }), /more than 1000/],
    'a sender that is no text': [second({ recipients: ['a'], sender: null }), /sender/],
    'a sender without end': [second({ recipients: ['a'], sender: 'x'.repeat(5000) }), /sender/],
    'a name that is no text': [second({ recipients: ['a'], fullName: {} }), /full name/],
    'a wrong NOTIFY': [second({ recipients: ['a'], notify: ['NEVER', 'DELAY'] }), /NEVER stands alone/],
    'a wrong RET': [second({ recipients: ['a'], ret: 'SOME' }), /RET/],
    'a wrong ENVID': [second({ recipients: ['a'], envid: 'a=b' }), /ENVID/],
  };
  for (const [name, [octets, why]] of Object.entries(bad))
    test(`is refused: ${name}`, () => {
      const read = decodeHead(octets);
      assert.ok(!read.ok);
      assert.match(read.reason, why);
    });

  test('any octets are read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.json(), (tail, json) => {
        for (const octets of [Buffer.from(tail), Buffer.concat([firstLine(3), Buffer.from(`${json}\n`), tail])])
          assert.equal(typeof decodeHead(octets).ok, 'boolean');
      }),
    );
  });
});
