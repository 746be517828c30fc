/** Load that logs in over TLS, which Postfix's tools cannot make. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface SubmitterCommand {
  /** TLS from the first octet. */
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly sender: string;
  readonly recipient: string;
  readonly sessions: number;
  readonly messages: number;
  /** Messages of one connection. */
  readonly perConnection: number;
  readonly octets: number;
  /** MAIL, RCPT and DATA are written together (RFC 2920). */
  readonly pipelined: boolean;
}

export type SubmitterResult = { readonly kind: 'done' } | { readonly kind: 'failed'; readonly reason: string };

/** Resolves when all of it has been answered with 250; rejects with what was answered in its place. */
export async function submit(command: SubmitterCommand): Promise<void> {
  const child = fork(join(import.meta.dirname, 'children', 'submitter.ts'), { execArgv: [] });
  try {
    const result = once(child, 'message');
    child.send(command);
    const [answer] = (await result) as [SubmitterResult];
    if (answer.kind === 'failed') throw new Error(`the submitter failed: ${answer.reason}`);
  } finally {
    child.kill();
  }
}
