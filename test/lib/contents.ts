/** Contents that transport has mangled somewhere before: what arrives must be what was sent, octet for octet. */

import assert from 'node:assert/strict';

import { LineClient } from './line-client.ts';

export interface SampleContent {
  readonly name: string;
  readonly octets: Buffer;
  readonly body: '7BIT' | '8BITMIME';
}

/** All the fields that a server might add when they are missing. */
const HEADER =
  'From: Ann <ann@in.test>\r\nTo: Bob <bob@in.test>\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@in.test>\r\n';
const EIGHT_BIT = 'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n';

function plain(name: string, body: string): SampleContent {
  return { name, octets: Buffer.from(`${HEADER}Subject: ${name}\r\n\r\n${body}`), body: '7BIT' };
}

function eightBit(name: string, body: Buffer): SampleContent {
  const header = Buffer.from(`${HEADER}Subject: ${name}\r\n${EIGHT_BIT}\r\n`);
  return { name, octets: Buffer.concat([header, body]), body: '8BITMIME' };
}

/** Lines of every length up to 900, some beginning with dots; `octets` in all, or a little more. */
function manyLines(octets: number): string {
  const lines: string[] = [];
  for (let length = 0, at = 0; length < octets; at += 1) {
    const line = `${'.'.repeat(at % 4)}${String(at)
      .repeat(200)
      .slice(0, (at * 37) % 900)}\r\n`;
    lines.push(line);
    length += line.length;
  }
  return lines.join('');
}

export const SAMPLES: readonly SampleContent[] = [
  plain('a short text', 'Hello\r\n'),
  plain('dots at line starts', '.\r\n..\r\n...\r\n.text\r\ntext.\r\n. \r\n'),
  plain('an empty body', ''),
  plain('only empty lines', '\r\n\r\n\r\n'),
  plain('empty lines at the end', 'text\r\n\r\n\r\n'),
  plain('blanks at line ends', 'text \r\n\t\r\n \r\n'),
  plain('lines of 998 octets', `${'x'.repeat(998)}\r\n${'.'.repeat(998)}\r\n`),
  plain('From at a line start', 'From here to there\r\n>From\r\n'),
  plain('what looks like commands', 'QUIT\r\nRSET\r\nMAIL FROM:<a@b.test>\r\nBDAT 5 LAST\r\n'),
  {
    ...plain('a folded field', 'text\r\n'),
    octets: Buffer.from(`${HEADER}Subject: a\r\n folded\r\n\tfield\r\n\r\ntext\r\n`),
  },
  eightBit('8-bit text in UTF-8', Buffer.from('Grüße, 中文, 🐎\r\n')),
  eightBit(
    'every octet above 127',
    Buffer.concat([Buffer.from(Array.from({ length: 128 }, (_, at) => 128 + at)), Buffer.from('\r\n')]),
  ),
  plain('five megabytes', manyLines(5_000_000)),
];

/** One transaction with a sample, from `ann@in.test`, that must be taken. */
export async function sendSample(port: number, recipient: string, { octets, body }: SampleContent): Promise<void> {
  const client = await LineClient.greeted(port);
  try {
    const replies = await client.send('ann@in.test', [recipient], octets, { mail: `BODY=${body}` });
    assert.deepEqual(
      replies.map(({ code }) => code),
      [250, 250, 354, 250],
      replies.map(({ text }) => text).join(''),
    );
  } finally {
    client.close();
  }
}

/** For five megabytes `deepEqual` would show the difference for minutes. */
export function assertSameOctets(got: Buffer, want: Buffer): void {
  if (got.equals(want)) return;
  const at = got.findIndex((octet, i) => octet !== want[i]);
  const around = (octets: Buffer) => JSON.stringify(octets.toString('latin1', Math.max(0, at - 40), at + 40));
  assert.fail(`${got.length} octets instead of ${want.length}, at ${at}: ${around(got)} instead of ${around(want)}`);
}
