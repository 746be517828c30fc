/** Where a command writes to, and what it may assume of who reads it. Tests have their own. */

import process from 'node:process';
import { styleText } from 'node:util';

export interface Terminal {
  /** What was asked for: standard output. */
  readonly out: (text: string) => void;
  /** Octets as they are, to standard output. */
  readonly octets: (octets: Uint8Array) => void;
  /** What went wrong, and what happens meanwhile: standard error. */
  readonly err: (text: string) => void;
  readonly isTty: boolean;
  /** Columns; undefined: as many as it takes. */
  readonly width: number | undefined;
  readonly colour: boolean;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => number;
}

export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  // A reader that went away (`postrider queue | head`) is no reason to fail.
  stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  return {
    out: (text) => void stdout.write(text),
    octets: (octets) => void stdout.write(octets),
    err: (text) => void stderr.write(text),
    isTty: stdout.isTTY,
    width: stdout.isTTY ? stdout.columns : undefined,
    colour: stdout.isTTY && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb',
    cwd: process.cwd(),
    env,
    now: () => Date.now(),
  };
}

export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

export function coloured({ colour }: Terminal, format: Colour, text: string): string {
  return colour ? styleText(format, text, { validateStream: false }) : text;
}
