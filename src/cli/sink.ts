/** `postrider sink`: a receiving server for tests. It keeps nothing, and refuses, delays and hangs up as it is told. */

import { createServer, type Server, type Socket } from 'node:net';
import process from 'node:process';
import { type Command } from 'commander';
import { listenReason } from '../lib/listen-reason.ts';
import { OpenSockets } from '../lib/open-sockets.ts';
import { parseDuration } from '../lib/schema-units.ts';
import { formatReply, type Reply, reply } from '../mail/reply.ts';
import { type Action, type Decision, type Question, serverOptions, SmtpServer } from '../wire/smtp/server.ts';
import { CommandFailure, type Context, UsageError } from './context.ts';
import { many } from './words.ts';

export interface SinkBehaviour {
  /** Percentages of recipients that get 4xx and 5xx. */
  readonly defer: number;
  readonly refuse: number;
  /** Percentage of connections that get 421. */
  readonly busy: number;
  /** Milliseconds before each answer. */
  readonly delay: number;
  readonly protocol: 'SMTP' | 'LMTP';
}

export interface SinkFigures {
  connections: number;
  messages: number;
  recipients: number;
  octets: number;
  refused: number;
}

interface SinkOptions {
  readonly host: string;
  readonly port: string;
  readonly defer: string;
  readonly refuse: string;
  readonly busy: string;
  readonly delay: string;
  readonly lmtp?: boolean;
}

export function addSink(program: Command, context: Context): void {
  program
    .command('sink')
    .description('a receiving server for tests: takes mail and keeps nothing')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port; 0 lets the system choose', '2526')
    .option('--defer <percent>', 'recipients that get 450', '0')
    .option('--refuse <percent>', 'recipients that get 550', '0')
    .option('--busy <percent>', 'connections that get 421', '0')
    .option('--delay <duration>', 'before each answer', '0s')
    .option('--lmtp', 'speak LMTP')
    .action(async (options: SinkOptions) => {
      const sink = new Sink(behaviourOf(options), Math.random);
      const port = await listen(sink, options);
      context.print({ host: options.host, port }, () => `listening on ${options.host}:${port}; Ctrl-C ends it\n`);
      await ended();
      await sink.close();
      const { figures } = sink;
      context.print(
        figures,
        () =>
          `${many(figures.messages, 'message')} for ${many(figures.recipients, 'recipient')} over ${many(figures.connections, 'connection')}\n`,
      );
    });
}

async function listen(sink: Sink, { host, port }: SinkOptions): Promise<number> {
  try {
    return await sink.listen(host, Number(port));
  } catch (error) {
    throw new CommandFailure(`cannot listen on ${host} port ${port}: ${listenReason(error)}`);
  }
}

function behaviourOf({ defer, refuse, busy, delay, lmtp, port }: SinkOptions): SinkBehaviour {
  const wait = parseDuration(delay);
  if (!wait.ok) throw new UsageError(`--delay ${delay}: ${wait.reason}`);
  const number = Number(port);
  if (!Number.isInteger(number) || number < 0 || number > 65_535)
    throw new UsageError(`--port ${port}: write 0 to 65535`);
  const shares = {
    defer: percent('--defer', defer),
    refuse: percent('--refuse', refuse),
    busy: percent('--busy', busy),
  };
  return { ...shares, delay: wait.value, protocol: lmtp === true ? 'LMTP' : 'SMTP' };
}

function percent(option: string, text: string): number {
  const value = Number(text);
  if (text !== '' && value >= 0 && value <= 100) return value;
  throw new UsageError(`${option} ${text}: write a number from 0 to 100`);
}

function ended(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}

const OK = reply(250, '2.0.0', 'OK');
const DEFERRED = reply(450, '4.2.1', 'Not now, says the sink');
const REFUSED = reply(550, '5.1.1', 'No such mailbox, says the sink');
const BUSY = reply(421, '4.3.2', 'Too busy, says the sink');

export class Sink {
  readonly figures: SinkFigures = { connections: 0, messages: 0, recipients: 0, octets: 0, refused: 0 };
  readonly #behaviour: SinkBehaviour;
  readonly #chance: () => number;
  readonly #server: Server;
  readonly #sockets = new OpenSockets();

  constructor(behaviour: SinkBehaviour, chance: () => number) {
    this.#behaviour = behaviour;
    this.#chance = chance;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  async close(): Promise<void> {
    this.#sockets.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.figures.connections += 1;
    this.#sockets.add(socket);
    const { protocol } = this.#behaviour;
    const options = serverOptions({ hostname: 'sink.test', protocol, maxErrors: 1000, maxTransactions: 1_000_000 });
    const machine = new SmtpServer(options, 'absent');
    let taken = 0;
    const perform = async (actions: readonly Action[]): Promise<void> => {
      let next: readonly Action[] | undefined = actions;
      while (next !== undefined) {
        const asked: Question | undefined = this.#perform(socket, next);
        if (asked === undefined) return;
        if (asked.kind === 'sender') taken = 0;
        const decision = this.#decide(asked, taken);
        if (asked.kind === 'recipient' && decision === OK) taken += 1;
        if (this.#behaviour.delay > 0) await new Promise((resolve) => setTimeout(resolve, this.#behaviour.delay));
        next = socket.destroyed ? undefined : machine.answer(decision);
      }
    };
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    let turn = perform(machine.start());
    socket.on('data', (chunk: Buffer) => {
      socket.pause();
      turn = turn
        .then(() => perform(machine.receive(chunk)))
        .then(() => void socket.resume())
        .catch(() => void socket.destroy());
    });
  }

  #perform(socket: Socket, actions: readonly Action[]): Question | undefined {
    let asked: Question | undefined;
    socket.cork();
    for (const action of actions) {
      if (action.kind === 'send') socket.write(formatReply(action.reply));
      else if (action.kind === 'ask') asked = action.question;
      else if (action.kind === 'content') this.figures.octets += action.octets.length;
      else if (action.kind === 'close') socket.end();
    }
    socket.uncork();
    return asked;
  }

  #decide(question: Question, taken: number): Decision {
    switch (question.kind) {
      case 'connect':
        return this.#hits(this.#behaviour.busy) ? BUSY : 'go';
      case 'recipient':
        return this.#recipient();
      case 'content':
        return 'go';
      case 'startTls':
        return 'unavailable';
      case 'finish':
        this.figures.messages += 1;
        return this.#behaviour.protocol === 'LMTP' ? Array.from({ length: taken }, () => OK) : OK;
      default:
        return OK;
    }
  }

  #recipient(): Reply {
    if (this.#hits(this.#behaviour.defer)) return this.#refuse(DEFERRED);
    if (this.#hits(this.#behaviour.refuse)) return this.#refuse(REFUSED);
    this.figures.recipients += 1;
    return OK;
  }

  #refuse(refusal: Reply): Reply {
    this.figures.refused += 1;
    return refusal;
  }

  #hits(percentage: number): boolean {
    return percentage > 0 && this.#chance() * 100 < percentage;
  }
}
