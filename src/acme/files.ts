/** Where the certificates that ACME brings are kept: in the spool, closed to others, each written whole or not at all. */

import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface AcmeFiles {
  readonly folder: string;
  readonly account: string;
  readonly accountKey: string;
  /** Key and chain in one file, so that they always belong together. */
  readonly certificate: string;
  /** Of the next renewal, where each has a new key. */
  readonly nextKey: string;
  readonly state: string;
}

export function acmeFiles(spoolFolder: string): AcmeFiles {
  const folder = join(spoolFolder, 'acme');
  const at = (name: string): string => join(folder, name);
  return {
    folder,
    account: at('account.json'),
    accountKey: at('account-key.pem'),
    certificate: at('certificate.pem'),
    nextKey: at('next-key.pem'),
    state: at('state.json'),
  };
}

/** On disk when it resolves; 0600. */
export async function writeWhole(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.new`;
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}

/** Everything that is there, into another spool. */
export async function copyAcmeFiles(spoolFolder: string, target: string): Promise<void> {
  const from = acmeFiles(spoolFolder);
  const to = acmeFiles(target);
  // The next key comes before the certificate: one that comes into use meanwhile is then in both, and none is lost.
  for (const name of ['accountKey', 'nextKey', 'certificate', 'state'] as const) {
    const text = await readIfThere(from[name]);
    if (text !== undefined) await writeWhole(to[name], text);
  }
}

/** Undefined: there is none. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as { readonly code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
}
