/**
 * Serves the MTA-STS policies of our own domains: `mta-sts.<domain>` has one file, which everybody may read
 * (RFC 8461 §3.3), and nothing else; the rest of the API is not reached by such a name.
 */

import { type FastifyInstance } from 'fastify';
import { STS_POLICY_PATH } from '../mail/sts-policy.ts';

const NAME = /^mta-sts\.([^:[\]\s/@]+?)\.?(?::\d{1,5})?$/i;

/** The text for one of our domains. */
export type PolicyOf = (domain: string) => string | undefined;

export interface PolicyRequest {
  readonly method: string;
  readonly url: string;
  /** The Host field. */
  readonly host: string | undefined;
}

export interface PolicyAnswer {
  readonly code: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Undefined: the request is not for the policy of a domain of ours. */
export function policyAnswer({ method, url, host }: PolicyRequest, policyOf: PolicyOf): PolicyAnswer | undefined {
  const domain = NAME.exec(host ?? '')?.[1]?.toLowerCase();
  const text = domain === undefined ? undefined : policyOf(domain);
  if (text === undefined) return undefined;
  const headers = { 'content-type': 'text/plain; charset=us-ascii' };
  if ((url.split('?')[0] ?? '') !== STS_POLICY_PATH)
    return { code: 404, headers, text: `There is nothing here but ${STS_POLICY_PATH}\n` };
  if (method === 'GET' || method === 'HEAD') return { code: 200, headers, text };
  return { code: 405, headers: { ...headers, allow: 'GET, HEAD' }, text: 'GET\n' };
}

/** To be added before whatever else looks at requests. */
export function serveOwnPolicies(app: FastifyInstance, policyOf: PolicyOf): void {
  app.addHook('onRequest', async ({ method, url, headers: { host } }, reply) => {
    const answer = policyAnswer({ method, url, host }, policyOf);
    if (answer !== undefined) await reply.code(answer.code).headers(answer.headers).send(answer.text);
  });
}
