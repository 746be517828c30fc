/** Delivery to a real Postfix: the groups that we send, BDAT among them, over TLS and in clear, read back from its mailboxes. */

import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { makeAuthority } from '../lib/certificates.ts';
import { interopNeeds } from '../lib/debs.ts';
import { agentFor, dispatchOf, type Letter, MX, verdictsOf } from '../lib/delivery.ts';
import { type Postfix, type PostfixOptions, startPostfix } from '../lib/postfix.ts';

const skip = await interopNeeds('postfix');

async function postfix(t: TestContext, options: Partial<PostfixOptions> = {}): Promise<Postfix> {
  const server = await startPostfix({ domains: ['kept.test'], ...options });
  t.after(() => server.stop());
  return server;
}

describe('a real Postfix takes what we deliver', { skip }, () => {
  test('one after the other over one connection: small text by BDAT, large by DATA, to many', async (t) => {
    const { agent } = agentFor(t);
    const server = await postfix(t);
    const small = 'Subject: small\r\n\r\n.dot\r\n..\r\nend\r\n';
    const large = `Subject: large\r\n\r\n${'.line of text\r\n'.repeat(20_000)}`;
    const to = ['ann@kept.test', 'bob@kept.test'];
    const letters: readonly Letter[] = [
      { content: small, to },
      { content: large, to },
      { content: small, to, from: null },
    ];
    for (const [i, letter] of letters.entries()) {
      const report = await agent.deliver(dispatchOf({ ...MX, port: server.port }, letter));
      assert.deepEqual(verdictsOf(report.outcomes), ['delivered', 'delivered'], report.outcomes[0]?.diagnostic);
      assert.equal(report.reused, i > 0);
    }
    const arrived = await server.arrivals('ann@kept.test', 3);
    const bodies = arrived.map((each) => String(each.content));
    assert.ok(bodies.some((body) => body.replaceAll('\r\n', '\n').endsWith('\n\n.dot\n..\nend\n')));
    assert.ok(bodies.some((body) => body.includes('.line of text') && !body.includes('..line')));
  });

  test('a refused recipient in a BDAT group, and all of them', async (t) => {
    const { agent } = agentFor(t);
    const refuseEve = 'check_recipient_access inline:{eve@kept.test=reject}, permit';
    const server = await postfix(t, { parameters: { smtpd_recipient_restrictions: refuseEve } });
    const route = { ...MX, port: server.port };
    const some = await agent.deliver(dispatchOf(route, { to: ['ann@kept.test', 'eve@kept.test'] }));
    assert.deepEqual(verdictsOf(some.outcomes), ['delivered', 'failed 5.7.1 recipient'], some.outcomes[1]?.diagnostic);
    const none = await agent.deliver(dispatchOf(route, { to: ['eve@kept.test'] }));
    assert.deepEqual(verdictsOf(none.outcomes), ['failed 5.7.1 recipient']);
    const after = await agent.deliver(dispatchOf(route, { to: ['ann@kept.test'] }));
    assert.deepEqual(verdictsOf(after.outcomes), ['delivered'], after.outcomes[0]?.diagnostic);
    assert.equal(after.reused, true);
  });

  test('over verified TLS', async (t) => {
    const authority = makeAuthority();
    const { cert, key } = authority.issue('mx.test');
    const { agent } = agentFor(t, { tls: { ca: authority.cert } });
    const server = await postfix(t, { tls: { certificate: cert, key } });
    const report = await agent.deliver(
      dispatchOf({ ...MX, tls: 'verify', port: server.port }, { to: ['ann@kept.test'] }),
    );
    assert.deepEqual(verdictsOf(report.outcomes), ['delivered'], report.outcomes[0]?.diagnostic);
    assert.match(report.tls ?? '', /^TLSv1\.3/);
  });
});
