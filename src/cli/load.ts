/** `postrider load`: a load generator. To other machines only when it is told so: it is no toy to point at strangers. */

import { type Command } from 'commander';
import { errorText } from '../lib/error-text.ts';
import { isLoopback } from '../lib/ip.ts';
import { parseOctets } from '../lib/schema-units.ts';
import { type Context, UsageError } from './context.ts';
import { compose, helloName, portOf } from './send.ts';
import { SmtpConversation, type Submission } from './smtp-conversation.ts';

interface LoadOptions {
  readonly host: string;
  readonly port: string;
  readonly messages: string;
  readonly connections: string;
  readonly perConnection: string;
  readonly size: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly allowRemote?: boolean;
}

export interface LoadPlan {
  readonly host: string;
  readonly port: number;
  readonly messages: number;
  readonly connections: number;
  readonly perConnection: number;
  /** The `n`th message. */
  readonly message: (n: number) => Submission;
}

export interface LoadFigures {
  readonly sent: number;
  readonly refused: number;
  readonly failed: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** Milliseconds from MAIL to the last reply. */
  readonly p50: number;
  readonly p99: number;
  /** The first thing that went wrong. */
  readonly firstProblem: string | undefined;
}

export function addLoad(program: Command, context: Context): void {
  program
    .command('load')
    .description('send many messages by SMTP, as fast as they are taken')
    .option('--host <address>', 'IP address of the server', '127.0.0.1')
    .option('--port <port>', 'its port', '2525')
    .option('--messages <n>', 'how many', '1000')
    .option('--connections <n>', 'at once', '10')
    .option('--per-connection <n>', 'messages on one connection', '100')
    .option('--size <octets>', 'of a message', '4KiB')
    .option('--from <address>', 'reverse-path', 'load@example.test')
    .option('--to <address...>', 'recipients, in turn; # in one becomes the number of the message', [
      'user#@inbox.test',
    ])
    .option('--allow-remote', 'to another machine, which is yours')
    .action(async (options: LoadOptions) => {
      const figures = await runLoad(planOf(options, context.terminal.now()), () => performance.now());
      context.print(figures, () => figuresText(figures));
    });
}

function planOf(options: LoadOptions, now: number): LoadPlan {
  const { host, from, to } = options;
  if (!isLoopback(host) && options.allowRemote !== true)
    throw new UsageError(`--host ${host} is not a loopback address: if that machine is yours, add --allow-remote`);
  const octets = parseOctets(options.size);
  if (!octets.ok) throw new UsageError(`--size ${options.size}: ${octets.reason}`);
  const filler = `${'x'.repeat(76)}\n`.repeat(Math.max(1, Math.round(octets.value / 78)));
  return {
    host,
    port: portOf(options.port),
    messages: positive('--messages', options.messages),
    connections: positive('--connections', options.connections),
    perConnection: positive('--per-connection', options.perConnection),
    message: (n) => {
      const recipient = (to[n % to.length] ?? '').replaceAll('#', String(n));
      const text = compose({
        from,
        to: [recipient],
        subject: `Load ${n}`,
        body: filler,
        now,
        chance: `load-${now}-${n}`,
      });
      return { from, to: [recipient], content: Buffer.from(text) };
    },
  };
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1 && value <= 100_000_000) return value;
  throw new UsageError(`${option} ${text}: write a whole number from 1`);
}

/** `clock`: milliseconds. */
export async function runLoad(plan: LoadPlan, clock: () => number): Promise<LoadFigures> {
  const run = new Run(plan, clock);
  const startedAt = clock();
  await Promise.all(Array.from({ length: Math.min(plan.connections, plan.messages) }, () => run.connection()));
  return run.figures((clock() - startedAt) / 1000);
}

class Run {
  readonly #plan: LoadPlan;
  readonly #clock: () => number;
  readonly #times: number[] = [];
  #next = 0;
  #refused = 0;
  #failed = 0;
  #firstProblem: string | undefined;

  constructor(plan: LoadPlan, clock: () => number) {
    this.#plan = plan;
    this.#clock = clock;
  }

  /** One place among the connections: connects again and again until all messages are sent. */
  async connection(): Promise<void> {
    for (;;) {
      // Claimed before anything is tried: a connection that cannot be made costs a message, so that a dead server ends the run.
      const first = this.#claim();
      if (first === undefined) return;
      try {
        const conversation = await SmtpConversation.open(this.#plan.host, this.#plan.port, helloName());
        await this.#use(conversation, first);
        conversation.close();
      } catch (error) {
        this.#failed += 1;
        this.#firstProblem ??= errorText(error);
      }
    }
  }

  #claim(): number | undefined {
    return this.#next < this.#plan.messages ? this.#next++ : undefined;
  }

  async #use(conversation: SmtpConversation, first: number): Promise<void> {
    let n: number | undefined = first;
    for (let sent = 1; n !== undefined; sent++) {
      await this.#submit(conversation, n);
      n = sent < this.#plan.perConnection ? this.#claim() : undefined;
    }
  }

  async #submit(conversation: SmtpConversation, n: number): Promise<void> {
    const startedAt = this.#clock();
    const { reply, refused } = await conversation.submit(this.#plan.message(n));
    if (reply !== undefined && reply.code < 300) {
      this.#times.push(this.#clock() - startedAt);
      return;
    }
    this.#refused += 1;
    this.#firstProblem ??= refused[0]?.reply ?? reply?.lines[0];
  }

  figures(seconds: number): LoadFigures {
    const times = this.#times.toSorted((a, b) => a - b);
    const at = (share: number): number => Math.round((times[Math.floor(times.length * share)] ?? 0) * 10) / 10;
    return {
      sent: times.length,
      refused: this.#refused,
      failed: this.#failed,
      seconds: Math.round(seconds * 100) / 100,
      perSecond: Math.round(times.length / Math.max(seconds, 0.001)),
      p50: at(0.5),
      p99: at(0.99),
      firstProblem: this.#firstProblem,
    };
  }
}

function figuresText({ sent, refused, failed, seconds, perSecond, p50, p99, firstProblem }: LoadFigures): string {
  const problems = firstProblem === undefined ? '' : `${refused} refused, ${failed} failed; first: ${firstProblem}\n`;
  return `${sent} sent in ${seconds} s: ${perSecond} a second; half within ${p50} ms, 99 % within ${p99} ms\n${problems}`;
}
