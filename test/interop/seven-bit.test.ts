/**
 * Content that is made fit for every server before it is signed: read by a program of others before and after, and verified
 * behind a server that takes 7-bit mail only.
 */

import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { createTransport } from 'nodemailer';
import { isSevenBit } from '../../src/mail/downgrade.ts';
import { waitForMaildir, withCrlf, withoutTrace } from '../lib/arrived.ts';
import { interopNeeds } from '../lib/debs.ts';
import { testKey } from '../lib/dkim.ts';
import { VERIFIERS } from '../lib/dkim-verifiers.ts';
import { LineClient } from '../lib/line-client.ts';
import { renderTree, treeArbitrary } from '../lib/mime-trees.ts';
import { type Postfix, startPostfix } from '../lib/postfix.ts';
import { freePort, removeFolder, run, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';

const skip = (await interopNeeds('postfix')) || (await interopNeeds('dkim'));
const PASSWORD = 'correct horse';
const UTF8 = 'Content-Type: text/plain; charset=utf-8\r\n';
const EIGHT_BIT = `MIME-Version: 1.0\r\n${UTF8}Content-Transfer-Encoding: 8bit\r\n`;
const PARTS =
  'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="part"\r\nContent-Transfer-Encoding: 8bit\r\n';
const ATTACHED = `${Buffer.alloc(57, 'abc').toString('base64')}\r\n`.repeat(20_000);

/** Behind From. */
const CONTENTS: Readonly<Record<string, string>> = {
  'a line of text': `${EIGHT_BIT}\r\nGrüße an alle \r\n`,
  'text without MIME': 'Subject: x\r\n\r\nGrüße an alle\r\n',
  'text mostly of other letters': `${EIGHT_BIT}\r\nПривет всем\r\n`,
  'an attachment through a file': `${PARTS}\r\n--part\r\n${UTF8}\r\nGrüße\r\n--part\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n${ATTACHED}--part--\r\n`,
  'a large text through a file': `${EIGHT_BIT}\r\n${'Grüße an alle, die das lesen -- und an die anderen\r\n'.repeat(20_000)}`,
  'a message in it': `${PARTS}\r\n--part\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@y.test\r\n${EIGHT_BIT}\r\nGrüße\r\n--part--\r\n`,
  'a line that is too long': `Subject: x\r\n\r\n${'word '.repeat(5000)}\r\n`,
  'base64 in one line': `MIME-Version: 1.0\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n${'QUJD'.repeat(5000)}\r\n`,
  'a long line in the header section': `References: ${'<a@b.test> '.repeat(300)}<c@d.test>\r\n\r\nx\r\n`,
  '7-bit': 'Subject: x\r\n\r\nHello\r\n',
};
// Python reads what is in a `message/global` without decoding it.
const TREES = fc
  .sample(treeArbitrary, { numRuns: 60, seed: 5 })
  .filter((tree) => !JSON.stringify(tree).includes('message/global'));

const DECODE = `
import sys, json, hashlib, email
for path in sys.stdin.read().splitlines():
    message = email.message_from_binary_file(open(path, 'rb'))
    leaves = []
    for part in message.walk():
        if part.is_multipart(): continue
        content = (part.get_payload(decode=True) or b'').replace(b'\\r\\n', b'\\n').rstrip()
        leaves.append([part.get_content_type(), hashlib.sha256(content).hexdigest(), len(content)])
    fields = [[name, ' '.join(str(value).split())] for name, value in message.items() if name in ('From', 'Subject', 'References')]
    print(json.dumps([fields, leaves]))
`;

async function decoded(paths: readonly string[]): Promise<readonly unknown[]> {
  const output = await run({ argv: ['python3', '-c', DECODE], input: paths.join('\n') });
  return output.trim().split('\n').map((line) => JSON.parse(line) as unknown); // prettier-ignore
}

interface Sent {
  readonly name: string;
  readonly before: string;
  readonly after: string;
  readonly content: Buffer;
}

describe('behind a server that takes 7-bit mail only', { skip }, () => {
  const keys = { rsa: testKey('rsa'), ed: testKey('ed25519') };
  const records = new Map(
    Object.entries(keys).map(([selector, { record }]) => [`${selector}._domainkey.a.test`, record]),
  );
  const sent: Sent[] = [];
  let folder: string;
  let product: Product;
  let postfix: Postfix;
  let transport: ReturnType<typeof createTransport>;

  before(async () => {
    folder = await testFolder('seven-bit');
    postfix = await startPostfix({
      domains: ['kept.test'],
      parameters: { smtpd_discard_ehlo_keywords: '8bitmime, smtputf8, chunking' },
    });
    for (const [name, { pem }] of Object.entries(keys)) await writeFile(join(folder, `${name}.pem`), pem);
    const submission = await freePort();
    const smtp = await freePort();
    product = await startProduct({
      folder: join(folder, 'product'),
      ports: { smtp, http: await freePort() },
      config: {
        listeners: [
          { name: 'smtp', host: '127.0.0.1', port: smtp },
          { name: 'submission', host: '127.0.0.1', port: submission, auth: 'required', authInClearText: true },
        ],
        local: { domains: ['in.test'], route: 'mailboxes' },
        routes: [
          { kind: 'maildir', name: 'mailboxes', path: join(folder, 'mail', '{user}') },
          { kind: 'smarthost', name: 'out', host: '127.0.0.1', port: postfix.port, tls: 'none' },
        ],
        signing: {
          keys: [
            { domain: 'a.test', selector: 'rsa', file: join(folder, 'rsa.pem') },
            { domain: 'a.test', selector: 'ed', algorithm: 'ed25519-sha256', file: join(folder, 'ed.pem') },
          ],
        },
      },
    });
    await product.control.addCredential({ user: 'ann', password: PASSWORD, senders: ['a.test'] });
    transport = createTransport({
      host: '127.0.0.1',
      port: submission,
      ignoreTLS: true,
      pool: true,
      auth: { user: 'ann', pass: PASSWORD },
    });
    const contents: readonly (readonly [string, Buffer])[] = [
      ...Object.entries(CONTENTS).map(([name, text]) => [name, Buffer.from(text)] as const),
      ...TREES.map((tree, i) => [`tree ${i}`, renderTree(tree)] as const),
    ];
    for (const [i, [name, content]] of contents.entries()) await send(i, name, content);
  });
  after(async () => {
    transport?.close();
    await product?.stop();
    await postfix?.stop();
    await removeFolder(folder);
  });

  async function send(i: number, name: string, content: Buffer): Promise<void> {
    const raw = Buffer.concat([Buffer.from('From: ann@a.test\r\n'), content]);
    const to = `box${i}@kept.test`;
    await transport.sendMail({ envelope: { from: 'ann@a.test', to }, raw });
    const [message] = await postfix.arrivals(to, 1);
    const one = { name, before: join(folder, `${i}.before`), after: join(folder, `${i}.after`) };
    await writeFile(one.before, raw);
    await writeFile(one.after, withoutTrace(message!.content));
    sent.push({ ...one, content: message!.content });
  }

  test('everything has arrived, and is 7-bit', () => {
    assert.ok(sent.length > 50);
    for (const { name, content } of sent) assert.ok(isSevenBit(content), name);
  });

  test('another program decodes the same as before', async () => {
    const first = await decoded(sent.map((one) => one.before));
    const second = await decoded(sent.map((one) => one.after));
    assert.equal(first.length, sent.length);
    for (const [i, { name }] of sent.entries()) assert.deepEqual(second[i], first[i], name);
  });

  for (const [name, verify] of Object.entries(VERIFIERS))
    test(`our signatures verify with ${name}`, async () => {
      const place = join(folder, name);
      await mkdir(place);
      const results = await verify({ folder: place, records, messages: sent.map((one) => one.after) });
      // Debian's Perl module knows no Ed25519.
      const selectors = name === 'libmail-dkim-perl' ? ['rsa'] : ['rsa', 'ed'];
      for (const one of sent)
        for (const selector of selectors)
          assert.ok(results.get(one.after)?.includes(`${selector} pass`), `${one.name}: ${results.get(one.after)}`);
    });

  test('what S/MIME has signed verifies with OpenSSL, 8-bit as it is', async () => {
    const file = (name: string): string => join(folder, `smime-${name}`);
    const signer = ['-signer', file('certificate'), '-inkey', file('key')];
    await run({
      argv: [
        'openssl',
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-subj',
        '/CN=ann',
        '-keyout',
        file('key'),
        '-out',
        file('certificate'),
      ],
    });
    await writeFile(
      file('text'),
      `${UTF8}Content-Transfer-Encoding: 8bit\r\n\r\nGrüße an alle ${'x'.repeat(1000)}\r\n`,
    );
    await run({
      argv: [
        'openssl',
        'smime',
        '-sign',
        '-binary',
        '-crlfeol',
        '-in',
        file('text'),
        ...signer,
        '-out',
        file('signed'),
      ],
    });
    const raw = withCrlf(await readFile(file('signed')));
    assert.ok(!isSevenBit(raw));
    await transport.sendMail({
      envelope: { from: 'ann@a.test', to: 'smime@in.test' },
      raw: Buffer.concat([Buffer.from('From: ann@a.test\r\n'), raw]),
    });
    const [message] = await waitForMaildir(join(folder, 'mail', 'smime'), undefined, 1);
    await writeFile(file('arrived'), withoutTrace(message!.content));
    const output = await run({
      argv: ['openssl', 'smime', '-verify', '-noverify', '-binary', '-crlfeol', '-in', file('arrived')],
    });
    assert.match(output, /Grüße an alle x{1000}/);
  });

  test('what is signed as it came does not: the hop really changes it', async () => {
    const client = await LineClient.greeted(product.ports.smtp);
    const octets = Buffer.from(`From: ann@a.test\r\n${CONTENTS['a line of text']}`);
    await client.send('ann@a.test', ['unfit@kept.test'], octets, { mail: 'BODY=8BITMIME' });
    client.close();
    const [message] = await postfix.arrivals('unfit@kept.test', 1);
    const file = join(folder, 'unfit');
    await writeFile(file, withoutTrace(message!.content));
    const place = join(folder, 'unfit-verifier');
    await mkdir(place);
    const results = await VERIFIERS['python3-dkim']!({ folder: place, records, messages: [file] });
    assert.ok(results.get(file)!.length === 2 && !results.get(file)!.some((said) => said.endsWith(' pass')));
  });
});
