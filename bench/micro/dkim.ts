/**
 * CPU of signing: the canonical body and its hash for each kind of text, and all of it for a message of 4 KiB.
 *
 *     node bench/micro/dkim.ts [rounds]
 *
 * States CPU-ms of all threads, so that what the pool does counts; figures of single runs differ by a tenth.
 */

import { createHash, generateKeyPairSync } from 'node:crypto';
import { cpus } from 'node:os';
import { HeaderSection } from '../../src/mail/header-section.ts';
import { BodyHash } from '../../src/mailauth/dkim/body-hash.ts';
import { BodyCanonicalizer, type Canonicalization } from '../../src/mailauth/dkim/canonical-body.ts';
import { Signer } from '../../src/receive/signer.ts';
import { readSigningKey, type SigningKey } from '../../src/receive/signing-keys.ts';

const rounds = Number(process.argv[2] ?? 40);
const MIB = 2 ** 20;
const CHUNK = 65_536;
const TEXTS: Readonly<Record<string, string>> = {
  'plain text': 'Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod\r\n',
  base64: 'TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2NpbmcgZWxp\r\n',
  'indented HTML': '          <td class="x">some text</td>\r\n            <td>\r\n',
  'white space': ' a \t b  c  \r\n',
};

function bodyOf(text: string): Buffer {
  return Buffer.from(text.repeat(Math.ceil(MIB / text.length))).subarray(0, MIB);
}

function inChunks(body: Buffer, take: (chunk: Buffer) => void): void {
  for (let at = 0; at < body.length; at += CHUNK) take(body.subarray(at, at + CHUNK));
}

/** CPU-ms of one run. */
async function cost(times: number, run: () => unknown): Promise<number> {
  for (let i = 0; i < times; i += 1) await run();
  const before = process.cpuUsage();
  for (let i = 0; i < times; i += 1) await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / times;
}

console.log(`Node ${process.version}, ${cpus()[0]?.model}, ${rounds} rounds\n`);
console.log('CPU-ms a MiB'.padEnd(20), 'simple', 'relaxed', 'relaxed and hash', 'hash alone');
for (const [name, text] of Object.entries(TEXTS)) {
  const body = bodyOf(text);
  const canonical = (form: Canonicalization) =>
    cost(rounds, () => {
      const canonicalizer = new BodyCanonicalizer(form, () => undefined);
      inChunks(body, (chunk) => canonicalizer.push(chunk));
      canonicalizer.finish();
    });
  const hashed = () =>
    cost(rounds, () => {
      const hash = new BodyHash('relaxed');
      inChunks(body, (chunk) => hash.push(chunk));
      hash.finish();
    });
  const figures = [await canonical('simple'), await canonical('relaxed'), await hashed()];
  const hash = await cost(rounds, () => createHash('sha256').update(body).digest());
  console.log(name.padEnd(20), [...figures, hash].map((figure) => figure.toFixed(2)).join('  '));
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ed25519 = generateKeyPairSync('ed25519').privateKey;
const KEYS = {
  rsa: key('rsa', 'rsa-sha256', rsa.export({ type: 'pkcs8', format: 'pem' }) as string),
  ed25519: key('ed', 'ed25519-sha256', ed25519.export({ type: 'pkcs8', format: 'pem' }) as string),
};

function key(selector: string, algorithm: SigningKey['algorithm'], privateKey: string): SigningKey {
  const read = readSigningKey({ domain: 'example.com', selector, algorithm, privateKey });
  if (!read.ok) throw new Error(read.reason);
  return read.value;
}

const SECTION = Buffer.from(
  'From: Ann <ann@example.com>\r\nTo: Bob <bob@far.example>\r\nSubject: A message of the usual kind\r\n' +
    'Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n' +
    'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n',
);
const BODY = bodyOf(TEXTS['plain text'] ?? '').subarray(0, 4096);
const SIDE_BY_SIDE = 100;

console.log('\nCPU-ms a message of 4 KiB');
for (const [name, keys] of Object.entries({ ...KEYS, both: [KEYS.rsa, KEYS.ed25519] }).map(
  ([each, some]) => [each, [some].flat()] as const,
)) {
  const form = { canonicalization: { header: 'relaxed', body: 'relaxed' }, fields: [] } as const;
  const signer = new Signer({ keys, rules: [], form, expireAfter: undefined });
  const one = (): Promise<Buffer> => {
    const signing = signer.begin(new HeaderSection(SECTION), Date.now());
    if (signing?.kind !== 'signing') throw new Error('nobody signs');
    signing.push(BODY);
    return signing.finish();
  };
  const many = await cost(rounds, () => Promise.all(Array.from({ length: SIDE_BY_SIDE }, one)));
  console.log(name.padEnd(20), (many / SIDE_BY_SIDE).toFixed(3));
}
