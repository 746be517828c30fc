/** `postrider send`: composes a small message, or takes one from a file, and submits it by SMTP. */

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { type Command } from 'commander';
import { errorText } from '../lib/error-text.ts';
import { formatDate } from '../mail/date.ts';
import { encodeWords } from '../mail/encoded-word.ts';
import { parseMailbox } from '../mail/path.ts';
import { type Reply, replyText } from '../mail/reply.ts';
import { CommandFailure, type Context, UsageError } from './context.ts';
import { SmtpConversation } from './smtp-conversation.ts';

interface SendOptions {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly body?: string;
  readonly file?: string;
  readonly host: string;
  readonly port: string;
}

export function addSend(program: Command, context: Context): void {
  program
    .command('send')
    .description('send a message by SMTP, by default to the sandbox')
    .requiredOption('--to <address...>', 'recipients')
    .option('--from <address>', 'reverse-path; <> for the null one', 'newcomer@example.test')
    .option('--subject <text>', 'subject', 'Hello from Postrider')
    .option('--body <text>', 'text of the message')
    .option(
      '--file <path>',
      'a whole message, header section and body, in place of subject and body; - for standard input',
    )
    .option('--host <host>', 'server', '127.0.0.1')
    .option('--port <port>', 'its port', '2525')
    .action(async (options: SendOptions) => {
      const from = options.from === '<>' ? '' : addressOf('--from', options.from);
      const to = options.to.map((recipient) => addressOf('--to', recipient));
      const content = contentOf(context, options, { from, to });
      const port = portOf(options.port);
      const conversation = await SmtpConversation.open(options.host, port, helloName());
      const { refused, reply } = await conversation.submit({ from, to, content });
      conversation.close();
      const answer = { accepted: reply !== undefined && reply.code < 300, reply: reply && replyText(reply), refused };
      context.print(answer, () => (reply === undefined ? '' : `${replyText(reply)}\n`));
      failOn(reply, refused);
    });
}

export function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new UsageError(`--port ${text}: write a number from 1 to 65535`);
}

function failOn(
  reply: Reply | undefined,
  refused: readonly { readonly recipient: string; readonly reply: string }[],
): void {
  const lines = refused.map((one) => `${one.recipient}: ${one.reply}`);
  if (reply !== undefined && reply.code >= 300) lines.push(`refused: ${replyText(reply)}`);
  if (lines.length > 0) throw new CommandFailure(lines.join('\n'));
}

function addressOf(option: string, text: string): string {
  const mailbox = parseMailbox(text);
  if (!mailbox.ok)
    throw new UsageError(`${option} "${text}": ${mailbox.reason}; write an address like ann@example.com`);
  return text;
}

function contentOf(
  context: Context,
  options: SendOptions,
  path: { readonly from: string; readonly to: readonly string[] },
): Buffer {
  if (options.file !== undefined) return withCrlf(read(options.file));
  const now = context.terminal.now();
  return Buffer.from(
    compose({
      ...path,
      subject: options.subject,
      body: options.body ?? BODY,
      now,
      chance: randomBytes(8).toString('hex'),
    }),
  );
}

const BODY = 'This message was sent with `postrider send`.\n';

export interface Composition {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly body: string;
  readonly now: number;
  readonly chance: string;
}

/** A small text message (RFC 5322). */
export function compose({ from, to, subject, body, now, chance }: Composition): string {
  const lines = [
    `From: ${from === '' ? `<postmaster@${helloName()}>` : `<${from}>`}`,
    `To: ${to.map((recipient) => `<${recipient}>`).join(',\r\n ')}`,
    `Subject: ${encodeWords(subject.replaceAll(/[\r\n]+/g, ' '))}`,
    `Date: ${formatDate(now)}`,
    `Message-ID: <${chance}@${helloName()}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    body.endsWith('\n') ? body : `${body}\n`,
  ];
  return lines.join('\r\n').replaceAll(/\r?\n/g, '\r\n');
}

export function helloName(): string {
  const name = hostname();
  return /^[A-Za-z0-9.-]+$/.test(name) ? name : 'localhost';
}

function read(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new CommandFailure(`${file} could not be read: ${errorText(error)}`);
  }
}

/** Files have the line ends of their system; mail has CRLF. */
function withCrlf(octets: Buffer): Buffer {
  return Buffer.from(octets.toString('latin1').replaceAll(/\r\n|\r|\n/g, '\r\n'), 'latin1');
}
