/** One call as a request, and the pieces that calls are described with. */

import { type Duration, SECOND } from '../lib/time.ts';

export interface Call {
  readonly method: 'GET' | 'POST';
  /** Below `/api/v1`. */
  readonly path: string;
  readonly argument: JsonSchema;
  /** How long an answer may take. */
  readonly patience: Duration;
  readonly doc: string;
  /** `controlSocket`: not over HTTP, where nobody has logged in. */
  readonly access?: 'controlSocket';
}

export interface JsonSchema {
  readonly type: 'object';
  readonly properties: Readonly<Record<string, object>>;
  readonly required?: readonly string[];
  readonly additionalProperties: false;
}

const SHORT = 10 * SECOND;

export const NAME = { type: 'string', minLength: 1, maxLength: 1000 } as const;

export function object(properties: Readonly<Record<string, object>>, ...required: readonly string[]): JsonSchema {
  return {
    type: 'object',
    properties,
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
}

export function get(path: string, argument: JsonSchema, doc: string): Call {
  return { method: 'GET', path, argument, patience: SHORT, doc };
}

export function post(path: string, argument: JsonSchema, doc: string, patience: Duration = SHORT): Call {
  return { method: 'POST', path, argument, patience, doc };
}
