/** Starts the small internet beside the working process, for `serve --sandbox`, and shares the product's time with it. */

import { type SandboxPort } from '../api/contract.ts';
import { type Log } from '../ports/log.ts';
import { clockOffset, SystemClock } from '../runtime/clock.ts';
import { systemTimers } from '../runtime/timers.ts';
import { read } from '../lib/schema.ts';
import { SANDBOX_OPTIONS } from '../sandbox/config.ts';
import { SANDBOX_PORTS, sandboxConfig } from '../sandbox/sandbox-config.ts';
import { startSmallInternet } from '../sandbox/small-internet.ts';

/** The small internet, running. */
export interface RunningSandbox {
  /** The configuration of the product in it, as a file would export it. */
  readonly written: object;
  readonly port: Omit<SandboxPort, 'moveClock'>;
  readonly domains: readonly { readonly domain: string; readonly does: string }[];
  readonly clockOffset: SharedArrayBuffer;
  close(): Promise<void>;
}

type Env = Readonly<Record<string, string | undefined>>;

/** `POSTRIDER_SMTP_PORT` and `POSTRIDER_HTTP_PORT` move it where its ports are taken; 0 lets the system choose. */
export async function startSandbox(env: Env, log: Log): Promise<RunningSandbox> {
  const offset = clockOffset();
  const options = read(SANDBOX_OPTIONS, {});
  if (!options.ok) throw new Error('the defaults of the sandbox are not valid');
  const clock = new SystemClock(offset);
  const internet = await startSmallInternet({ clock, timers: systemTimers, log, options: options.value });
  const ports = {
    smtp: portOf(env['POSTRIDER_SMTP_PORT'], SANDBOX_PORTS.smtp),
    http: portOf(env['POSTRIDER_HTTP_PORT'], SANDBOX_PORTS.http),
  };
  return {
    written: { ...sandboxConfig(internet, ports), spool: { folder: 'spool', minFree: '16MiB' }, drainTime: '5s' },
    port: { messages: (query) => internet.messages(query), raw: (id) => internet.raw(id) },
    domains: internet.domains,
    clockOffset: offset,
    close: () => internet.close(),
  };
}

function portOf(text: string | undefined, standing: number): number {
  const port = Number(text === undefined || text === '' ? standing : text);
  return Number.isInteger(port) && port >= 0 && port <= 65_535 ? port : standing;
}
