/** What only a sandbox answers: the mail that its simulated receivers took, and its clock. */

import { type FastifyInstance } from 'fastify';
import { parseDuration } from '../lib/schema-units.ts';
import { API_PREFIX } from './calls.ts';
import { sendContent } from './content-reply.ts';
import { Refusal, type SandboxMessage, type SandboxPort } from './contract.ts';

const MESSAGES = `${API_PREFIX}/sandbox/messages`;

const QUERY = {
  type: 'object',
  properties: {
    recipient: { type: 'string', minLength: 1, maxLength: 1000 },
    limit: { type: 'integer', minimum: 1, maximum: 1000 },
  },
  additionalProperties: false,
} as const;

const STEP = {
  type: 'object',
  properties: { advance: { type: 'string', maxLength: 100 }, to: { type: 'string', maxLength: 100 } },
  additionalProperties: false,
} as const;

interface Query {
  readonly recipient?: string;
  readonly limit?: number;
}

interface Step {
  readonly advance?: string;
  readonly to?: string;
}

export function addSandboxRoutes(app: FastifyInstance, sandbox: SandboxPort): void {
  app.get<{ Querystring: Query }>(MESSAGES, { schema: { querystring: QUERY } }, async ({ query }) => {
    const messages = await sandbox.messages(query);
    return { messages: messages.map(viewOf) };
  });
  app.get<{ Params: { readonly id: string } }>(`${MESSAGES}/:id/raw`, async ({ params }, reply) => {
    const raw = await sandbox.raw(params.id);
    if (raw === undefined) throw new Refusal('notFound', 'the sandbox has no such message');
    return sendContent(reply, raw);
  });
  app.post<{ Body: Step }>(`${API_PREFIX}/sandbox/clock`, { schema: { body: STEP } }, async ({ body }) => {
    const now = await sandbox.moveClock(stepOf(body));
    return { now, iso: new Date(now).toISOString() };
  });
}

function viewOf(message: SandboxMessage): object {
  return { ...message, raw: `${MESSAGES}/${encodeURIComponent(message.id)}/raw` };
}

function stepOf({ advance, to }: Step): { readonly by: number } | { readonly to: number } {
  if (advance !== undefined && to === undefined) {
    const by = parseDuration(advance);
    if (by.ok) return { by: by.value };
    throw new Refusal('invalid', `advance: ${by.reason}; write "1h" or "5d"`);
  }
  const instant = Date.parse(to ?? '');
  if (advance === undefined && Number.isFinite(instant)) return { to: instant };
  throw new Refusal('invalid', 'write either { "advance": "1h" } or { "to": "2030-01-01T00:00:00Z" }');
}
