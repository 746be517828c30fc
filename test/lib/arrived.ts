/** Messages as a foreign server put them into a Maildir. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { until } from './wait.ts';

export interface Arrived {
  readonly content: Buffer;
  /** What the delivering server wrote into `Return-Path`, with its angle brackets. */
  readonly returnPath: string;
  readonly deliveredTo: string;
}

/** All messages of a Maildir, or those delivered to one recipient, in no particular order. */
export async function readMaildir(folder: string, recipient?: string): Promise<readonly Arrived[]> {
  const messages: Arrived[] = [];
  for (const part of ['new', 'cur'])
    for (const name of await readdir(join(folder, part)).catch(() => []))
      messages.push(arrived(await readFile(join(folder, part, name))));
  return messages.filter(({ deliveredTo }) => recipient === undefined || deliveredTo === recipient);
}

/** Exactly so many messages: more is as wrong as fewer. */
export async function waitForMaildir(
  folder: string,
  recipient: string | undefined,
  count: number,
): Promise<readonly Arrived[]> {
  const messages = await until(`${count} messages for ${recipient ?? 'all'} in ${folder}`, async () => {
    const now = await readMaildir(folder, recipient);
    return now.length >= count && now;
  });
  if (messages.length > count) throw new Error(`${messages.length} messages for ${recipient} instead of ${count}`);
  return messages;
}

export function arrived(stored: Buffer): Arrived {
  const content = withCrlf(stored);
  return {
    content,
    returnPath: fieldOf(content, 'return-path') ?? '',
    deliveredTo: fieldOf(content, 'delivered-to') ?? fieldOf(content, 'envelope-to') ?? '',
  };
}

/** Files of Maildirs have the line ends of the system; all that was sent here had CRLF only. */
export function withCrlf(stored: Buffer): Buffer {
  return Buffer.from(stored.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
}

const TRACE = /^(?:return-path|received|delivered-to|x-original-to|envelope-to|delivery-date):/i;

/** The content without the trace fields that servers on the way put before it: what the author sent. */
export function withoutTrace(content: Buffer): Buffer {
  let at = 0;
  while (TRACE.test(content.toString('latin1', at, at + 20))) {
    do at = content.indexOf('\r\n', at) + 2;
    while (content[at] === 0x20 || content[at] === 0x09);
  }
  return content.subarray(at);
}

/** The trace fields that `withoutTrace` takes away, unfolded. */
export function traceOf(content: Buffer): readonly string[] {
  const length = content.length - withoutTrace(content).length;
  const text = content.toString('latin1', 0, length).replace(/\r\n(?=[ \t])/g, '');
  return text.split('\r\n').slice(0, -1);
}

/** The unfolded value of the first field of that name. */
export function fieldOf(content: Buffer, name: string): string | undefined {
  const end = content.indexOf('\r\n\r\n');
  const header = content.toString('utf8', 0, end === -1 ? content.length : end).replace(/\r\n(?=[ \t])/g, '');
  const line = header.split('\r\n').find((line) => line.toLowerCase().startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim();
}
