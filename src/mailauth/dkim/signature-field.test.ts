import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { keyOfRecord, tagsOf, verifySignatures } from '../../../test/lib/dkim.ts';
import { canonicalField } from './canonical-header.ts';
import { headerFields } from '../../mail/header.ts';
import {
  fieldBeginning,
  signatureInput,
  type SignatureTags,
  signedField,
  signedFieldOctets,
  signedFields,
  signedOctets,
  unsignedField,
} from './signature-field.ts';

const TAGS: SignatureTags = {
  algorithm: 'rsa-sha256',
  canonicalization: { header: 'relaxed', body: 'relaxed' },
  domain: 'example.com',
  selector: '2026a',
  names: ['from', 'from', 'to', 'subject'],
  signedAt: 1_700_000_000,
  expiresAt: undefined,
};
const EMPTY = createHash('sha256').update('').digest('base64');

describe('a signature field', () => {
  test('has the tags of RFC 6376 §3.5, b= last', () => {
    const text = signedField(
      unsignedField(fieldBeginning({ ...TAGS, expiresAt: 1_700_086_400 }), EMPTY, 'relaxed'),
      'QUJD',
    );
    assert.equal(
      text,
      'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=2026a;\r\n' +
        ' t=1700000000; x=1700086400;\r\n' +
        ' h=from:from:to:subject;\r\n' +
        ' bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n' +
        ' b=QUJD\r\n',
    );
  });

  test('says neither x= nor l= unless asked', () => {
    const tags = tagsOf(unsignedField(fieldBeginning(TAGS), EMPTY, 'relaxed').written.slice('DKIM-Signature:'.length));
    assert.deepEqual([...tags.keys()], ['v', 'a', 'c', 'd', 's', 't', 'h', 'bh', 'b']);
  });

  const label = fc.stringMatching(/^[a-z0-9]{1,63}$/);
  const tags = fc.record({
    algorithm: fc.constantFrom('rsa-sha256' as const, 'ed25519-sha256' as const),
    canonicalization: fc.record({
      header: fc.constantFrom('simple' as const, 'relaxed' as const),
      body: fc.constantFrom('simple' as const, 'relaxed' as const),
    }),
    domain: fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
    selector: label,
    names: fc.array(fc.stringMatching(/^[a-z-]{1,60}$/), { minLength: 1, maxLength: 50 }),
    signedAt: fc.integer({ min: 1_000_000_000, max: 4_000_000_000 }),
    expiresAt: fc.option(fc.integer({ min: 1_000_000_000, max: 4_000_000_000 }), { nil: undefined }),
  });
  const bodyHash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((hash) => Buffer.from(hash).toString('base64'));

  test('is folded at 78 characters, unless one name is longer, and reads back (property)', () => {
    fc.assert(
      fc.property(tags, bodyHash, fc.uint8Array({ minLength: 1, maxLength: 512 }), (some, hash, signature) => {
        const text = signedField(
          unsignedField(fieldBeginning(some), hash, some.canonicalization.header),
          Buffer.from(signature).toString('base64'),
        );
        assert.equal(headerFields(Buffer.from(text)).length, 1);
        for (const line of text.split('\r\n').slice(0, -1)) {
          const words = line.trim().split(' ');
          assert.ok(line.length <= 78 || words.length === 1, line);
        }
        const read = tagsOf(text.slice(text.indexOf(':') + 1));
        assert.equal(read.get('h'), some.names.join(':'));
        assert.equal(read.get('d'), some.domain);
        assert.equal(read.get('bh'), hash);
        assert.equal(read.get('b'), Buffer.from(signature).toString('base64'));
      }),
    );
  });

  test('is hashed as what is written, without a line end at its end (property)', () => {
    fc.assert(
      fc.property(tags, bodyHash, (some, hash) => {
        const { written, canonical } = unsignedField(fieldBeginning(some), hash, some.canonicalization.header);
        assert.equal(canonical, canonicalField(written, some.canonicalization.header));
      }),
    );
  });

  test('is as long as was said before (property)', () => {
    fc.assert(
      fc.property(tags, bodyHash, fc.constantFrom(1, 56, 57, 64, 128, 256, 257, 512), (some, hash, octets) => {
        const text = signedField(
          unsignedField(fieldBeginning(some), hash, some.canonicalization.header),
          Buffer.alloc(octets, 7).toString('base64'),
        );
        assert.equal(text.length, signedFieldOctets(fieldBeginning(some), octets));
      }),
    );
  });
});

describe('what is signed', () => {
  const section = Buffer.from('From: A <a@example.com>\r\nSubject:  hi\r\n there\r\nTo: b\r\n\r\n');
  const fields = headerFields(section);

  test('the chosen fields and the field itself, without a line end at the end', () => {
    const unsigned = unsignedField(fieldBeginning(TAGS), EMPTY, 'relaxed');
    const octets = signedOctets(signedFields(section, fields, TAGS), unsigned).toString();
    const own = unsigned.written.replaceAll('\r\n', '').replace('DKIM-Signature: ', 'dkim-signature:');
    assert.equal(octets, `from:A <a@example.com>\r\nto:b\r\nsubject:hi there\r\n${own}`);
  });

  test('simple: as they stand', () => {
    const tags: SignatureTags = { ...TAGS, canonicalization: { header: 'simple', body: 'simple' } };
    const unsigned = unsignedField(fieldBeginning(tags), EMPTY, 'simple');
    const octets = signedOctets(signedFields(section, fields, tags), unsigned).toString();
    assert.equal(octets, `From: A <a@example.com>\r\nTo: b\r\nSubject:  hi\r\n there\r\n${unsigned.written}`);
  });

  test('octets above 127 as they are', () => {
    const eightBit = Buffer.from('Subject: \xff\xfe gr\u00fc\u00df\r\n', 'latin1');
    const tags = { ...TAGS, names: ['subject'] };
    const octets = signedOctets(signedFields(eightBit, headerFields(eightBit), tags), { written: '', canonical: '' });
    assert.deepEqual(
      octets.subarray(0, 17),
      Buffer.from('subject:\xff\xfe gr\u00fc\u00df\r\n', 'latin1').subarray(0, 17),
    );
  });

  test('with Ed25519 the hash (RFC 8463 §3), with RSA the octets', () => {
    const octets = Buffer.from('a');
    assert.equal(signatureInput('rsa-sha256', octets), octets);
    assert.deepEqual(signatureInput('ed25519-sha256', octets), createHash('sha256').update('a').digest());
  });
});

/** Signed by others; our reading of canonicalization and selection has to agree with theirs. */
describe('messages that others signed verify', () => {
  const folder = new URL('../../../../shared/suites/dkim/', import.meta.url);
  const skip = existsSync(folder) ? false : 'the suites are not beside the project';
  const names = skip === false ? readdirSync(folder).filter((name) => name.endsWith('.txt')) : ['dkim'];
  for (const name of names)
    test(name, { skip }, () => {
      const [records = '', ...rest] = readFileSync(new URL(name, folder), 'latin1')
        .replaceAll('\r\n', '\n')
        .split('\n\n');
      const keys = new Map(
        records.split('\n').map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
      );
      const message = Buffer.from(rest.join('\n\n').replaceAll('\n', '\r\n'), 'latin1');
      const verified = verifySignatures(message, (key) => keyOfRecord(keys.get(key) ?? ''));
      assert.ok(verified.length > 0);
      assert.deepEqual(
        verified.map(({ result }) => result),
        verified.map(() => 'pass'),
      );
    });
});
