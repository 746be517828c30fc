/**
 * The HTTP server: the same application behind the HTTP listener and behind the control socket.
 *
 * Whoever reaches the control socket owns the spool and may do everything; what comes over HTTP passes the guard.
 * Every request is checked against the schema of its call before anything is asked of the product, and every
 * refusal says what is wrong with it.
 */

import { chmod } from 'node:fs/promises';
import { type AddressInfo } from 'node:net';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { MINUTE, SECOND } from '../lib/time.ts';
import { type Health } from '../observe/health.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { API_PREFIX, type Call, CALLS } from './calls.ts';
import { sendContent } from './content-reply.ts';
import { type Admin, Refusal, type SandboxPort } from './contract.ts';
import { type Access, denialOf } from './guard.ts';
import { serveOwnPolicies } from './own-policy.ts';
import { consolePage, PAGE_HEADERS } from './page.ts';
import { errorBody, refuseConnection, schemaError } from './request-errors.ts';
import { addSandboxRoutes } from './sandbox-routes.ts';

export interface ApiDeps {
  readonly admin: Admin;
  readonly clock: Clock;
  readonly log: Log;
  readonly health: () => Health | Promise<Health>;
  /** In the text format of Prometheus. */
  readonly metrics: () => Promise<string>;
  readonly metricsContentType: string;
  readonly version: string;
  readonly sandbox: SandboxPort | undefined;
  /** The MTA-STS policy of one of our domains. */
  readonly ownPolicy?: (domain: string) => string | undefined;
}

const MAX_BODY = 64 * 1024;

/** `access`: for HTTP; absent: the control socket. */
export function buildApi(deps: ApiDeps, access: Access | undefined): FastifyInstance {
  const app = bareApp();
  app.setErrorHandler((error: FastifyError, _request, reply) => answerError(deps, error, reply));
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send(errorBody('notFound', `there is nothing at ${request.method} ${request.url.slice(0, 200)}`)),
  );
  if (access !== undefined) {
    if (deps.ownPolicy !== undefined) serveOwnPolicies(app, deps.ownPolicy);
    app.addHook('onRequest', guardWith(access));
  }
  for (const [name, call] of Object.entries(CALLS))
    if (access === undefined || call.access === undefined) addCall(app, deps.admin, name as keyof Admin, call);
  addPlainRoutes(app, deps);
  if (deps.sandbox !== undefined) addSandboxRoutes(app, deps.sandbox);
  return app;
}

/** Without a route, and with the one form of refusals. */
function bareApp(): FastifyInstance {
  return fastify({
    bodyLimit: MAX_BODY,
    requestTimeout: MINUTE,
    connectionTimeout: 0,
    keepAliveTimeout: 5 * SECOND,
    forceCloseConnections: true,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 200, ignoreTrailingSlash: true },
    ajv: {
      customOptions: {
        removeAdditional: false,
        coerceTypes: true,
        useDefaults: false,
        allErrors: false,
        verbose: true,
      },
    },
    schemaErrorFormatter: schemaError,
    clientErrorHandler: refuseConnection,
    // What has no address that can be read has no route either.
    frameworkErrors: (error, _request, reply) =>
      void (reply as FastifyReply).code(error.statusCode ?? 400).send(errorBody('invalid', error.message)),
  });
}

/** Resolves with the address that it listens on. */
export async function listenHttp(app: FastifyInstance, host: string, port: number): Promise<AddressInfo> {
  await app.listen({ host, port });
  const address = app.addresses()[0];
  if (address === undefined || typeof address === 'string') throw new Error('the HTTP server listens on nothing');
  return address;
}

/** The folder of the socket is closed to others already; the socket itself is too. */
export async function listenControl(app: FastifyInstance, socketPath: string): Promise<void> {
  await app.listen({ path: socketPath });
  await chmod(socketPath, 0o600);
}

function guardWith(access: Access): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  return async (request, reply) => {
    const denial = denialOf(request, access);
    // What is not here is said to be not here, whatever it was sent with.
    if (denial !== undefined && !(denial.code === 415 && request.is404))
      await reply.code(denial.code).send(errorBody('invalid', denial.message));
  };
}

function addCall(app: FastifyInstance, admin: Admin, name: keyof Admin, call: Call): void {
  const schema = call.method === 'GET' ? queryAndPath(call) : { body: call.argument };
  app.route({
    method: call.method,
    url: `${API_PREFIX}${call.path}`,
    schema,
    handler: async (request, reply) => {
      const given = call.method === 'GET' ? { ...asObject(request.query), ...asObject(request.params) } : request.body;
      // The schema has checked the argument: this is where its type is known.
      const run = admin[name].bind(admin) as (argument: unknown) => Promise<unknown>;
      const answer = await run(given ?? {});
      return answer instanceof Uint8Array ? sendContent(reply, answer) : answer;
    },
  });
}

/** What stands in the path is not asked for in the query. */
function queryAndPath({ path, argument }: Call): object {
  const inPath = new Set(Object.keys(argument.properties).filter((name) => path.includes(`:${name}`)));
  const rest = Object.entries(argument.properties).filter(([name]) => !inPath.has(name));
  const required = (argument.required ?? []).filter((name) => !inPath.has(name));
  return { querystring: { ...argument, properties: Object.fromEntries(rest), required } };
}

function addPlainRoutes(app: FastifyInstance, deps: ApiDeps): void {
  app.get('/metrics', async (_request, reply) => reply.type(deps.metricsContentType).send(await deps.metrics()));
  app.get('/health/live', async (_request, reply) => {
    const { live, parts } = await deps.health();
    return reply.code(live ? 200 : 503).send({ live, parts });
  });
  app.get('/health/ready', async (_request, reply) => {
    const { ready, parts } = await deps.health();
    return reply.code(ready ? 200 : 503).send({ ready, parts });
  });
  app.get(`${API_PREFIX}/version`, () => Promise.resolve({ version: deps.version }));
  app.get('/', async (_request, reply) => {
    const [status, queue, messages] = await Promise.all([
      deps.admin.status(),
      deps.admin.list({ limit: 50 }),
      deps.sandbox?.messages({ limit: 50 }),
    ]);
    const html = consolePage({ status, queue, messages, now: deps.clock.now() });
    return reply.headers(PAGE_HEADERS).send(html);
  });
}

const STATUS_OF: Readonly<Record<Refusal['kind'], number>> = { invalid: 400, notFound: 404, conflict: 409 };

function answerError({ log }: ApiDeps, error: FastifyError | Refusal, reply: FastifyReply): FastifyReply {
  if (error instanceof Refusal) return reply.code(STATUS_OF[error.kind]).send(errorBody(error.kind, error.message));
  const code = error.statusCode ?? 500;
  if (code < 500) return reply.code(code).send(errorBody('invalid', error.message));
  log.error('a request to the API failed', { error: error.message });
  return reply.code(500).send(errorBody('failed', 'this went wrong inside; the log of the server says more'));
}

function asObject(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}
