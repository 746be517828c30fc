/** Starts the small internet beside the working process, for `serve --sandbox`, and shares the product's time with it. */

import { join } from 'node:path';
import { type SandboxPort } from '../api/contract.ts';
import { type DirectoryAdmin } from '../api/directory-contract.ts';
import { type DirectoryStore } from '../directory/directory.ts';
import { type Log } from '../ports/log.ts';
import { clockOffset, SystemClock } from '../runtime/clock.ts';
import { readDirectory } from '../runtime/directory-operations.ts';
import { systemTimers } from '../runtime/timers.ts';
import { read } from '../lib/schema.ts';
import { SANDBOX_OPTIONS } from '../sandbox/config.ts';
import { SANDBOX_PORTS, sandboxConfig } from '../sandbox/sandbox-config.ts';
import { startSmallInternet } from '../sandbox/small-internet.ts';
import { UsageError } from './context.ts';
import { provideLogin, publishedText } from './sandbox-login.ts';

/** The small internet, running. */
export interface RunningSandbox {
  /** The configuration of the product in it, as a file would export it. */
  readonly written: object;
  readonly port: Omit<SandboxPort, 'moveClock'>;
  readonly domains: readonly { readonly domain: string; readonly does: string }[];
  readonly clockOffset: SharedArrayBuffer;
  /** Sees to it that there is a user to log in as. */
  provideLogin(directory: DirectoryAdmin): Promise<void>;
  close(): Promise<void>;
}

type Env = Readonly<Record<string, string | undefined>>;

/** The variables move it where its ports are taken; 0 lets the system choose. `folder`: where the product is. */
export async function startSandbox(env: Env, folder: string, log: Log): Promise<RunningSandbox> {
  const ports = {
    smtp: portIn(env, 'POSTRIDER_SMTP_PORT', SANDBOX_PORTS.smtp),
    submission: portIn(env, 'POSTRIDER_SUBMISSION_PORT', SANDBOX_PORTS.submission),
    submissions: portIn(env, 'POSTRIDER_SUBMISSIONS_PORT', SANDBOX_PORTS.submissions),
    http: portIn(env, 'POSTRIDER_HTTP_PORT', SANDBOX_PORTS.http),
  };
  const offset = clockOffset();
  const options = read(SANDBOX_OPTIONS, {});
  if (!options.ok) throw new Error('the defaults of the sandbox are not valid');
  const clock = new SystemClock(offset);
  const directory = new LateDirectory(join(folder, SPOOL));
  const texts = (name: string): string | undefined => {
    const store = directory.open();
    return store && publishedText(store, name);
  };
  const internet = await startSmallInternet({ clock, timers: systemTimers, log, options: options.value, texts });
  return {
    written: { ...sandboxConfig(internet, ports), spool: { folder: SPOOL, minFree: '16MiB' }, drainTime: '5s' },
    port: { messages: (query) => internet.messages(query), raw: (id) => internet.raw(id) },
    domains: internet.domains,
    clockOffset: offset,
    provideLogin: async (admin) => {
      const store = directory.open();
      if (store === undefined) throw new Error('the sandbox has no directory');
      await provideLogin(admin, store);
    },
    close: async () => {
      await internet.close();
      directory.close();
    },
  };
}

const SPOOL = 'spool';

/** The product makes it while it starts, and writes it; here it is read. */
class LateDirectory {
  readonly #spool: string;
  #store: DirectoryStore | undefined;

  constructor(spool: string) {
    this.#spool = spool;
  }

  open(): DirectoryStore | undefined {
    return (this.#store ??= readDirectory(this.#spool));
  }

  close(): void {
    this.#store?.close();
  }
}

/** Not set, or empty: `standing`. */
export function portIn(env: Env, variable: string, standing: number): number {
  const text = env[variable];
  if (text === undefined || text === '') return standing;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port <= 65_535) return port;
  throw new UsageError(`${variable}=${text}: write a port from 0 to 65535; 0 lets the system choose`);
}
