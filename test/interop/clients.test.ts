/** Foreign clients send to the product, which delivers into Maildirs: what they sent is read back from there. */

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { createTransport } from 'nodemailer';

import { type Arrived, fieldOf, traceOf, waitForMaildir, withoutTrace } from '../lib/arrived.ts';
import { assertSameOctets, SAMPLES, sendSample } from '../lib/contents.ts';
import { interopNeeds } from '../lib/debs.ts';
import { run, removeFolder, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';
import { swaks } from '../lib/swaks.ts';

// Waited for before any test is there: once all tests known so far have ended, `after` would end the product.
const noSwaks = await interopNeeds('swaks');
const noCurl = (await has('curl')) ? false : 'curl is not installed';

let product: Product;
let folder: string;

before(async () => {
  folder = await testFolder('clients');
  const route = { kind: 'maildir', name: 'mailboxes', path: join(folder, 'mail', '{user}') } as const;
  product = await startProduct({
    folder: join(folder, 'product'),
    config: { local: { domains: ['in.test'], route: 'mailboxes' }, routes: [route] },
  });
});
after(async () => {
  await product?.stop();
  await removeFolder(folder);
});

/** The one message of a mailbox. */
async function arrivalFor(user: string): Promise<Arrived> {
  const [message] = await waitForMaildir(join(folder, 'mail', user), undefined, 1);
  assert.equal(message!.deliveredTo, `${user}@in.test`);
  return message!;
}

describe('a Maildir is read back as it was sent', () => {
  for (const [at, sample] of SAMPLES.entries())
    test(sample.name, async () => {
      await sendSample(product.ports.smtp, `sample${at}@in.test`, sample);
      const message = await arrivalFor(`sample${at}`);
      assert.equal(message.returnPath, '<ann@in.test>');
      assertSameOctets(withoutTrace(message.content), sample.octets);
    });
});

const CONTENT = 'From: ann@client.test\r\nSubject: Hello\r\n\r\n.dot\r\n';

describe('swaks', { skip: noSwaks }, () => {
  const send = (user: string, ...more: readonly string[]) =>
    swaks(
      ['--server', `127.0.0.1:${product.ports.smtp}`, '--from', 'ann@client.test', '--to', `${user}@in.test`, ...more],
      Buffer.from(CONTENT),
    );

  test('in clear text', async () => {
    const { code, transcript } = await send('swaks');
    assert.equal(code, 0, transcript);
    // swaks adds a line end of its own.
    assertSameOctets(withoutTrace((await arrivalFor('swaks')).content), Buffer.from(`${CONTENT}\r\n`));
  });
  test('over TLS, and the trace says so', async () => {
    const { code, transcript } = await send('swaks-tls', '--tls');
    assert.equal(code, 0, transcript);
    assert.match(transcript, /TLS started with cipher TLSv1\.3/);
    const message = await arrivalFor('swaks-tls');
    assert.match(traceOf(message.content).join('\n'), /with ESMTPS/);
    const accepted = await product.event(
      'the message over TLS',
      (event) => event.kind === 'accepted' && event.recipients.includes('swaks-tls@in.test'),
    );
    assert.ok(accepted.kind === 'accepted');
    assert.match(accepted.tls ?? '', /^TLSv1\.3 /);
  });
  test('with pipelining', async () => {
    const { code, transcript } = await send('swaks-pipeline', '--pipeline');
    assert.equal(code, 0, transcript);
    await arrivalFor('swaks-pipeline');
  });
  test('is told why when it may not', async () => {
    const { transcript } = await send('x', '--to', '@in.test');
    assert.match(transcript, /<\*\* 501 5\.1\.3/);
  });
});

describe('curl', { skip: noCurl }, () => {
  const send = async (user: string, ...more: readonly string[]) => {
    const file = join(folder, `${user}.eml`);
    await writeFile(file, CONTENT);
    return run({
      argv: [
        ...([
          'curl',
          '--silent',
          '--show-error',
          '--url',
          `smtp://127.0.0.1:${product.ports.smtp}/client.test`,
        ] as const),
        ...['--mail-from', 'ann@client.test', '--mail-rcpt', `${user}@in.test`, '--upload-file', file, ...more],
      ],
    });
  };
  test('in clear text', async () => {
    await send('curl');
    assertSameOctets(withoutTrace((await arrivalFor('curl')).content), Buffer.from(CONTENT));
  });
  test('over TLS', async () => {
    await send('curl-tls', '--ssl-reqd', '--insecure');
    assert.match(traceOf((await arrivalFor('curl-tls')).content).join('\n'), /with ESMTPS/);
  });
});

describe('nodemailer', () => {
  const transport = (options: object = {}) =>
    createTransport({
      ...{ host: '127.0.0.1', port: product.ports.smtp, name: 'client.test' },
      ...{ tls: { rejectUnauthorized: false } },
      ...options,
    });

  test('a message with an attachment, over TLS', async () => {
    const attachment = Buffer.alloc(100_000, '.\r\n');
    const sent = await transport({ requireTLS: true }).sendMail({
      ...{ from: 'Änn <ann@client.test>', to: 'nodemailer@in.test', subject: 'Grüße', text: '.dot\n' },
      attachments: [{ filename: 'dots.bin', content: attachment }],
    });
    assert.deepEqual(sent.accepted, ['nodemailer@in.test']);
    const { content } = await arrivalFor('nodemailer');
    assert.match(fieldOf(content, 'subject') ?? '', /^=\?UTF-8\?/);
    const part = content.toString('latin1').split('\r\n\r\n').at(-1)!.split('\r\n--')[0]!;
    assertSameOctets(Buffer.from(part, 'base64'), attachment);
  });
  test('an address that is not ASCII', async () => {
    await transport().sendMail({
      ...{ from: 'jörg@client.test', to: 'grün@in.test', subject: 'SMTPUTF8', text: 'text' },
      envelope: { from: 'jörg@client.test', to: 'grün@in.test' },
    });
    assert.equal((await arrivalFor('grün')).returnPath, '<jörg@client.test>');
  });
  test('several messages on one connection', async () => {
    const pool = transport({ pool: true, maxConnections: 1 });
    await Promise.all(
      [1, 2, 3].map((n) => pool.sendMail({ from: 'ann@client.test', to: `pool${n}@in.test`, text: `${n}` })),
    );
    pool.close();
    for (const n of [1, 2, 3]) assert.equal(bodyOf((await arrivalFor(`pool${n}`)).content), `${n}\r\n`);
  });
});

function bodyOf(content: Buffer): string {
  return content.toString().split('\r\n\r\n').slice(1).join('\r\n\r\n');
}

async function has(program: string): Promise<boolean> {
  return run({ argv: [program, '--version'] }).then(
    () => true,
    () => false,
  );
}
