/** What ACME must remember over a restart, as one line of JSON; what cannot be read counts as nothing. */

import { type Instant } from '../lib/time.ts';

export interface AcmeState {
  /** Orders that failed in a row. */
  readonly failures: number;
  readonly lastError: string;
  readonly lastOrderAt: Instant;
  /** No order before this. */
  readonly notBefore: Instant;
}

export function readAcmeState(text: string | undefined): AcmeState {
  const from = fieldsOf(text);
  const number = (name: string): number => {
    const value = from[name];
    return typeof value === 'number' && value >= 0 ? value : 0;
  };
  const { lastError } = from;
  return {
    failures: Math.floor(number('failures')),
    lastError: typeof lastError === 'string' ? lastError : '',
    lastOrderAt: number('lastOrderAt'),
    notBefore: number('notBefore'),
  };
}

function fieldsOf(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const json: unknown = JSON.parse(text ?? '{}');
    return typeof json === 'object' && json !== null ? { ...json } : {};
  } catch {
    // Cut short by a full disk: the next order tells what is wrong.
    return {};
  }
}
