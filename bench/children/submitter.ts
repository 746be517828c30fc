/**
 * A process of its own: logs in over TLS and submits, one command at a time, as `smtp-source` does without TLS, or in
 * groups (RFC 2920). Nothing of the product is in it, and each handshake is a full one.
 */

import process from 'node:process';
import { connect, type TLSSocket } from 'node:tls';
import { type SubmitterCommand, type SubmitterResult } from '../submitter.ts';

process.on('message', (command: SubmitterCommand) => void run(command));
process.on('disconnect', () => process.exit(0));

async function run(command: SubmitterCommand): Promise<void> {
  let left = command.messages;
  const next = (): boolean => {
    left -= 1;
    return left >= 0;
  };
  const content = contentOf(command);
  try {
    await Promise.all(Array.from({ length: command.sessions }, () => submit(command, content, next)));
    process.send?.({ kind: 'done' } satisfies SubmitterResult);
  } catch (error) {
    process.send?.({ kind: 'failed', reason: String(error) } satisfies SubmitterResult);
  }
}

/** As large as `smtp-source` makes it, with the fields that a user's mail has. */
function contentOf({ sender, recipient, octets }: SubmitterCommand): Buffer {
  const fields = [
    `From: <${sender}>`,
    `To: <${recipient}>`,
    'Date: Thu, 01 Jan 2026 00:00:00 +0000',
    `Message-Id: <0000.0000@${sender.split('@')[1]}>`,
    'MIME-Version: 1.0',
    'Subject: from submitter',
  ];
  const section = `${fields.join('\r\n')}\r\n\r\n`;
  const line = `${'X'.repeat(78)}\r\n`;
  const body = line.repeat(Math.max(1, Math.ceil((octets - section.length) / line.length)));
  return Buffer.from(`${section}${body}.\r\n`);
}

/** Connections one after the other, until there is nothing more to send. */
async function submit(command: SubmitterCommand, content: Buffer, next: () => boolean): Promise<void> {
  const { sender, recipient, perConnection, pipelined } = command;
  const commands = [`MAIL FROM:<${sender}>\r\n`, `RCPT TO:<${recipient}>\r\n`, 'DATA\r\n'];
  const answers = ['250', '250', '354'];
  const groups: readonly (readonly [string, readonly string[]])[] = pipelined
    ? [[commands.join(''), answers]]
    : commands.map((line, i) => [line, answers.slice(i, i + 1)]);
  let more = next();
  while (more) {
    const talk = await login(command);
    for (let i = 0; more && i < perConnection; i += 1) {
      for (const [group, codes] of groups) await talk.say(group, ...codes);
      await talk.say(content, '250');
      more = next();
    }
    await talk.say('QUIT\r\n', '221');
    talk.close();
  }
}

async function login({ port, user, password }: SubmitterCommand): Promise<Talk> {
  const talk = new Talk(port);
  await talk.heard('220');
  await talk.say('EHLO submitter.test\r\n', '250');
  const plain = Buffer.from(`\0${user}\0${password}`).toString('base64');
  await talk.say(`AUTH PLAIN ${plain}\r\n`, '235');
  return talk;
}

interface Awaited {
  /** Of the replies that are still to come. */
  readonly codes: string[];
  readonly done: () => void;
  readonly failed: (error: Error) => void;
}

class Talk {
  readonly #socket: TLSSocket;
  #text = '';
  #awaited: Awaited | undefined;

  constructor(port: number) {
    // Whose certificate it is does not matter here: the server made it itself.
    this.#socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    this.#socket.setNoDelay(true);
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => this.#receive(text));
    this.#socket.on('error', (error) => this.#awaited?.failed(error));
    this.#socket.on('close', () => this.#awaited?.failed(new Error('the server closed the connection')));
  }

  say(octets: string | Buffer, ...codes: string[]): Promise<void> {
    this.#socket.write(octets);
    return this.heard(...codes);
  }

  heard(...codes: string[]): Promise<void> {
    return new Promise((done, failed) => (this.#awaited = { codes, done, failed }));
  }

  close(): void {
    this.#socket.end();
  }

  #receive(text: string): void {
    this.#text += text;
    const lines = this.#text.split('\r\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) if (line[3] !== '-') this.#reply(line);
  }

  #reply(line: string): void {
    const { codes = [], done, failed } = this.#awaited ?? {};
    const code = codes.shift();
    if (code === undefined || !line.startsWith(code)) {
      failed?.(new Error(`the server said ${line} in place of ${code ?? 'nothing'}`));
    } else if (codes.length === 0) {
      this.#awaited = undefined;
      done?.();
    }
  }
}
