/**
 * Serves the MTA-STS policies of our own domains: `mta-sts.<domain>` has one file, which everybody may read
 * (RFC 8461 §3.3), and nothing else; the rest of the API is not reached by such a name.
 */

import { type FastifyInstance, type FastifyReply } from 'fastify';

const PATH = '/.well-known/mta-sts.txt';
const NAME = /^mta-sts\.([^:[\]\s/@]+?)\.?(?::\d{1,5})?$/i;

/** `policyOf`: the text for one of our domains. To be added before whatever else looks at requests. */
export function serveOwnPolicies(app: FastifyInstance, policyOf: (domain: string) => string | undefined): void {
  app.addHook('onRequest', async (request, reply) => {
    const domain = NAME.exec(request.headers.host ?? '')?.[1]?.toLowerCase();
    const text = domain === undefined ? undefined : policyOf(domain);
    if (text === undefined) return;
    await answer(reply, { method: request.method, path: request.url.split('?')[0] ?? '', text });
  });
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly text: string;
}

async function answer(reply: FastifyReply, { method, path, text }: Asked): Promise<void> {
  reply.type('text/plain; charset=us-ascii');
  if (path !== PATH) await reply.code(404).send(`There is nothing here but ${PATH}\n`);
  else if (method !== 'GET' && method !== 'HEAD') await reply.code(405).header('allow', 'GET, HEAD').send('GET\n');
  else await reply.code(200).send(text);
}
