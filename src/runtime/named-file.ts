/**
 * Files that options name: read in one way wherever they are read, so that whoever may not, or finds none, hears of it in
 * the same words.
 */

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import process from 'node:process';
import { errorCode, errorText } from '../lib/error-text.ts';
import { formatProblem } from '../lib/schema-reading.ts';

export interface NamedFile {
  /** Its path in the configuration: `tls.key`. */
  readonly option: string;
  readonly file: string;
}

/** A file that cannot be used, with the option that names it and what to do. */
export class FileFault extends Error {
  /** It is there, and closed to this user; another may be able to use it. */
  readonly isDenied: boolean;

  constructor(option: string, what: readonly [what: string, fix: string], cause?: unknown) {
    const [expected, fix] = what;
    super(formatProblem({ path: option, value: undefined, expected, fix }), { cause });
    this.isDenied = DENIED.has(errorCode(cause));
  }
}

const DENIED = new Set(['EACCES', 'EPERM']);

/** Throws a `FileFault`. */
export function readNamed(named: NamedFile): string {
  try {
    return readFileSync(named.file, 'utf8');
  } catch (error) {
    throw unreadable(named, error);
  }
}

/** The same without holding up the thread. */
export async function readNamedSoon(named: NamedFile): Promise<string> {
  try {
    return await readFile(named.file, 'utf8');
  } catch (error) {
    throw unreadable(named, error);
  }
}

function unreadable({ option, file }: NamedFile, error: unknown): FileFault {
  const code = errorCode(error);
  const [why, fix] = reasonOf(code, errorText(error));
  return new FileFault(option, [`${file} cannot be read: ${why} (${code})`, fix], error);
}

function reasonOf(code: string, text: string): readonly [why: string, fix: string] {
  if (code === 'ENOENT' || code === 'ENOTDIR') return ['there is no such file', 'write its right name, or make it'];
  if (code === 'EISDIR') return ['it is a folder', 'name the file in it'];
  if (DENIED.has(code)) return [`${thisUser()} may not`, 'let the user that the server runs as read it'];
  return [text, 'mend that, or name another'];
}

/** For people: whom the system asks. */
export function thisUser(): string {
  try {
    return `user ${userInfo().username}`;
  } catch {
    // A number without a name, as in containers.
    return `user ${process.getuid?.()}`;
  }
}
