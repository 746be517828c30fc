/** The options of the operator's log. */

import { choice, type Values } from '../lib/schema.ts';

export const LOG_OPTIONS = {
  format: choice(['text', 'json'], 'text', 'One line an entry, for people or for programs; to standard error.'),
  level: choice(
    ['error', 'warn', 'info'],
    'info',
    '`error`: a person must act; `warn`: a person should know; `info`: start, stop, reload.',
  ),
};

export type LogConfig = Values<typeof LOG_OPTIONS>;
