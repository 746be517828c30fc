/** Which reports were handed in: a file for each day, a line for each report, so that no restart sends one twice. */

import { appendFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type SentReports } from './tls-reporter.ts';

const SUFFIX = '.sent';

export async function openSentReports(folder: string): Promise<SentReports> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = (day: string): string => join(folder, `${day}${SUFFIX}`);
  return {
    /** Days before it are forgotten. */
    async load(day) {
      for (const name of await readdir(folder))
        if (name.endsWith(SUFFIX) && name < `${day}${SUFFIX}`) await rm(join(folder, name), { force: true });
      // No file: nothing was sent yet.
      const text = await readFile(path(day), 'utf8').catch(() => '');
      return new Set(text.split('\n').slice(0, -1));
    },
    async add(day, key) {
      await appendFile(path(day), `${key}\n`, { mode: 0o600, flush: true });
    },
  };
}
