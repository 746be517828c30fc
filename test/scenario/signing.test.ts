/** Signing in the running product: by keys that come and go with reloads, in every worker, of reports too, and never silently not. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type PostriderConfig } from '../../src/config/config.ts';
import { type Event } from '../../src/events/event.ts';
import { keyOfRecord, testKey, verifySignatures } from '../lib/dkim.ts';
import { type HeardReply, LineClient } from '../lib/line-client.ts';
import { removeFolder, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';
import { type Received, type Receiver, startReceiver } from '../lib/receiver.ts';
import { sendmail } from '../lib/sendmail.ts';
import { until } from '../lib/wait.ts';

const KEYS = { rsa: testKey('rsa'), ed: testKey('ed25519') };
const DOMAIN = 'signed.test';

describe('signing', () => {
  let folder: string;
  let receiver: Receiver;
  let product: Product;
  let count = 0;

  type Signing = NonNullable<PostriderConfig['signing']>;

  function configOf(signing: Signing): Partial<PostriderConfig> {
    const to = { host: '127.0.0.1', port: receiver.port, tls: 'none' } as const;
    return { workers: 2, signing, routes: [{ kind: 'smarthost', name: 'out', ...to }] };
  }

  function keyOf(selector: keyof typeof KEYS, domain = DOMAIN) {
    const algorithm = selector === 'rsa' ? 'rsa-sha256' : 'ed25519-sha256';
    return { domain, selector, algorithm, file: join(folder, `${selector}.pem`) } as const;
  }

  before(async () => {
    folder = await testFolder('signing');
    for (const [name, { pem }] of Object.entries(KEYS)) writeFileSync(join(folder, `${name}.pem`), pem);
    receiver = await startReceiver({
      recipient: (address) => (address.startsWith('nobody') ? '550 5.1.1 no such mailbox' : undefined),
    });
    product = await startProduct({ config: configOf({}) });
  });
  after(async () => {
    await product?.stop();
    await receiver?.close();
    await removeFolder(folder);
  });

  async function reload(signing: Signing): Promise<{ readonly code: unknown; readonly output: string }> {
    product.configure(configOf(signing));
    return product.cli('reload');
  }

  async function sendTo(recipient: string, body = 'Hi.\r\n', from = `From: ann@${DOMAIN}\r\n`): Promise<HeardReply> {
    const client = await LineClient.greeted(product.ports.smtp);
    const replies = await client.send(`ann@${DOMAIN}`, [recipient], Buffer.from(`${from}Subject: x\r\n\r\n${body}`));
    client.close();
    return replies.at(-1)!;
  }

  async function arrived(recipient: string): Promise<Received> {
    const isIt = ({ recipients }: Received): boolean => recipients.some(({ address }) => address === recipient);
    return until(`mail for ${recipient}`, () => receiver.messages.find(isIt));
  }

  /** Sends a message and says who signed what arrived. */
  async function signersOf(body?: string): Promise<readonly string[]> {
    const recipient = `r${(count += 1)}@far.test`;
    const reply = await sendTo(recipient, body);
    assert.equal(reply.code, 250, reply.text);
    return signersIn(await arrived(recipient));
  }

  function signersIn({ content }: Received): readonly string[] {
    const key = (name: string) => KEYS[name.split('.')[0] as keyof typeof KEYS].publicKey;
    return verifySignatures(Buffer.from(content, 'latin1'), key).map(
      ({ result, tags }) => `${tags.get('s')} ${result}`,
    );
  }

  const rejection = (text: string): Promise<Event> =>
    product.event('the refusal', (event) => event.kind === 'rejected' && event.reply.includes(text));

  test('is not done without keys', async () => assert.deepEqual(await signersOf(), []));

  test('begins with a reload that brings keys, in every worker and for mail of any size', async () => {
    const { code, output } = await reload({ keys: [keyOf('rsa'), keyOf('ed')] });
    assert.equal(code, 0, output);
    const bodies = [undefined, 'x \r\n\r\n\r\n', 'a line of a large one \r\n'.repeat(50_000)];
    for (const body of bodies)
      for (let i = 0; i < 6; i += 1) assert.deepEqual(await signersOf(body), ['rsa pass', 'ed pass']);
  });

  test('is told of in the event', async () => {
    const event = await product.event(
      'the message',
      (each) => each.kind === 'accepted' && each.recipients.includes(`r${count}@far.test`),
    );
    assert.ok(event.kind === 'accepted');
    assert.equal(event.signedBy, `d=${DOMAIN} s=rsa, d=${DOMAIN} s=ed`);
  });

  test('is done for mail of local programs', async () => {
    const pickup = join(product.spool, 'pickup');
    const input = `From: ann@${DOMAIN}\nSubject: x\n\nHi.\n`;
    assert.deepEqual(await sendmail(['-f', `ann@${DOMAIN}`, 'local@far.test'], { pickup, input }), {
      code: 0,
      output: '',
    });
    assert.deepEqual(signersIn(await arrived('local@far.test')), ['rsa pass', 'ed pass']);
  });

  test('goes on as before when a reload names a key that cannot be used, and it says which', async () => {
    writeFileSync(join(folder, 'bad.pem'), 'no key');
    for (const file of [join(folder, 'bad.pem'), join(folder, 'none.pem')]) {
      const { code, output } = await reload({ keys: [keyOf('rsa'), { ...keyOf('ed'), file }] });
      assert.notEqual(code, 0);
      assert.match(output, /signing\.keys\[1\]\.file/);
    }
    assert.deepEqual(await signersOf(), ['rsa pass', 'ed pass']);
  });

  test('that cannot be done is a refusal for now, with the reason, and nothing is passed on', async () => {
    const { code, output } = await reload({ rules: [{ senders: [DOMAIN], domains: ['other.test'] }] });
    assert.equal(code, 0, output);
    const reply = await sendTo('unsigned@far.test');
    assert.match(reply.text, /^451 4\.7\.5 .*other\.test is to sign by signing\.rules, and has no key/);
    await rejection('4.7.5');
    assert.ok(!receiver.asked.includes('unsigned@far.test'));
  });

  test('of what readers would not read alike is a refusal for good', async () => {
    await reload({ keys: [keyOf('rsa')] });
    const twice = `From: ann@${DOMAIN}\r\nFrom: eve@${DOMAIN}\r\n`;
    assert.match((await sendTo('twice@far.test', '', twice)).text, /^554 5\.6\.0 .*more than one From field/);
    await rejection('5.6.0');
  });

  test('is done for reports of our own domain', async () => {
    await reload({ keys: [keyOf('rsa', 'mx.product.test')] });
    assert.equal((await sendTo('nobody@far.test')).code, 250);
    const report = await arrived(`ann@${DOMAIN}`);
    assert.equal(report.reversePath, '');
    assert.deepEqual(signersIn(report), ['rsa pass']);
  });

  test('begins with the keys that a domain gets in the directory, without a reload', async () => {
    const added = await product.cli('domain', 'add', 'directory.test', '--json');
    assert.equal(added.code, 0, added.output);
    const shown = await product.cli('key', 'list', 'directory.test', '--json');
    const records = new Map<string, string>();
    for (const { name, value } of dkimRecords(JSON.parse(added.output))) records.set(name, value);
    assert.equal(records.size, 2, added.output + shown.output);
    const results = await until('signatures by the new keys', async () => {
      const recipient = `d${(count += 1)}@far.test`;
      await sendTo(recipient, undefined, 'From: ann@directory.test\r\n');
      const content = Buffer.from((await arrived(recipient)).content, 'latin1');
      const verified = verifySignatures(content, (name) => keyOfRecord(records.get(name) ?? ''));
      return verified.length > 0 && verified.map(({ result }) => result);
    });
    assert.deepEqual(results, ['pass', 'pass']);
  });

  test('ends with a reload that takes the keys away', async () => {
    await reload({});
    assert.deepEqual(await signersOf(), []);
  });
});

test('a server whose key cannot be read does not start, and says which', async () => {
  const folder = await testFolder('no-key');
  const product = await startProduct({
    folder,
    expected: 'failing',
    config: { signing: { keys: [{ domain: DOMAIN, selector: 'a', file: 'none.pem' }] } },
  });
  const code = await product.running.exited;
  assert.notEqual(code, 0);
  assert.match(product.running.output(), /signing\.keys\[0\]\.file: .*none\.pem cannot be read: there is no such file/);
  await removeFolder(folder);
});

/** Wherever in the answer there are records below `_domainkey`. */
function dkimRecords(answer: unknown): readonly { readonly name: string; readonly value: string }[] {
  if (typeof answer !== 'object' || answer === null) return [];
  const { name, value } = answer as { name?: unknown; value?: unknown };
  if (typeof name === 'string' && typeof value === 'string')
    return name.includes('._domainkey.') ? [{ name, value }] : [];
  return Object.values(answer).flatMap(dkimRecords);
}
