/**
 * Delivery to a program: its arguments are given one by one and never to a shell, so that nothing in an address is
 * ever more than an argument. A value that is empty stays an (empty) argument in its place.
 *
 * The program reads the message on its standard input with LF line ends. Its exit status is its answer (sysexits):
 * 0 delivered, 75 and everything unknown deferred, 64 to 78 otherwise failed. What it says is kept up to 8 KiB. It runs
 * in a process group of its own, which is ended whole when its time is over.
 */

import { type ChildProcess, spawn, type ChildProcessByStdio } from 'node:child_process';
import { type Readable, type Writable } from 'node:stream';
import { errorText } from '../lib/error-text.ts';
import { type EntryRecipient } from '../mail/entry.ts';
import { type Outcome } from '../mail/outcome.ts';
import { formatMailbox } from '../mail/path.ts';
import { type EnhancedStatus } from '../mail/reply.ts';
import { type PipeRoute } from '../mail/route.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Timers } from '../ports/timers.ts';
import { type Dispatch } from '../queue/dispatch.ts';
import { type OutgoingContent } from './content.ts';
import { Deadline } from './deadline.ts';
import { deliverEach, deliveryFields, filledIn } from './final-delivery.ts';
import { LocalLines } from './local-lines.ts';
import { deliveredHere, ourOutcome } from './report.ts';

export interface PipeDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

type PipeDispatch = Dispatch & { readonly route: PipeRoute };
type Program = ChildProcessByStdio<Writable, Readable, Readable>;

const MAX_OUTPUT = 8192;
const MAX_QUOTED = 1000;

// sysexits.h and what a mail system makes of it (RFC 3463).
const STATUS: Readonly<Record<number, EnhancedStatus>> = {
  64: '5.3.5', // usage
  65: '5.6.0', // data
  66: '5.3.0', // no input
  67: '5.1.1', // no user
  68: '5.1.2', // no host
  69: '5.3.0', // unavailable
  70: '5.3.0', // software
  71: '4.3.0', // operating system
  72: '5.3.0', // system file
  73: '5.2.0', // cannot create
  74: '4.3.0', // input or output
  75: '4.3.0', // temporary
  76: '5.5.0', // protocol
  77: '5.7.0', // permission
  78: '5.3.5', // configuration
};

export async function deliverToPipe(
  dispatch: PipeDispatch,
  content: OutgoingContent,
  deps: PipeDeps,
): Promise<readonly Outcome[]> {
  return deliverEach(dispatch, content, (recipient) => runFor(recipient, dispatch, content, deps));
}

/** The program and its arguments for one recipient. Undefined: an address with NUL, which no argument can carry. */
function argumentsFor(dispatch: PipeDispatch, { forwardPath }: EntryRecipient): readonly string[] | undefined {
  const { reversePath } = dispatch.sender;
  const values = {
    recipient: formatMailbox(forwardPath),
    sender: reversePath === null ? '' : formatMailbox(reversePath),
    user: forwardPath.localPart,
    domain: forwardPath.domain,
    queueId: dispatch.message,
  };
  if (Object.values(values).some((value) => value.includes('\0'))) return undefined;
  const [program, ...rest] = dispatch.route.argv;
  // Which program runs is the configuration's to say, never an address's.
  return [program, ...rest.map((argument) => filledIn(argument, values))];
}

async function runFor(
  recipient: EntryRecipient,
  dispatch: PipeDispatch,
  content: OutgoingContent,
  deps: PipeDeps,
): Promise<Outcome> {
  const [program, ...rest] = argumentsFor(dispatch, recipient) ?? [];
  if (program === undefined) return ourOutcome('5.1.3', 'the address cannot be an argument', { scope: 'recipient' });
  const child = start(program, rest);
  if (typeof child === 'string')
    return ourOutcome('4.3.0', `the program cannot be run: ${child}`, { scope: 'recipient' });
  const ended = watch(child, dispatch.route.timeout, deps);
  const fields = deliveryFields(dispatch.sender.reversePath, recipient.forwardPath);
  const fed = await feed(child, fields, content);
  if (fed !== undefined) {
    endGroup(child);
    await ended;
    deps.log.error('content cannot be read', { message: dispatch.message, error: fed });
    return ourOutcome('4.3.0', 'the content cannot be read');
  }
  return outcomeOf(await ended, program, deps.log);
}

/** Or why it cannot be: some failures are thrown, and some leave a child without pipes that tells of it later. */
function start(program: string, args: readonly string[]): Program | string {
  try {
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' };
    const child: ChildProcess = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      cwd: '/',
      env,
    });
    child.on('error', () => {}); // `watch` listens too, unless there is nothing to watch.
    return hasPipes(child) ? child : 'too many open files';
  } catch (error) {
    return errorText(error);
  }
}

function hasPipes(child: ChildProcess): child is Program {
  return Boolean(child.stdin) && Boolean(child.stdout) && Boolean(child.stderr);
}

interface Ended {
  readonly code: number | undefined;
  /** Why there is no code. */
  readonly why: string;
  readonly said: string;
}

function watch(child: Program, timeout: number, deps: PipeDeps): Promise<Ended> {
  return new Promise((resolve) => {
    const output: Buffer[] = [];
    let kept = 0;
    let late = false;
    const deadline = new Deadline(deps, () => {
      late = true;
      endGroup(child);
    });
    const keep = (chunk: Buffer): void => {
      const part = chunk.subarray(0, MAX_OUTPUT - kept);
      kept += part.length;
      if (part.length > 0) output.push(part);
    };
    const done = (code: number | null, why: string): void => {
      deadline.stop();
      // Who inherited its output may keep it open; it is not waited for.
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ code: code ?? undefined, why: late ? `no end within ${timeout} ms` : why, said: harmless(output) });
    };
    deadline.set(timeout);
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.stdin.on('error', () => {}); // It need not read all, or anything: its exit status decides.
    child.once('error', (error) => done(null, `it cannot be run: ${error.message}`));
    child.once('exit', (code, signal) => {
      // What it said last may still be on its way.
      const settle = (): void => done(late ? null : code, `it ended by ${signal ?? 'no signal'}`);
      if (child.stdout.readableEnded && child.stderr.readableEnded) settle();
      else {
        child.once('close', settle);
        deps.timers.after(1000, settle);
      }
    });
  });
}

/** Why the content could not be given to it, if it is ours to tell. */
async function feed(child: Program, fields: Buffer, content: OutgoingContent): Promise<string | undefined> {
  const lines = new LocalLines();
  try {
    await give(child, lines.push(fields));
    for await (const block of content.blocks()) {
      if (!child.stdin.writable) return undefined;
      await give(child, lines.push(block));
    }
    if (child.stdin.writable) child.stdin.end(lines.end());
    return undefined;
  } catch (error) {
    return String(error);
  }
}

function give({ stdin }: Program, octets: Buffer): Promise<void> {
  if (!stdin.writable || stdin.write(octets)) return Promise.resolve();
  return new Promise((resolve) => {
    const go = (): void => {
      stdin.off('drain', go).off('close', go).off('error', go);
      resolve();
    };
    stdin.on('drain', go).on('close', go).on('error', go);
  });
}

function endGroup({ pid }: Program): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group is gone already, which is what was wanted.
  }
}

function outcomeOf({ code, why, said }: Ended, program: string, log: Log): Outcome {
  if (code === 0) return deliveredHere(said === '' ? 'the program took it' : `the program took it: ${said}`);
  if (code === undefined) {
    log.warn('a delivery program failed', { program, why });
    return ourOutcome('4.3.0', `the program failed: ${why}${said === '' ? '' : `: ${said}`}`, { scope: 'recipient' });
  }
  const status = STATUS[code] ?? '4.3.0';
  return ourOutcome(status, `the program ended with status ${code}${said === '' ? '' : `: ${said}`}`, {
    scope: 'recipient',
  });
}

function harmless(output: readonly Buffer[]): string {
  const text = Buffer.concat(output).toString('utf8');
  return text
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(0, MAX_QUOTED)
    .toWellFormed();
}
