/** What the product signs, verified by programs of others: every kind of content in every canonicalization. */

import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Product, startProduct } from '../lib/product.ts';
import { waitForMaildir, withoutTrace } from '../lib/arrived.ts';
import { assertSameOctets } from '../lib/contents.ts';
import { interopNeeds } from '../lib/debs.ts';
import { testKey } from '../lib/dkim.ts';
import { type Results, VERIFIERS } from '../lib/dkim-verifiers.ts';
import { LineClient } from '../lib/line-client.ts';
import { removeFolder, testFolder } from '../lib/processes.ts';

const CANONICALIZATIONS = ['relaxed/relaxed', 'relaxed/simple', 'simple/relaxed', 'simple/simple'] as const;
const PLAIN = 'To: bob@in.test\r\nSubject: plain\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n';
const MIME = 'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n';
const LONG = `${'A line of text that is not so short, with  two spaces and a tab\there. \r\n'.repeat(16_000)}`;

/** Header section without From, and body. */
const CONTENTS: Readonly<Record<string, readonly [header: string, body: string]>> = {
  'a short text': [PLAIN, 'Hello\r\n'],
  'an empty body': [PLAIN, ''],
  'only empty lines': [PLAIN, '\r\n\r\n\r\n'],
  'trailing blank lines': [PLAIN, 'text\r\n\r\n\r\n\r\n'],
  'leading blank lines': [PLAIN, '\r\n\r\ntext\r\n'],
  'blanks at line ends': [PLAIN, 'text \r\nmore\t\r\n \r\n\t\r\n'],
  'runs of white space': [PLAIN, ' a \t b\r\n\t\tc  \t  d\r\n'],
  'dots at line starts': [PLAIN, '.\r\n..\r\n...\r\n.text\r\ntext.\r\n. \r\n'],
  'lines of 998 octets': [PLAIN, `${'x'.repeat(998)}\r\n${'y '.repeat(499)}\r\n`],
  'folded fields': [
    `${PLAIN}To2: x\r\nReferences: <1@a.test>\r\n\t<2@a.test>\r\n  <3@a.test>\r\nCc: a@x.test,\r\n b@x.test\r\n`,
    'a\r\n',
  ],
  'odd white space in fields': [
    'To:bob@in.test\r\nSubject:   a \t b  \r\n c \r\nDate:Thu, 01 Jan 2026 00:00:00 +0000\r\n',
    'a\r\n',
  ],
  'a blank before a colon': [PLAIN.replace('Date:', 'Date :'), 'a\r\n'],
  'fields that occur several times': [
    `${PLAIN}Received: from x by y; now\r\nReceived: from z by x; before\r\nList-Id: <a>\r\nList-Id: <b>\r\nResent-To: x@a.test\r\nResent-To: y@a.test\r\n`,
    'a\r\n',
  ],
  '8-bit fields': [`Subject: Grüße  an  alle\r\nTo: "Jürgen" <bob@in.test>\r\n${MIME}`, 'Grüße\r\n'],
  '8-bit octets': [`${PLAIN}${MIME}`, `${String.fromCharCode(...Array.from({ length: 128 }, (_, i) => 128 + i))}\r\n`],
  'a signature of somebody else': [
    `DKIM-Signature: v=1; a=rsa-sha256; d=else.test; s=x; h=from;\r\n bh=AAAA; b=AAAA\r\n${PLAIN}`,
    'a\r\n',
  ],
  'a megabyte, through a file': [PLAIN, LONG],
};

/** What a verifier cannot do, and why. */
const CANNOT: readonly (readonly [verifier: string, message: RegExp, why: string])[] = [
  ['python3-dkim', /^a blank before a colon/, 'it takes no such field for one'],
  ['rspamd', /^a blank before a colon/, 'it reads the field without the blank'],
  ['opendkim', /^odd white space in fields, simple/, 'it gets fields as milters do, with one blank behind the colon'],
];

interface Sent {
  readonly name: string;
  readonly octets: Buffer;
  readonly mailbox: string;
  /** As it was delivered. */
  readonly file: string;
}

describe('signatures', { skip: await interopNeeds('dkim') }, () => {
  const keys = { rsa: testKey('rsa'), ed: testKey('ed25519') };
  const records = new Map<string, string>();
  const sent: Sent[] = [];
  let folder: string;
  let product: Product;

  before(async () => {
    folder = await testFolder('dkim');
    for (const [name, { pem }] of Object.entries(keys)) await writeFile(join(folder, `${name}.pem`), pem);
    const domains = CANONICALIZATIONS.map((canonicalization, i) => ({ domain: `form${i}.test`, canonicalization }));
    for (const { domain } of domains)
      for (const [selector, { record }] of Object.entries(keys))
        records.set(`${selector}._domainkey.${domain}`, record);
    const route = { kind: 'maildir', name: 'mailboxes', path: join(folder, 'mail', '{user}') } as const;
    product = await startProduct({
      folder: join(folder, 'product'),
      config: {
        local: { domains: ['in.test'], route: 'mailboxes' },
        routes: [route],
        signing: {
          keys: domains.flatMap(({ domain }) => [
            { domain, selector: 'rsa', file: join(folder, 'rsa.pem') },
            { domain, selector: 'ed', algorithm: 'ed25519-sha256', file: join(folder, 'ed.pem') },
          ]),
          rules: domains.map(({ domain, canonicalization }) => ({ senders: [domain], canonicalization })),
        },
      },
    });
    for (const [at, { domain }] of domains.entries()) await sendAll(domain, `form${at}`);
    for (const { mailbox, file } of sent) {
      const [message] = await waitForMaildir(join(folder, 'mail', mailbox), undefined, 1);
      await writeFile(file, withoutTrace(message!.content));
    }
    await product.stop();
  });
  after(async () => {
    await product?.stop();
    await removeFolder(folder);
  });

  /** All contents, to mailboxes of their own. */
  async function sendAll(domain: string, user: string): Promise<void> {
    const client = await LineClient.greeted(product.ports.smtp);
    for (const [i, [name, [header, body]]] of Object.entries(CONTENTS).entries()) {
      const encoding = name === '8-bit octets' ? 'latin1' : 'utf8';
      const octets = Buffer.from(`From: Ann <ann@${domain}>\r\n${header}\r\n${body}`, encoding);
      const mailbox = `${user}-${i}`;
      await client.send(`ann@${domain}`, [`${mailbox}@in.test`], octets, { mail: 'BODY=8BITMIME' });
      const title = `${name}, ${CANONICALIZATIONS[Number(user.slice(-1))]}`;
      sent.push({ name: title, octets, mailbox, file: join(folder, `${mailbox}.eml`) });
    }
    client.close();
  }

  test('stand in front of content that is otherwise as it came', async () => {
    assert.equal(sent.length, 4 * Object.keys(CONTENTS).length);
    for (const { octets, file } of sent) {
      const delivered = await readFile(file);
      assertSameOctets(delivered.subarray(delivered.length - octets.length), octets);
    }
  });

  for (const [name, verify] of Object.entries(VERIFIERS))
    test(`verify with ${name}`, async () => {
      const place = join(folder, name);
      await mkdir(place);
      const results = await verify({ folder: place, records, messages: sent.map(({ file }) => file) });
      const able = sent.filter(
        (message) => !CANNOT.some(([verifier, cannot]) => verifier === name && cannot.test(message.name)),
      );
      assert.ok(able.length > 55);
      // Debian's Perl module knows no Ed25519.
      assert.deepEqual(failures(results, able, name === 'libmail-dkim-perl' ? ['rsa'] : ['rsa', 'ed']), []);
    });

  test('do not verify when the content was changed: the verifiers are really asked', async () => {
    const changed = join(folder, 'changed.eml');
    const first = await readFile(sent[0]!.file, 'latin1');
    await writeFile(changed, first.replace('Hello', 'hello'), 'latin1');
    for (const [name, verify] of Object.entries(VERIFIERS)) {
      const place = join(folder, `${name}-changed`);
      await mkdir(place);
      const results = (await verify({ folder: place, records, messages: [changed] })).get(changed) ?? [];
      assert.ok(results.length > 0, name);
      assert.ok(!results.some((result) => result.endsWith(' pass')), `${name}: ${results.join(', ')}`);
    }
  });
});

function failures(results: Results, sent: readonly Sent[], selectors: readonly string[]): readonly string[] {
  return sent.flatMap(({ name, file }) => {
    const said = results.get(file) ?? [];
    const missing = selectors.filter((selector) => !said.includes(`${selector} pass`));
    return missing.length === 0 ? [] : [`${name}: ${said.join(', ')}`];
  });
}
