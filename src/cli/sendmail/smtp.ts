/**
 * `sendmail -bs`: SMTP on standard input and output, for programs that would rather speak it than write options.
 *
 * The machine is the server's own. Every recipient that is an address is taken; what it gets goes into the pickup
 * folder, where the server decides as about any other mail of this user.
 */

import { type Reply, formatReply, reply } from '../../mail/reply.ts';
import { formatMailbox } from '../../mail/path.ts';
import { type SenderParameters } from '../../mail/envelope.ts';
import { type PickupEnvelope } from '../../wire/sendmail/pickup-file.ts';
import { type Action, type Decision, type Question, serverOptions, SmtpServer } from '../../wire/smtp/server.ts';
import { DropFile, type DropOptions } from './drop-file.ts';
import { SENDMAIL_EXIT, SendmailFailure } from './failure.ts';

export interface SmtpOptions {
  readonly input: AsyncIterable<Buffer>;
  readonly out: (text: string) => void;
  readonly hostname: string;
  /** Another for each message. */
  readonly drop: () => DropOptions;
}

const OK = reply(250, '2.0.0', 'OK');
const SENDER_OK = reply(250, '2.1.0', 'Sender OK');
const RECIPIENT_OK = reply(250, '2.1.5', 'Recipient OK');

/** Resolves at QUIT, or at the end of the input. */
export async function speakSmtp(options: SmtpOptions): Promise<void> {
  const session = new StdioSession(options);
  session.start();
  for await (const chunk of options.input) if (session.take(chunk) === 'closed') return;
  session.end();
}

class StdioSession {
  readonly #options: SmtpOptions;
  readonly #machine: SmtpServer;
  #sender: SenderParameters | undefined;
  #recipients: string[] = [];
  #file: DropFile | undefined;
  #failure: unknown;
  #closed = false;

  constructor(options: SmtpOptions) {
    this.#options = options;
    // What is said of each recipient, octets that are no lines, times and priorities have no place in a pickup file.
    const withheld = ['DSN', 'CHUNKING', 'BINARYMIME', 'DELIVERBY', 'MT-PRIORITY'] as const;
    const { hostname } = options;
    this.#machine = new SmtpServer(serverOptions({ hostname, withheld, earlyTalk: 'tolerate' }), 'absent');
  }

  start(): void {
    this.#perform(this.#machine.start());
  }

  take(chunk: Buffer): 'closed' | 'open' {
    this.#perform(this.#machine.receive(chunk));
    return this.#closed ? 'closed' : 'open';
  }

  end(): void {
    this.#perform(this.#machine.disconnect());
  }

  /** Everything is decided at once, so that the answer to a question goes in before the next action is looked at. */
  #perform(actions: readonly Action[]): void {
    const left = [...actions];
    for (let action = left.shift(); action !== undefined; action = left.shift()) {
      if (action.kind === 'send') this.#options.out(formatReply(action.reply));
      else if (action.kind === 'ask') left.push(...this.#machine.answer(this.#decide(action.question)));
      else if (action.kind === 'content') this.#write(action.octets);
      else if (action.kind === 'close') this.#closed = true;
      else if (action.kind === 'abort' || action.kind === 'reset') this.#reset();
    }
  }

  #decide(question: Question): Decision {
    switch (question.kind) {
      case 'connect':
        return 'go';
      case 'hello':
        this.#reset();
        return OK;
      case 'sender':
        this.#reset();
        this.#sender = question.sender;
        return SENDER_OK;
      case 'recipient':
        this.#recipients.push(formatMailbox(question.recipient.forwardPath));
        return RECIPIENT_OK;
      case 'content':
        return this.#begin();
      case 'finish':
        return this.#finish();
      case 'startTls':
      case 'scram':
      case 'login':
      case 'loginFailed':
        return 'unavailable';
    }
  }

  #begin(): Decision {
    const { reversePath } = this.#sender ?? { reversePath: null };
    const envelope: PickupEnvelope = {
      sender: reversePath === null ? '' : formatMailbox(reversePath),
      recipients: this.#recipients,
    };
    try {
      this.#file = new DropFile(this.#options.drop(), envelope);
      return 'go';
    } catch (error) {
      return replyOf(error);
    }
  }

  /** What fails is remembered: a client that is still sending reads the reply at the end. */
  #write(octets: Buffer): void {
    if (this.#failure !== undefined) return;
    try {
      this.#file?.write(octets);
    } catch (error) {
      this.#failure = error;
    }
  }

  #finish(): Decision {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      this.#file?.finish();
      return reply(250, '2.0.0', `Queued as ${this.#file?.id ?? ''}`);
    } catch (error) {
      return replyOf(error);
    } finally {
      this.#file = undefined;
      this.#reset();
    }
  }

  #reset(): void {
    this.#file?.abandon();
    this.#file = undefined;
    this.#failure = undefined;
    this.#sender = undefined;
    this.#recipients = [];
  }
}

function replyOf(error: unknown): Reply {
  if (!(error instanceof SendmailFailure)) throw error;
  const { exit, message } = error;
  const [line] = message.split('\n');
  // A reply is ASCII on one line, whatever the system had to say.
  const text = (line ?? '').replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200);
  return SENDMAIL_EXIT[exit] === SENDMAIL_EXIT.permission ? reply(550, '5.7.1', text) : reply(451, '4.3.0', text);
}
