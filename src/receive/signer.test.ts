import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { testKey, type TestKey, verifySignatures } from '../../test/lib/dkim.ts';
import { headerEnd } from '../mail/header.ts';
import { HeaderSection } from '../mail/header-section.ts';
import { activeSigner, Signer, type SigningRule, type SigningSettings } from './signer.ts';
import { readSigningKey, type SigningKey } from './signing-keys.ts';

const RSA = testKey('rsa');
const ED25519 = testKey('ed25519');
const NOW = 1_700_000_000_500;

function keyOf(domain: string, selector: string, { pem }: TestKey): SigningKey {
  const algorithm = selector.startsWith('ed') ? 'ed25519-sha256' : 'rsa-sha256';
  const key = readSigningKey({ domain, selector, algorithm, privateKey: pem });
  assert.ok(key.ok);
  return key.value;
}

const KEYS = [
  keyOf('example.com', 'rsa', RSA),
  keyOf('example.com', 'ed', ED25519),
  keyOf('other.test', 'rsa', RSA),
  keyOf('xn--grn-ioa.test', 'rsa', RSA),
];
const RELAXED = { canonicalization: { header: 'relaxed', body: 'relaxed' }, fields: [] } as const;

function settings(changes: Partial<SigningSettings> = {}): SigningSettings {
  return { keys: KEYS, rules: [], form: RELAXED, expireAfter: undefined, ...changes };
}

function rule(changes: Partial<SigningRule>): SigningRule {
  return { matches: () => true, domains: undefined, sign: true, ...RELAXED, ...changes };
}

const publicKey = (name: string) => (name.startsWith('ed') ? ED25519.publicKey : RSA.publicKey);

function messageFrom(from: string, body = 'Hi.\r\n'): Buffer {
  return Buffer.from(`From: ${from}\r\nTo: bob@far.test\r\nSubject: hello\r\nDate: now\r\n\r\n${body}`);
}

async function signersOf(from: string, changes: Partial<SigningSettings> = {}): Promise<readonly string[]> {
  const signed = await new Signer(settings(changes)).sign(messageFrom(from), NOW);
  return verifySignatures(signed, publicKey).map(({ result, tags }) => {
    assert.equal(result, 'pass');
    return `${tags.get('s')} ${tags.get('d')}`;
  });
}

describe('who signs', () => {
  const onlyThird: Partial<SigningSettings> = {
    rules: [rule({ matches: (author) => author.endsWith('@third.test'), domains: ['other.test'] })],
  };
  const cases: readonly (readonly [string, string, Partial<SigningSettings>, readonly string[]])[] = [
    ['both keys of the domain in From', 'ann@example.com', {}, ['rsa example.com', 'ed example.com']],
    ['whatever its case', 'Ann <ann@EXAMPLE.com>', {}, ['rsa example.com', 'ed example.com']],
    ['an internationalized domain by its A-label', 'ann@grün.test', {}, ['rsa xn--grn-ioa.test']],
    ['nobody for a domain without keys', 'ann@third.test', {}, []],
    ['nobody for a subdomain without keys', 'ann@mail.example.com', {}, []],
    ['nobody for a From that cannot be read', 'ann@', {}, []],
    ['the first of several authors', 'a@other.test, b@example.com', {}, ['rsa other.test']],
    ['by rule: another domain', 'ann@third.test', onlyThird, ['rsa other.test']],
    ['by rule: others as without it', 'ann@example.com', onlyThird, ['rsa example.com', 'ed example.com']],
    ['by rule: nobody', 'ann@example.com', { rules: [rule({ sign: false })] }, []],
    [
      'by rule: several domains',
      'a@x.test',
      { rules: [rule({ domains: ['other.test', 'example.com'] })] },
      ['rsa other.test', 'rsa example.com', 'ed example.com'],
    ],
    [
      'by rule: the first that matches',
      'a@other.test',
      { rules: [rule({ sign: false }), rule({ domains: ['example.com'] })] },
      [],
    ],
    [
      'by rule: a From that cannot be read',
      'ann@',
      { rules: [rule({ matches: (author) => author === '', domains: ['other.test'] })] },
      ['rsa other.test'],
    ],
  ];
  for (const [name, from, changes, wanted] of cases)
    test(name, async () => assert.deepEqual(await signersOf(from, changes), wanted));

  test('nobody: then nothing is looked at', () => {
    assert.equal(activeSigner(settings({ keys: [] })), undefined);
    assert.equal(activeSigner(settings({ keys: [], rules: [rule({ sign: false })] })), undefined);
    assert.ok(activeSigner(settings()));
    assert.ok(activeSigner(settings({ keys: [] }), { signingKeys: () => [] }));
  });
});

describe('a message that is to be signed and cannot be', () => {
  const broken = {
    signingKeys: (domain: string) =>
      domain === 'far.test' ? [{ domain, selector: 'x', algorithm: 'rsa-sha256' as const, privateKey: '' }] : [],
  };
  const cases: readonly (readonly [string, string, Partial<SigningSettings>, RegExp, boolean])[] = [
    ['two From fields', 'From: a@example.com\r\nFrom: b@example.com\r\n\r\n', {}, /more than one From field/, true],
    [
      'no From field, and a rule for it',
      'To: a@example.com\r\n\r\n',
      { rules: [rule({ domains: ['example.com'] })] },
      /no From field/,
      true,
    ],
    [
      'a line that is no field',
      'From: a@example.com\r\nno field\r\nTo: b\r\n\r\n',
      {},
      /a line of its header section is no header field/,
      true,
    ],
    [
      'a rule for a domain without a key',
      'From: a@example.com\r\n\r\n',
      { rules: [rule({ domains: ['far.away'] })] },
      /far\.away is to sign by signing\.rules, and has no key/,
      false,
    ],
    [
      'a key that cannot be used',
      'From: a@far.test\r\n\r\n',
      {},
      /the key x\._domainkey\.far\.test cannot be used/,
      false,
    ],
  ];
  for (const [name, section, changes, reason, lasting] of cases)
    test(name, async () => {
      const signer = new Signer(settings(changes), broken);
      const fault = signer.begin(new HeaderSection(Buffer.from(section)), NOW);
      assert.ok(fault?.kind === 'fault');
      assert.match(fault.reason, reason);
      assert.equal(fault.lasting, lasting);
      await assert.rejects(signer.sign(Buffer.from(section), NOW), reason);
    });
});

describe('a user', () => {
  const may = (author: string): boolean => author === 'ann@example.com';
  const cases: readonly (readonly [string, string, RegExp | 'signing' | undefined])[] = [
    ['is signed for as who it may send as', 'ann@example.com', 'signing'],
    [
      'is not signed for as somebody else: the message is refused',
      'eve@example.com',
      /eve@example\.com, is none that the user may/,
    ],
    ['is not stopped here where nobody signs', 'eve@third.test', undefined],
  ];
  for (const [name, from, wanted] of cases)
    test(name, () => {
      const begun = new Signer(settings()).begin(new HeaderSection(messageFrom(from, '')), NOW, { may });
      if (begun?.kind !== 'fault') return assert.equal(begun?.kind, wanted);
      assert.match(begun.reason, wanted as RegExp);
      return assert.ok(begun.lasting);
    });
});

test('mail of other authors than those that are signed goes out as it is', () => {
  const onlyOf = (author: string): boolean => author === 'ann@example.com';
  const begun = (from: string) =>
    new Signer(settings()).begin(new HeaderSection(messageFrom(from, '')), NOW, { onlyOf, may: onlyOf });
  assert.equal(begun('eve@example.com'), undefined);
  assert.equal(begun('ann@example.com')?.kind, 'signing');
});

describe('the signatures', () => {
  test('say when, until when, and by whom', async () => {
    const signer = new Signer(settings({ expireAfter: 86_400_000 }));
    const [rsa] = verifySignatures(await signer.sign(messageFrom('a@example.com'), NOW), publicKey);
    assert.equal(rsa?.tags.get('t'), '1700000000');
    assert.equal(rsa?.tags.get('x'), '1700086400');
    const signing = signer.begin(new HeaderSection(messageFrom('a@example.com', '')), NOW);
    assert.equal(signing?.kind === 'signing' && signing.by, 'd=example.com s=rsa, d=example.com s=ed');
  });

  test('break when a field is added that they seal, and not when another is', async () => {
    const signed = await new Signer(settings()).sign(messageFrom('a@example.com'), NOW);
    const results = (field: string): readonly string[] =>
      verifySignatures(Buffer.concat([Buffer.from(field), signed]), publicKey).map(({ result }) => result);
    for (const name of ['From', 'To', 'Cc', 'Subject', 'Reply-To', 'Date', 'Content-Type'])
      assert.deepEqual(results(`${name}: x\r\n`), ['bad signature', 'bad signature'], name);
    for (const name of ['Received', 'X-Spam', 'Message-ID', 'Sender'])
      assert.deepEqual(results(`${name}: x\r\n`), ['pass', 'pass'], name);
  });

  test('break when the body is another', async () => {
    const signed = await new Signer(settings()).sign(messageFrom('a@example.com'), NOW);
    const results = verifySignatures(Buffer.concat([signed, Buffer.from('more\r\n')]), publicKey);
    assert.deepEqual(
      results.map(({ result }) => result),
      ['bad body hash', 'bad body hash'],
    );
  });

  test('cover the fields that are named beside the usual ones', async () => {
    const form = { ...RELAXED, fields: ['X-Mailer'] };
    const message = Buffer.concat([Buffer.from('X-Mailer: ours\r\n'), messageFrom('a@example.com')]);
    const [signed] = verifySignatures(await new Signer(settings({ form })).sign(message, NOW), publicKey);
    assert.match(signed?.tags.get('h') ?? '', /:x-mailer:x-mailer$/);
  });

  const forms = ['simple', 'relaxed'] as const;
  const line = fc.stringMatching(/^[ \t.a-z\u00e9]{0,90}$/);
  test('verify, and are as long as was said, whatever is signed and however it comes (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...forms),
        fc.constantFrom(...forms),
        fc.array(line),
        fc.integer({ min: 1, max: 99 }),
        async (header, body, lines, size) => {
          const form = { canonicalization: { header, body }, fields: [] };
          const message = messageFrom('"A, B" <a@example.com>', lines.join('\r\n'));
          const end = headerEnd(message);
          const signing = new Signer(settings({ form })).begin(new HeaderSection(message.subarray(0, end)), NOW);
          assert.ok(signing?.kind === 'signing');
          for (let at = end; at < message.length; at += size) signing.push(message.subarray(at, at + size));
          const fields = await signing.finish();
          assert.equal(fields.length, signing.octets);
          const results = verifySignatures(Buffer.concat([fields, message]), publicKey).map(({ result }) => result);
          assert.deepEqual(results, ['pass', 'pass']);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('that a key cannot make are an error that names the domain', async () => {
    for (const [selector, other] of [
      ['rsa', ED25519],
      ['ed', RSA],
    ] as const) {
      const wrong = { ...keyOf('example.com', selector, selector === 'rsa' ? RSA : ED25519), key: other.publicKey };
      const signer = new Signer(settings({ keys: [wrong] }));
      await assert.rejects(
        signer.sign(messageFrom('a@example.com'), NOW),
        /^Error: signing for example\.com failed: ./,
      );
    }
  });

  test('of any header section are made, or refused with a reason (property)', async () => {
    const piece = fc.constantFrom(
      'From: ',
      'a@example.com',
      '<',
      ',',
      '\r\n',
      '\r\n ',
      '\r',
      ' ',
      '"',
      '(',
      'To',
      ':',
      'x\u00ff',
      'Subject: ',
    );
    const signer = new Signer(settings());
    let signed = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), fc.boolean(), async (pieces, begins) => {
        const text = `${begins ? 'From: a@example.com\r\n' : ''}${pieces.join('')}`.replaceAll('\r\n\r\n', '\r\n');
        const section = Buffer.from(`${text}\r\n`, 'latin1');
        const signing = signer.begin(new HeaderSection(section), NOW);
        if (signing?.kind !== 'signing') return assert.notEqual(signing?.reason, '');
        const fields = await signing.finish();
        assert.equal(fields.length, signing.octets);
        signed += 1;
        return undefined;
      }),
      { numRuns: 300 },
    );
    assert.ok(signed > 10);
  });

  test('of a message without a body, and without an empty line', async () => {
    for (const message of ['From: a@example.com\r\n\r\n', 'From: a@example.com\r\n']) {
      const signed = await new Signer(settings()).sign(Buffer.from(message), NOW);
      assert.deepEqual(
        verifySignatures(signed, publicKey).map(({ result }) => result),
        ['pass', 'pass'],
      );
    }
  });
});
