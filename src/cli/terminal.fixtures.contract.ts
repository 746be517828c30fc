/** A terminal that remembers what was written to it, for the tests of commands. */

import { type Terminal } from './terminal.ts';

export interface FakeTerminal extends Terminal {
  readonly written: { out: string; err: string };
}

export function fakeTerminal(more: Partial<Terminal> = {}): FakeTerminal {
  const written = { out: '', err: '' };
  return {
    out: (text) => void (written.out += text),
    octets: (octets) => void (written.out += Buffer.from(octets).toString('latin1')),
    err: (text) => void (written.err += text),
    isTty: false,
    width: undefined,
    colour: false,
    cwd: '/',
    env: {},
    now: () => 1_000_000,
    written,
    ...more,
  };
}
