import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fastify from 'fastify';
import { denialOf } from './guard.ts';
import { serveOwnPolicies } from './own-policy.ts';

const POLICY = 'version: STSv1\r\nmode: testing\r\nmx: mx.a.test\r\nmax_age: 60\r\n';
const FILE = '/.well-known/mta-sts.txt';

/** As the server has it: the policies first, then the guard, then what only we may reach. */
function app() {
  const built = fastify();
  serveOwnPolicies(built, (domain) => (domain === 'a.test' ? POLICY : undefined));
  built.addHook('onRequest', async (request, reply) => {
    const denial = denialOf(request, { host: '127.0.0.1', names: [] });
    if (denial !== undefined) await reply.code(denial.code).send(denial.message);
  });
  built.get('/secret', () => 'secret');
  return built;
}

describe('the policy of our own domains', () => {
  for (const host of ['mta-sts.a.test', 'MTA-STS.A.test', 'mta-sts.a.test:8443', 'mta-sts.a.test.']) {
    test(`is served at ${host}`, async () => {
      const answer = await app().inject({ url: FILE, headers: { host } });
      assert.deepEqual([answer.statusCode, answer.body], [200, POLICY]);
      assert.equal(answer.headers['content-type'], 'text/plain; charset=us-ascii');
    });
  }

  const refused = [
    { name: 'another path', host: 'mta-sts.a.test', url: '/secret', want: 404 },
    { name: 'the root', host: 'mta-sts.a.test', url: '/', want: 404 },
    { name: 'a change', host: 'mta-sts.a.test', url: FILE, method: 'POST', want: 405 },
    { name: 'a domain of others', host: 'mta-sts.b.test', url: FILE, want: 403 },
    { name: 'a domain below ours', host: 'mta-sts.x.a.test', url: FILE, want: 403 },
    { name: 'the domain itself', host: 'a.test', url: FILE, want: 403 },
    { name: 'a name that is none', host: 'mta-sts.', url: FILE, want: 403 },
  ] as const;
  for (const { name, host, url, want, ...rest } of refused) {
    test(`${name} is refused`, async () => {
      const answer = await app().inject({ method: 'GET', ...rest, url, headers: { host } });
      assert.equal(answer.statusCode, want);
      assert.doesNotMatch(answer.body, /secret/);
    });
  }

  test('whatever else is served stays where it was', async () => {
    const answer = await app().inject({ url: '/secret', headers: { host: 'localhost' } });
    assert.deepEqual([answer.statusCode, answer.body], [200, 'secret']);
  });

  test('a query changes nothing, and HEAD has no body', async () => {
    const asked = await app().inject({ url: `${FILE}?x`, headers: { host: 'mta-sts.a.test' } });
    assert.equal(asked.body, POLICY);
    const head = await app().inject({ method: 'HEAD', url: FILE, headers: { host: 'mta-sts.a.test' } });
    assert.deepEqual([head.statusCode, head.body], [200, '']);
  });
});
