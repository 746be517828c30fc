/**
 * CPU of making content fit for every server: the look that all mail of users gets, and what mail costs that needs more.
 *
 *     node bench/micro/seven-bit.ts [rounds]
 */

import { cpus } from 'node:os';
import process from 'node:process';
import { encoded } from '../../src/mail/mime/encoders.ts';
import { ContentEditor } from '../../src/mail/mime/edits.ts';
import { ContentFit } from '../../src/mail/mime/fit.ts';
import { ContentWatch } from '../../src/receive/content-rules.ts';

const rounds = Number(process.argv[2] ?? 40);
const MIB = 2 ** 20;
const CHUNK = 65_536;
const LINE = 'Grüße an alle, die das lesen, und an die anderen; mehr steht hier nicht darin\r\n';
const BASE64 = 'TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2NpbmcgZWxpdC4A\r\n';
const TEXT = 'Content-Type: text/plain; charset=utf-8\r\n';

const attached = BASE64.repeat(Math.floor(MIB / BASE64.length));
const plain = Buffer.from(attached);
const withAttachment = Buffer.from(
  `MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${TEXT}\r\n${LINE.repeat(20)}--b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n${attached}--b--\r\n`,
);
const small = Buffer.from(`MIME-Version: 1.0\r\n${TEXT}\r\n${LINE.repeat(50)}`);
const large = Buffer.from(`MIME-Version: 1.0\r\n${TEXT}\r\n${LINE.repeat(Math.floor(MIB / LINE.length))}`);

function chunksOf(octets: Buffer): Buffer[] {
  return Array.from({ length: Math.ceil(octets.length / CHUNK) }, (_, i) =>
    octets.subarray(i * CHUNK, (i + 1) * CHUNK),
  );
}

function watch(octets: Buffer): void {
  const watching = new ContentWatch({ binary: false });
  for (const chunk of chunksOf(octets)) watching.push(chunk);
  watching.end();
}

function editsOf(octets: Buffer): ReturnType<ContentFit['end']> {
  const fit = new ContentFit({ eightBit: 'repair', longLines: 'repair' });
  for (const chunk of chunksOf(octets)) fit.push(chunk);
  return fit.end();
}

function fitted(octets: Buffer): void {
  const editor = new ContentEditor(editsOf(octets).edits);
  for (const chunk of chunksOf(octets)) editor.push(chunk);
  editor.end();
}

/** CPU-ms of one run. */
function cost(times: number, run: () => unknown): string {
  for (let i = 0; i < times; i += 1) run();
  const before = process.cpuUsage();
  for (let i = 0; i < times; i += 1) run();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) / 1000 / times).toFixed(3);
}

console.log(`Node ${process.version}, ${cpus()[0]?.model}, ${rounds} rounds; CPU-ms\n`);
console.log(
  'look at 1 MiB of base64'.padEnd(50),
  cost(rounds, () => watch(plain)),
);
console.log(
  'walk through 1 MiB of attachment'.padEnd(50),
  cost(rounds, () => editsOf(withAttachment)),
);
console.log(
  '8-bit text with 1 MiB of attachment'.padEnd(50),
  cost(rounds, () => fitted(withAttachment)),
);
console.log(
  '1 MiB of 8-bit text'.padEnd(50),
  cost(rounds, () => fitted(large)),
);
console.log(
  '4 KiB of 8-bit text'.padEnd(50),
  cost(rounds * 20, () => fitted(small)),
);
console.log(
  '1 MiB to quoted-printable alone'.padEnd(50),
  cost(rounds, () => encoded(large, 'quoted-printable')),
);
console.log(
  '1 MiB to base64 alone'.padEnd(50),
  cost(rounds, () => encoded(large, 'base64')),
);
